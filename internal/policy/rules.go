package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"portolan/internal/addr"
	"portolan/internal/diag"
	"portolan/internal/port"
	"portolan/internal/ruleset"
	"portolan/internal/source"
)

// rules reads the allows, denies and connects, which share one order and one set of names.
func (l *loader) rules(p *Policy, blocks []block) {
	if len(blocks) > MaxAllows {
		l.wrong(blocks[MaxAllows].span, "join those that are about the same ports, or write ranges", "more than %d allows, denies and connects in one policy", MaxAllows)
		return
	}
	seen := make(map[string]int, len(blocks)) // indices into blocks
	p.Allows = make([]Allow, 0, len(blocks))  // most are allows, and one is large
	budget := MaxRanges
	for at, b := range blocks {
		name, ok := l.name(b)
		if !ok {
			continue
		}
		b.what = b.Type + " " + strconv.Quote(name.Text)
		switch b.Type {
		case "allow":
			l.known(b, allowAttrs)
		case "deny":
			l.known(b, denyAttrs)
		case "connect":
			l.known(b, connectAttrs)
		}
		if i, dup := seen[name.Text]; dup {
			first := &blocks[i]
			msg := fmt.Sprintf("a second %s", b.what)
			if first.Type != b.Type {
				msg = fmt.Sprintf("%s has the name of another rule", b.what)
			}
			l.again(name.Span, l.unquoted(&first.Labels[0]), "rename one: the name stands in the comments of the rules", "%s", msg)
			continue
		}
		seen[name.Text] = at
		if slices.Contains(Reserved[:], name.Text) {
			l.wrong(name.Span, "choose another name", "the name %q belongs to a rule that every ruleset has by itself", name.Text)
		}
		s := l.selection(b, name)
		s.At = at
		list := "from"
		if b.Type == "connect" {
			list = "to"
		}
		named, peers, ok := l.peers(b, list, &budget)
		if !ok {
			return
		}
		words := wordsOf(named)
		if words == nil {
			peers = addr.All()
		}
		except, gone, ok := l.peers(b, "except", &budget)
		if !ok {
			return
		}
		if left := peers.Minus(gone); left.IsEmpty() && !peers.IsEmpty() {
			l.wrong(l.value(b, "except"), "leave out what takes all of it away", "the exceptions of %s leave no address", b.what)
		} else {
			l.needless(except, peers, b.what)
			peers = left
		}
		switch b.Type {
		case "allow":
			p.Allows = append(p.Allows, l.allow(b, s, words, peers))
		case "deny":
			if _, log := l.has(b, "log"); len(b.Attrs) == 0 || log && len(b.Attrs) == 1 {
				l.wrong(name.Span, `say whom: `+shape("deny")+`; what nothing allows is dropped anyway`, "%s would drop everything", b.what)
			}
			p.Denies = append(p.Denies, Deny{s, words, peers})
		case "connect":
			p.Connects = append(p.Connects, Connect{s, words, peers})
		}
	}
}

// value is the place of what stands behind the equals sign of an attribute that b has.
func (l *loader) value(b block, name string) source.Span {
	return l.spanOf(&b.Attr(name).Value)
}

// needless warns of exceptions that take nothing away: most often a number in them is
// mistyped, and whoever was meant is let in. A zone may be made for many rules.
func (l *loader) needless(except []peer, from addr.Set, what string) {
	for _, p := range except {
		if !p.zone && p.set.Intersect(from).IsEmpty() {
			l.warn(p.Span, "leave it out, or mend the address", "the exception %q takes nothing away from %s", p.Text, what)
		}
	}
}

// selection reads what a rule is about and holds its attributes against each other.
func (l *loader) selection(b block, name Word) Selection {
	everyone, example := "leave it out for every public listener", `listen = ["sip", "rtp"]`
	if b.Type != "allow" {
		everyone = "leave it out for all of them"
	}
	s := Selection{
		Name:     name,
		Service:  l.word(b, "service", `service = "sshd"`),
		Listen:   l.words(b, "listen", example, everyone),
		Exposure: l.words(b, "exposure", `exposure = ["public"]`, "leave it out for the public ones"),
		Ports:    l.ports(b, "ports", `ports = ["22/tcp", "5000-5100/udp"]`, "leave it out, or name a port"),
	}
	s.Protocols = l.protocols(b)
	s.Interfaces = l.interfaces(b)
	s.Log, s.LogSpan = l.log(b)
	both := func(second, first, help string) {
		at, has := l.has(b, second)
		before, hasFirst := l.has(b, first)
		if has && hasFirst {
			l.add(diag.Diagnostic{
				Span: at, Message: fmt.Sprintf("%s has both %s and %s", b.what, first, second), Help: help,
				Related: []diag.Related{{Span: before, Message: first + " is here"}},
			})
		}
	}
	help := "make two of them"
	if b.Type == "allow" {
		help = "make two allows; or write otherwise instead of ports, for when the service is not found"
	}
	both("ports", "service", help)
	for _, other := range []string{"service", "ports", "listen", "exposure"} {
		both("protocols", other, "make two of them: a protocol as a whole has no ports")
	}
	both("exposure", "listen", "leave one of them out")
	both("exposure", "ports", "leave one of them out")
	if listen, has := l.has(b, "listen"); has {
		if _, service := l.has(b, "service"); !service {
			l.wrong(listen, `name the service too, as in service = "lumenvox-media-server"`, "%s has listen without a service", b.what)
		}
	}
	for _, w := range s.Exposure {
		if w.Text == "loopback" {
			l.wrong(w.Span, "leave it out: loopback is always open", "loopback listeners need no %s", b.Type)
		} else if !slices.Contains(Exposures[:], w.Text) {
			l.wrong(w.Span, oneOf("the exposures are", Exposures[:], w.Text), "there is no exposure %q", w.Text)
		}
	}
	return s
}

