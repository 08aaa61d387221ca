package chart

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"portolan/internal/host"
	"portolan/internal/inventory"
	"portolan/internal/port"
	"portolan/internal/source"
)

// TestBefore: a bar that moves is in both panels, each with the place it has in the other one;
// the others have none; rows are in one order; and each move has its line, in an order in which
// it can be done.
func TestBefore(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 3))
		today := randomHost(r)
		then := today
		then.Inventory = &inventory.Inventory{Claims: slices.Clone(today.Inventory.Claims)}
		moved := map[string][2]port.Range{}
		for i := range then.Inventory.Claims {
			c := &then.Inventory.Claims[i]
			if r.IntN(3) > 0 {
				continue
			}
			from := c.Ports
			if n := r.IntN(len(then.Inventory.Claims)); r.IntN(2) == 0 { // where another one is now
				c.Ports.First = today.Inventory.Claims[n].Ports.First
			} else {
				c.Ports.First = uint16(1024 + r.IntN(60000))
			}
			c.Ports.Last = c.Ports.First + uint16(from.Len()-1)
			if c.Ports != from {
				moved[c.Listen] = [2]port.Range{from, c.Ports}
			}
		}
		panels, steps := Before(today, then, func(i int) int { return int(then.Inventory.Claims[i].Ports.First) })
		if len(moved) == 0 {
			if len(panels) != 1 || len(steps) != 0 {
				t.Errorf("seed %d: nothing moves: %d panels, %q", seed, len(panels), steps)
			}
			continue
		}
		if len(panels) != 2 || len(steps) != len(moved) {
			t.Fatalf("seed %d: %d panels, %d lines for %d moves", seed, len(panels), len(steps), len(moved))
		}
		for i, p := range panels {
			seen := 0
			each(&Picture{Panels: []Panel{p}}, func(*Band) {}, func(b *Bar) {
				m, moves := moved[b.Name]
				switch {
				case b.Kind.Behind():
				case moves:
					seen++
					if b.Ports != m[i] || !b.Moved.Equal(port.Of(m[1-i])) {
						t.Errorf("seed %d: panel %d: %s %s has %s elsewhere, not %v", seed, i, b.Name, b.Ports, b.Moved, m)
					}
				case !b.Moved.IsEmpty():
					t.Errorf("seed %d: panel %d: %s stays and has %s elsewhere", seed, i, b.Name, b.Moved)
				}
			})
			if seen != len(moved) {
				t.Errorf("seed %d: panel %d has %d of %d bars that move", seed, i, seen, len(moved))
			}
		}
		names := func(p Panel) (out []string) {
			for _, g := range p.Groups {
				out = append(out, g.Name)
			}
			return out
		}
		if a, b := names(panels[0]), names(panels[1]); !slices.Equal(a, b) {
			t.Errorf("seed %d: rows %q above %q", seed, a, b)
		}
		checkOrder(t, seed, today, moved, steps)
	}
}

// checkOrder fails for a move onto ports that somebody leaves later, although one of the moves that
// are left could be made.
func checkOrder(t *testing.T, seed uint64, today Judged, moved map[string][2]port.Range, steps []string) {
	t.Helper()
	var list [][2]port.Range
	for _, s := range steps {
		name, _, _ := strings.Cut(s, " ")
		m, ok := moved[name]
		if !ok || !strings.Contains(s, fmt.Sprintf("%s/", m[0])) || !strings.Contains(s, fmt.Sprintf("→ %s: set port to %d (etc/a.conf:", m[1], m[1].First)) {
			t.Fatalf("seed %d: %q for %v", seed, s, m)
		}
		list = append(list, m)
	}
	can := func(k int, left [][2]port.Range) bool {
		for i := range left {
			if i != k && left[k][1].Overlaps(left[i][0]) {
				return false
			}
		}
		return true
	}
	for i := range list {
		left := list[i:]
		if can(0, left) {
			continue
		}
		for k := range left {
			if can(k, left) {
				t.Errorf("seed %d: %q comes before %q", seed, steps[i], steps[i+k])
			}
		}
	}
}

// TestReserveSteps: a list that becomes longer is named with its place, and as a whole where it
// holds more than what is new.
func TestReserveSteps(t *testing.T) {
	conf := source.New("etc/sysctl.d/10-net.conf", []byte("# x\nnet.ipv4.ip_local_reserved_ports = 8080\n"))
	ports := func(s string) port.Set {
		set, err := port.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		return set
	}
	facts := func(running, files string, at host.ReservedList) host.Facts {
		f := host.Facts{Platform: "linux"}
		if running != "" {
			f.Reserved = []host.Reserved{{Ports: ports(running)}}
		}
		if files != "" {
			at.Ports = ports(files)
		}
		f.ReservedAt = &at
		return f
	}
	written := host.ReservedList{Value: conf.Span(40, 44)}
	fresh := host.ReservedList{New: source.New("etc/sysctl.d/99-portolan.conf", nil)}
	for _, c := range []struct {
		now, then []host.Facts
		want      []string
	}{
		{[]host.Facts{facts("", "", fresh)}, []host.Facts{facts("", "", fresh)}, nil},
		{[]host.Facts{facts("", "", fresh)}, []host.Facts{facts("5-9", "5-9", fresh)},
			[]string{"reserve 5-9 in net.ipv4.ip_local_reserved_ports (etc/sysctl.d/99-portolan.conf, a new file)"}},
		{[]host.Facts{facts("8080", "8080", written)}, []host.Facts{facts("5-9,8080", "5-9,8080", written)},
			[]string{"reserve 5-9 in net.ipv4.ip_local_reserved_ports (etc/sysctl.d/10-net.conf:2), so that it is 5-9,8080"}},
		// What only the running system has is gone after the next boot.
		{[]host.Facts{facts("5-9,8080", "8080", written)}, []host.Facts{facts("5-9,8080", "5-9,8080", written)},
			[]string{"reserve 5-9 in net.ipv4.ip_local_reserved_ports (etc/sysctl.d/10-net.conf:2), so that it is 5-9,8080"}},
		{[]host.Facts{{Platform: "linux"}, {Platform: "freebsd"}}, []host.Facts{{Platform: "linux", Reserved: []host.Reserved{{Ports: ports("1,3,5,7,9,11")}}}, {Platform: "freebsd"}},
			[]string{"on linux: reserve 1,3,5 and 3 more in net.ipv4.ip_local_reserved_ports, so that it is 1,3,5,7,9,11"}},
	} {
		if got := reserveSteps(c.now, c.then); !slices.Equal(got, c.want) {
			t.Errorf("%q, not %q", got, c.want)
		}
	}
}
