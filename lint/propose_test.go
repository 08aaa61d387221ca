package lint

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"portolan/internal/diag"
	"portolan/internal/host"
	"portolan/internal/inventory"
	"portolan/internal/port"
	"portolan/internal/source"
)

// answered are the rules that a proposal answers: what has moved is in no finding of them.
var answered = []string{"ephemeral-overlap", "port-overlap", "excluded-range"}

// ProposalFault is what is proposed for hosts, and what is wrong with it, "" when nothing is.
// It is for the tests outside the package too.
func ProposalFault(inv *inventory.Inventory, hosts []host.Facts, o Options) (Proposal, string) {
	snapshot := func() string {
		s := fmt.Sprintf("%+v %+v", *inv, hosts)
		for i := range hosts {
			if at := hosts[i].ReservedAt; at != nil {
				s += fmt.Sprintf("%+v", *at)
			}
		}
		return s
	}
	was := snapshot()
	p := Propose(inv, hosts, o)
	before := Run(inv, hosts, o)
	after, facts := p.Of(inv, hosts)
	if snapshot() != was {
		return p, "the given values were changed"
	}
	if len(p.Reserve) != len(hosts) || len(after.Claims) != len(inv.Claims) || len(facts) != len(hosts) {
		return p, "hosts or claims are missing"
	}
	moved := map[int]bool{}
	for i, m := range p.Moves {
		if i > 0 && p.Moves[i-1].Claim >= m.Claim {
			return p, fmt.Sprintf("moves are out of order: %v", p.Moves)
		}
		c, n := &inv.Claims[m.Claim], &after.Claims[m.Claim]
		whole := c.NominalLast <= port.Max
		if c.Direction != inventory.Listen || c.Ports == m.To || n.Ports != m.To || n.NominalLast > port.Max ||
			n.NominalLast-n.NominalFirst != c.NominalLast-c.NominalFirst || whole && m.To.Len() != c.Ports.Len() || m.To.Len() < c.Ports.Len() {
			return p, fmt.Sprintf("%s is moved to %s, nominally %s", subject(c), m.To, n.Nominal())
		}
		moved[m.Claim] = true
	}
	for i := range inv.Claims {
		if !moved[i] && subject(&inv.Claims[i]) != subject(&after.Claims[i]) {
			return p, "another claim was moved"
		}
	}
	for i, list := range p.Reserve {
		if list.IsEmpty() {
			continue
		}
		if now := reservedBy(&hosts[i]); !now.Minus(list).IsEmpty() || now.Equal(list) && hosts[i].ReservedAt == nil {
			return p, fmt.Sprintf("%s is reserved in the place of %s", list, now)
		}
		for _, proto := range port.Protos {
			if left := facts[i].EphemeralPorts(proto); !left.Equal(hosts[i].EphemeralPorts(proto).Minus(list)) {
				return p, fmt.Sprintf("%s is handed out beside the list %s", left, list)
			}
		}
	}
	had := func(d *diag.Diagnostic) (parts []diag.Ports) {
		for _, b := range before {
			if b.Rule == d.Rule && b.Span == d.Span {
				parts = append(parts, b.Ports...)
			}
		}
		return diag.Join(parts...)
	}
	for _, d := range Run(after, facts, o) {
		if !slices.Contains(answered, d.Rule) {
			continue
		}
		spans := []source.Span{d.Span}
		for _, r := range d.Related {
			spans = append(spans, r.Span)
		}
		old := had(&d)
		for _, own := range d.Ports {
			for i := range moved {
				c := &after.Claims[i]
				if c.Proto == own.Proto && slices.Contains(spans, c.Span) && !own.Set.Intersect(port.Of(c.Ports)).IsEmpty() {
					return p, fmt.Sprintf("%s has moved, and there is [%s] %s", subject(c), d.Rule, d.Message)
				}
			}
			known := port.Set{}
			for _, o := range old {
				if o.Proto == own.Proto {
					known = o.Set
				}
			}
			if !own.Set.Minus(known).IsEmpty() {
				return p, fmt.Sprintf("there was no [%s] %s", d.Rule, d.Message)
			}
		}
	}
	return p, ""
}