// allow reads what only an allow has.
func (l *loader) allow(b block, s Selection, from []Word, sources addr.Set) Allow {
	a := Allow{Selection: s, From: from, Sources: sources}
	a.Otherwise = l.ports(b, "otherwise", `otherwise = ["22/tcp"]`, "leave it out, or name a port")
	a.Limit, a.Connections = l.limit(b), l.connections(b)
	a.NoTrack = l.flag(b, "notrack")
	if otherwise, has := l.has(b, "otherwise"); has && s.Service.Span.IsZero() {
		l.wrong(otherwise, "write ports, which are opened whatever the host runs", "%s has otherwise without a service", b.what)
	}
	if a.NoTrack.IsZero() {
		return a
	}
	for _, w := range []struct {
		name, why string
		at        source.Span
	}{
		{"connections", "connections cannot be counted where connection tracking is kept away", a.Connections.Span},
		{"limit", "without connection tracking a limit would count every packet of a call", a.Limit.Span},
		{"log", "without connection tracking a log would show every packet of a call", a.LogSpan},
		{"interfaces", "tracking is kept away before it is known for whom a packet is", firstSpan(s.Interfaces)},
		{"protocols", "it is about UDP ports, and would be about all of them", firstProtocol(s.Protocols)},
	} {
		if !w.at.IsZero() {
			l.wrong(w.at, "leave one of them out", "%s has both notrack and %s: %s", b.what, w.name, w.why)
		}
	}
	return a
}

func firstSpan(words []Word) source.Span {
	if len(words) == 0 {
		return source.Span{}
	}
	return words[0].Span
}

func firstProtocol(protocols []Protocol) source.Span {
	if len(protocols) == 0 {
		return source.Span{}
	}
	return protocols[0].Span
}

// effects complains about what has no effect in the policy as a whole.
func (l *loader) effects(p *Policy) {
	if len(p.Connects) > 0 && p.Defaults.Output == ruleset.Accept {
		c := &p.Connects[0]
		l.warn(c.Name.Span, `write output = "drop" into the default block, or leave the connect blocks out`,
			"connect %q has no effect: everything that the host sends may leave", c.Name.Text)
	}
	for i := range p.Denies {
		d := &p.Denies[i]
		later := slices.ContainsFunc(p.Allows, func(a Allow) bool { return a.At > d.At })
		if p.Defaults.Input == ruleset.Drop && d.Log.Count == 0 && !later {
			l.warn(d.Name.Span, "put it above the allows that it is an exception of: the first rule that fits decides",
				"deny %q has no effect: no allow stands below it", d.Name.Text)
		}
	}
}

// maxInterface is the most bytes of a name on Linux (IFNAMSIZ, linux/if.h).
const maxInterface = 15

// interfaces are the names of interfaces that b lists.
func (l *loader) interfaces(b block) []Word {
	const example = `interfaces = ["eth0"]`
	var out []Word
	for _, w := range l.words(b, "interfaces", example, "leave it out for every interface") {
		switch {
		case w.Text == ruleset.Loopback:
			l.wrong(w.Span, "leave it out", "nothing has to be said of loopback: it is always open")
		case strings.ContainsAny(w.Text, "*+"):
			l.wrong(w.Span, "name each interface", "%q is a pattern, and the firewalls do not agree about patterns", w.Text)
		case strings.ContainsAny(w.Text, ":@") && isInterface(w.Text[:strings.IndexAny(w.Text, ":@")]):
			// "eth0:1" is a second address of eth0, and "eth0.5@eth0" how ip(8) prints eth0.5.
			l.wrong(w.Span, fmt.Sprintf("write %q", w.Text[:strings.IndexAny(w.Text, ":@")]), "%q is not the name by which packets come in", w.Text)
		case !isInterface(w.Text):
			l.wrong(w.Span, fmt.Sprintf("use letters, digits, '.', '_' and '-', at most %d of them", maxInterface), "%q is not the name of an interface", w.Text)
		default:
			out = append(out, w)
		}
	}
	return out
}

func isInterface(s string) bool {
	plain := strings.IndexFunc(s, func(c rune) bool {
		return !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.ContainsRune("._-", c))
	}) < 0
	return plain && s != "" && len(s) <= maxInterface && s[0] != '-' && s != "." && s != ".."
}

// protocolNumbers are the protocols that can be named, by the names of
// https://www.iana.org/assignments/protocol-numbers in lower case.
var protocolNumbers = map[string]uint8{
	"icmp": ruleset.ICMP, "igmp": 2, "ipip": 4, "tcp": uint8(port.TCP), "udp": uint8(port.UDP), "gre": 47, "esp": 50, "ah": 51,
	"icmpv6": ruleset.ICMPv6, "ospf": 89, "pim": 103, "vrrp": 112, "l2tp": 115, "sctp": 132, "udplite": 136,
}

// protocols are the IP protocols that b lists, by name or number.
func (l *loader) protocols(b block) []Protocol {
	const example = `protocols = ["esp"]`
	var out []Protocol
	for _, w := range l.words(b, "protocols", example, "leave it out, or name a protocol") {
		number, known := protocolNumbers[strings.ToLower(w.Text)]
		if n, err := strconv.ParseUint(w.Text, 10, 8); err == nil {
			number, known = uint8(n), true
		}
		if !known {
			var names []string
			for name := range protocolNumbers {
				names = append(names, name)
			}
			slices.Sort(names)
			l.wrong(w.Span, oneOf("use a number up to 255 or one of", names, w.Text), "there is no protocol %q", w.Text)
			continue
		}
		out = append(out, Protocol{number, w.Text, w.Span})
	}
	return out
}
