package lint_test

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"portolan/internal/diag"
	"portolan/internal/host"
	"portolan/internal/inventory"
	"portolan/internal/port"
	"portolan/lint"
	"portolan/policies"
)

// aboutPorts are the rules whose findings say ports, and where these come from besides the
// claims of the host.
var aboutPorts = map[string]func(looked) []diag.Ports{
	"admin-exposed": nil, "any-source-admin": nil, "bind-all": nil, "claim-not-listening": nil, "conntrack-helper": nil,
	"cross-file-mismatch": nil, "ephemeral-covers-listener": nil, "ephemeral-overlap": nil, "ephemeral-partly-reserved": nil,
	"excluded-range": nil, "nodeport-overlap": nil, "nomad-overlap": nil, "odd-rtp-base": nil, "port-overlap": nil,
	"published-too-few": nil, "range-overflow": nil, "range-partly-open": nil, "range-too-small": nil, "reserved-port": nil,
	"shared-range": nil, "unprivileged-bind": nil, "unreachable-service": nil,
	"notrack-hazard": nil, // here those of listeners; none where notrack has no effect
	"listener-unclaimed": func(l looked) (out []diag.Ports) {
		for _, x := range l.facts.Listeners {
			out = append(out, diag.Ports{Proto: x.Proto, Set: port.Of(port.Single(x.Port))})
		}
		return out
	},
	"ephemeral-covers-nodeports": func(l looked) []diag.Ports { return bothOf(port.Of(l.facts.NodePorts.Ports)) },
	"sysctl-shadowed": func(l looked) (out []diag.Ports) {
		for _, x := range l.facts.Shadowed {
			out = append(out, bothOf(x.Lost)...)
		}
		return out
	},
	"unclaimed-ports": func(l looked) (out []diag.Ports) {
		for _, a := range l.policy.Allows {
			for _, w := range a.Ports {
				out = append(out, diag.Ports{Proto: w.Proto, Set: port.Of(w.Ports)})
			}
		}
		return out
	},
}

func bothOf(s port.Set) []diag.Ports {
	return []diag.Ports{{Proto: port.TCP, Set: s}, {Proto: port.UDP, Set: s}}
}

// ofProto are the ports of one protocol.
func ofProto(list []diag.Ports, proto port.Proto) port.Set {
	for _, p := range list {
		if p.Proto == proto {
			return p.Set
		}
	}
	return port.Set{}
}

// numbers are ports as messages say them, "7590/tcp" and "35000-35399,36000/tcp and udp".
var numbers = regexp.MustCompile(`\b([0-9][0-9,-]*)/(tcp and udp|tcp|udp)\b`)

// saidBy are the ports that a message says; what is behind the last one is cut off.
func saidBy(t *testing.T, message string) (each []diag.Ports) {
	for _, m := range numbers.FindAllStringSubmatch(message, -1) {
		for _, item := range strings.Split(m[1], ",") {
			first, last, dash := strings.Cut(item, "-")
			if dash && len(last) == 5 && last > "65535" {
				item = first + "-65535"
			}
			s, err := port.Parse(item)
			if err != nil {
				t.Fatalf("%q: %v", message, err)
			}
			for _, p := range bothOf(s) {
				if strings.Contains(m[2], p.Proto.String()) {
					each = append(each, p)
				}
			}
		}
	}
	return each
}

// TestFindingsSayTheirPorts: on the hosts of all rules, each finding of a rule about ports has
// some, they are those of a claim or a fact, and they agree with the numbers of its message.
func TestFindingsSayTheirPorts(t *testing.T) {
	platforms, _, err := host.LoadPlatforms(policies.FS, "platforms.hcl")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	compared := 0
	for _, name := range lint.Names() {
		ar, err := txtar.ParseFile(filepath.Join("rules", name+".txtar"))
		if err != nil {
			t.Fatal(err)
		}
		for _, folder := range []string{"fires", "silent"} {
			l := lookAll(t, platforms, files(t, ar, folder))
			for _, d := range l.list {
				more, about := aboutPorts[d.Rule]
				if len(d.Ports) == 0 {
					if about && d.Rule != "notrack-hazard" && !(d.Rule == "sysctl-shadowed" && d.Label == "") {
						t.Errorf("%s %s: [%s] %s: no ports", name, folder, d.Rule, d.Message)
					}
					continue
				}
				if !about {
					t.Errorf("%s %s: [%s] %s: ports, and the rule is about none", name, folder, d.Rule, d.Message)
					continue
				}
				seen[d.Rule] = true
				known := claimedPorts(l.inventory)
				if more != nil {
					known = diag.Join(append(known, more(l)...)...)
				}
				for i, p := range d.Ports {
					if p.Set.IsEmpty() || i > 0 && d.Ports[i-1].Proto >= p.Proto || !p.Set.Minus(ofProto(known, p.Proto)).IsEmpty() {
						t.Errorf("%s %s: [%s] %s: ports %v", name, folder, d.Rule, d.Message, d.Ports)
					}
				}
				said := saidBy(t, d.Message)
				all := diag.Join(said...)
				for _, p := range said {
					compared++
					own := ofProto(d.Ports, p.Proto)
					if own.Intersect(p.Set).IsEmpty() {
						t.Errorf("[%s] %s: says %s/%s, and has %v", d.Rule, d.Message, p.Set, p.Proto, d.Ports)
					}
					// Long lists are cut short, and one address may be that of several listeners.
					short := strings.Contains(d.Message, " more") || strings.Contains(d.Message, " other") || d.Rule == "bind-all"
					if !short && !own.Minus(ofProto(all, p.Proto)).IsEmpty() {
						t.Errorf("[%s] %s: has %v", d.Rule, d.Message, d.Ports)
					}
				}
			}
		}
	}
	for rule := range aboutPorts {
		if !seen[rule] {
			t.Errorf("no host has a finding of %s with ports", rule)
		}
	}
	if compared < 30 {
		t.Errorf("%d numbers of messages were compared", compared)
	}
}

// claimedPorts are the ports of all claims, of those inside containers too.
func claimedPorts(inv *inventory.Inventory) []diag.Ports {
	claims := slices.Clone(inv.Claims)
	for _, box := range inv.Contained {
		claims = append(claims, box.Claims...)
	}
	parts := make([]diag.Ports, len(claims))
	for i, c := range claims {
		parts[i] = diag.Ports{Proto: c.Proto, Set: port.Of(c.Ports)}
	}
	return diag.Join(parts...)
}