// TestProposalsHold: on hosts of any kind, what has moved is in no quarrel, and there are no
// new ones.
func TestProposalsHold(t *testing.T) {
	moves, lists := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		inv := &inventory.Inventory{Claims: genClaims(t)}
		for i := range inv.Claims {
			c := &inv.Claims[i]
			switch rapid.SampledFrom([]string{"", "", "fixed", "fixed", "connect", "shares"}).Draw(t, "kind") {
			case "fixed":
				c.Setting = ""
			case "connect":
				c.Direction = inventory.Connect
			case "shares": // one text for two protocols
				if i > 0 {
					o := inv.Claims[i-1]
					*c = o
					c.Proto = port.TCP + port.UDP - o.Proto
				}
			}
		}
		all := []host.Facts{linux(), listed("8080,35000-35099", true), listed("new", false), reserving(linux(), "35000-35199", "22"),
			ranged(listed("5061", true), 1024, 65000), freebsd(),
			windows(row(port.UDP, host.V4, 20000, 20099, false), row(port.TCP, host.V6, 5000, 5099, false), row(port.UDP, host.V4, 25000, 25009, false))}
		hosts := rapid.SliceOfN(rapid.SampledFrom(all), 0, 3).Draw(t, "hosts")
		p, wrong := ProposalFault(inv, hosts, Options{})
		if wrong != "" {
			t.Fatalf("%s\n%+v", wrong, p)
		}
		moves += len(p.Moves)
		for _, list := range p.Reserve {
			lists += min(1, list.Len())
		}
	})
	if moves < 50 || lists == 0 { // the least of a hundred runs were 87 and 5
		t.Errorf("%d moves, %d lists: the hosts are too tidy", moves, lists)
	}
}

