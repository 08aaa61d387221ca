package chart

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"portolan/internal/diag"
	"portolan/internal/host"
	"portolan/internal/inventory"
	"portolan/internal/port"
	"portolan/internal/source"
)

// randomHost is a host with services of which some are on the same ports, and findings about a
// part of them.
func randomHost(r *rand.Rand) Judged {
	j := Judged{Inventory: &inventory.Inventory{}, Quarrel: func(rule string) bool { return rule != "bind-all" }}
	f := source.New("etc/a.conf", []byte(strings.Repeat("port = 5\n", 40)))
	for i := range r.IntN(30) {
		first := 1024 + 100*r.IntN(600)
		c := inventory.Claim{Service: fmt.Sprint("service", i%7), Listen: fmt.Sprint("listener", i), Proto: port.Protos[r.IntN(2)],
			Ports: port.Range{First: uint16(first), Last: uint16(first + []int{0, 15, 40}[r.IntN(3)])}, Setting: "port",
			Span: f.Span(9*i+7, 9*i+8), Direction: inventory.Listen}
		c.NominalFirst, c.NominalLast = int(c.Ports.First), int(c.Ports.Last)
		j.Inventory.Claims = append(j.Inventory.Claims, c)
		if r.IntN(3) == 0 {
			j.Findings = append(j.Findings, diag.Diagnostic{Rule: []string{"port-overlap", "bind-all"}[r.IntN(2)],
				Severity: []diag.Severity{diag.Error, diag.Warning, diag.Info}[r.IntN(3)], Span: c.Span, Message: fmt.Sprint("finding ", i),
				Ports: []diag.Ports{{Proto: c.Proto, Set: port.Of(c.Ports)}}})
		}
	}
	j.Hosts = []host.Facts{{Platform: "linux", Ephemeral: []host.Ephemeral{{Proto: port.TCP, Family: host.V4,
		Ports: port.Range{First: 32768, Last: uint16(50000 + r.IntN(10000))}}}}}
	return j
}

// TestFleet: every host is in the picture once, those with more trouble are above, nothing of a
// host gets lost on the way into its row, and each mark is about the finding that it names.
func TestFleet(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 2))
		var members []Member
		hosts := map[string]Judged{}
		for i := range r.IntN(12) {
			name := fmt.Sprintf("host%02d", (i*7+5)%12)
			if r.IntN(6) == 0 {
				members = append(members, UnreadMember(name, errors.New("no such \x1b folder")))
				continue
			}
			hosts[name] = randomHost(r)
			members = append(members, MemberOf(name, "words of "+name, hosts[name], r.IntN(2) == 0))
		}
		most := r.IntN(8)
		panels := Fleet(members, most)
		over := panels[0]
		if len(over.Groups) != len(members) {
			t.Fatalf("seed %d: %d rows for %d hosts", seed, len(over.Groups), len(members))
		}
		kept := 1
		quarrels := 0
		for i, g := range over.Groups {
			k := slices.IndexFunc(members, func(m Member) bool { return m.Name == g.Name })
			if k < 0 || slices.ContainsFunc(over.Groups[:i], func(o Group) bool { return o.Name == g.Name }) {
				t.Fatalf("seed %d: row %d is of %q", seed, i, g.Name)
			}
			m := &members[k]
			if i > 0 {
				above := &members[slices.IndexFunc(members, func(m Member) bool { return m.Name == over.Groups[i-1].Name })]
				if a, b := troubleOf(above), troubleOf(m); slices.Compare(a, b) < 0 || slices.Equal(a, b) && above.Name > m.Name {
					t.Errorf("seed %d: %s %v is above %s %v", seed, above.Name, a, m.Name, b)
				}
			}
			if m.Panel != nil && kept <= most {
				if panels[kept].Title != m.Name {
					t.Errorf("seed %d: panel %d is of %q, not of %q", seed, kept, panels[kept].Title, m.Name)
				}
				kept++
			}
			if m.Unread != "" {
				if g.Note != "could not be read: no such \\x1b folder" || len(g.Lanes) > 0 {
					t.Errorf("seed %d: %q with %d lanes", seed, g.Note, len(g.Lanes))
				}
				continue
			}
			j := hosts[g.Name]
			if m.Errors != j.Findings.Count(diag.Error) || m.Warnings != j.Findings.Count(diag.Warning) || g.Note != "words of "+g.Name {
				t.Errorf("seed %d: %d errors, %d warnings, %q", seed, m.Errors, m.Warnings, g.Note)
			}
			bars := 0
			marked := map[string]bool{}
			for _, l := range g.Lanes {
				for _, b := range l.Bars {
					bars++
					claim := j.Inventory.Claims[slices.IndexFunc(j.Inventory.Claims, func(c inventory.Claim) bool { return c.Listen == b.Name })]
					if claim.Ports != b.Ports || claim.Proto != l.Proto || b.Label != claim.Service+"."+claim.Listen {
						t.Errorf("seed %d: %s/%s of %v/%s", seed, b.Ports, l.Proto, claim.Ports, claim.Proto)
					}
					if quiet := len(b.Marks) == 0 && (b.Ports.Len() < 16 || len(members) > 10); b.Quiet != quiet {
						t.Errorf("seed %d: %s with %d marks is quiet: %t", seed, b.Ports, len(b.Marks), b.Quiet)
					}
					for _, k := range b.Marks {
						f := over.Findings[k.Finding]
						marked[f.Message] = true
						if f.Rule != k.Rule || f.Message != "finding "+strings.TrimPrefix(b.Name, "listener") || !strings.HasPrefix(f.Place, g.Name+"/etc/a.conf:") {
							t.Errorf("seed %d: a mark of %s is about %+v", seed, b.Name, f)
						}
					}
				}
			}
			if bars != len(j.Inventory.Claims) {
				t.Errorf("seed %d: %d bars for %d claims", seed, bars, len(j.Inventory.Claims))
			}
			for _, d := range j.Findings {
				if want := d.Rule == "port-overlap"; marked[d.Message] != want {
					t.Errorf("seed %d: %s: %q is marked: %t", seed, d.Rule, d.Message, marked[d.Message])
				} else if want {
					quarrels++
				}
			}
		}
		if kept != len(panels) || quarrels != len(over.Findings) {
			t.Errorf("seed %d: %d panels, not %d; %d findings, not %d", seed, len(panels), kept, len(over.Findings), quarrels)
		}
		if again := Fleet(members, most); len(again[0].Findings) != quarrels || fmt.Sprint(again[0].Groups) != fmt.Sprint(over.Groups) {
			t.Errorf("seed %d: the picture changed its hosts", seed)
		}
	}
}

// troubleOf is greater the worse a host is.
func troubleOf(m *Member) []int {
	if m.Unread != "" {
		return []int{1, 0, 0}
	}
	return []int{0, m.Errors, m.Warnings}
}

// TestMembersAreSmall: what is kept of a host does not hold the files it was made of.
func TestMembersAreSmall(t *testing.T) {
	m := MemberOf("a", "", randomHost(rand.New(rand.NewPCG(4, 4))), true)
	bars := 0
	each(&Picture{Panels: Fleet([]Member{m}, 1)}, func(*Band) {}, func(b *Bar) {
		bars++
		if b.span.File != nil {
			t.Errorf("%s has its file", b.Name)
		}
	})
	if bars < 10 {
		t.Errorf("%d bars", bars)
	}
}