// TestPropose is what is proposed: moves as "0: 25000-25399", lists as the host and the ports.
func TestPropose(t *testing.T) {
	type claims = []inventory.Claim
	type hosts = []host.Facts
	fixed := func(c inventory.Claim) inventory.Claim { c.Setting = ""; return c } // nothing moves it
	piece := func(first, last uint16) inventory.Claim {                           // of a range without some ports
		return change(rtp(35000, 35399), func(c *inventory.Claim) { c.Ports = ports(first, last) })
	}
	var scattered claims
	for i := range 1500 {
		scattered = append(scattered, fixed(at2(sip(port.UDP, 33000+2*i, "*"), "200")))
	}
	shadowed := listed("8080", true)
	shadowed.Shadowed = []host.Shadowed{{Setting: reserved, Span: at("35000"), By: at("30000"), Lost: port.Of(port.Single(40001))}}
	node := listed("8080", true)
	node.NodePorts = host.NodePorts{Ports: ports(32700, 32900), From: "k8s"}
	differs := listed("8080", false)
	differs.Reserved = []host.Reserved{{Ports: port.Of(port.Single(22))}}
	for _, c := range []struct {
		name   string
		claims claims
		hosts  hosts
		want   string
	}{
		{"nothing", nil, nil, ""},
		{"a range moves, and is not reserved", claims{rtp(35000, 35399)}, hosts{linux()}, "0: 30000-30399\n"},
		{"a single port is reserved, and does not move", claims{fixed(rtp(35000, 35399)), sip(port.TCP, 40000, "*"), sip(port.UDP, 40000, "*")}, hosts{listed("8080", true)},
			"on 0: 8080,35000-35399,40000\n"},
		{"but where one of the systems has no list", claims{fixed(rtp(35000, 35399)), sip(port.UDP, 50000, "*")}, hosts{listed("8080", true), windows()},
			"1: 30000\non 0: 8080,35000-35399\n"},
		{"and where the list is too long", append(claims{sip(port.UDP, 40001, "*")}, scattered...), hosts{linux()}, "0: 30000\n"},
		{"and where it would have to move anyway", claims{sip(port.UDP, 40000, "*"), change(fixed(sip(port.UDP, 40000, "*")), func(c *inventory.Claim) { c.Service = "proxy" })}, hosts{linux()},
			"0: 30000\non 0: 40000\n"},
		{"facts without files", claims{fixed(rtp(35000, 35399))}, hosts{linux()}, "on 0: 35000-35399\n"},
		{"what is reserved stays so", claims{fixed(rtp(35000, 35399))}, hosts{reserving(linux(), "22", "35000-35100")}, "on 0: 22,35000-35399\n"},
		{"the running system counts", claims{fixed(sip(port.UDP, 40000, "*"))}, hosts{listed("new", false)}, "on 0: 40000\n"},
		{"what the files and the running system reserve", claims{fixed(sip(port.UDP, 40000, "*"))}, hosts{differs}, "on 0: 22,8080,40000\n"},
		{"a list each", claims{fixed(rtp(50000, 50399))}, hosts{windows(), listed("8080", true), freebsd(), linux()}, "on 1: 8080,50000-50399\non 3: 50000-50399\n"},
		{"both protocols of a quarrel", claims{change(fixed(sip(port.UDP, 5060, "*")), func(c *inventory.Claim) { c.Service = "proxy" }), sip(port.TCP, 5060, "*"), sip(port.UDP, 5060, "*")}, nil,
			"1: 5061\n2: 5061\n"},
		{"one text for two listeners", claims{rtp(35000, 35399), change(rtp(35400, 35401), func(c *inventory.Claim) { c.Listen, c.Proto = "control", port.TCP })}, hosts{freebsd()},
			"0: 5000-5399\n1: 5400-5401\n"},
		{"a connection is no claim of ours", claims{change(rtp(35000, 35399), func(c *inventory.Claim) { c.Direction = inventory.Connect }), rtp(36000, 36399)}, hosts{freebsd()}, "1: 5000-5399\n"},
		{"pieces of a range", claims{piece(35000, 35059), piece(35061, 35399)}, hosts{linux()}, "0: 30000-30059\n1: 30061-30399\n"},
		{"past the end", claims{rtp(65400, 65799)}, nil, "0: 65000-65399\n"},
		{"wholly past the end", claims{rtp(70000, 70399)}, nil, "0: 60000-60399\n"},
		{"more sockets than are written", claims{change(rtp(35000, 35398), func(c *inventory.Claim) { c.Ports.Last = 35399 })}, hosts{linux()}, "0: 30000-30399\n"},
		{"an odd base", claims{rtp(25001, 25400)}, hosts{linux()}, "0: 25000-25399\n"},
		{"too little would be left", claims{fixed(rtp(33000, 59999))}, hosts{linux()}, ""},
		{"a list for more than one line", scattered, hosts{linux()}, ""},
		{"a line that another one takes back", nil, hosts{shadowed}, "on 0: 8080,40001\n"},
		{"node ports", nil, hosts{node}, "on 0: 8080,32700-32900\n"},
		{"of two on a port that a tuned range covers one moves", claims{sip(port.TCP, 5060, "*"), fixed(at2(sip(port.UDP, 5070, "*"), "200")),
			change(fixed(sip(port.TCP, 5060, "*")), func(c *inventory.Claim) { c.Service = "proxy" })}, hosts{ranged(listed("8080", true), 1024, 60999)}, "0: 65000\non 0: 5060,5070,8080\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, wrong := ProposalFault(&inventory.Inventory{Claims: c.claims}, c.hosts, Options{})
			if wrong != "" {
				t.Error(wrong)
			}
			got := ""
			for _, m := range p.Moves {
				got += fmt.Sprintf("%d: %s\n", m.Claim, m.To)
			}
			for i, list := range p.Reserve {
				if !list.IsEmpty() {
					got += fmt.Sprintf("on %d: %s\n", i, list)
				}
			}
			if got != c.want {
				t.Errorf("got\n%swant\n%s", got, c.want)
			}
		})
	}
	// What is shadowed is so no more when its ports are in the list that counts.
	none := &inventory.Inventory{}
	_, after := Propose(none, hosts{shadowed}, Options{}).Of(none, hosts{shadowed})
	if before, l := Run(none, hosts{shadowed}, Options{}), Run(none, after, Options{}); len(before) != 1 || len(l) > 0 {
		t.Errorf("%d findings, and then %s", len(before), words(l))
	}
}
