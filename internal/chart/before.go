package chart

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"portolan/internal/host"
	"portolan/internal/inventory"
	"portolan/internal/port"
	"portolan/internal/source"
)

// Before is a host as it is now above the same host as somebody proposes it, and what has to be
// done for that, in words and in an order in which it can be done. Then has the claims of today in
// the same order, some on other ports, and the same hosts, some with other reserved ports. Set is
// the number to which the setting of a claim that moves has to be set. The rows of both panels
// are in the order of today's. Where nothing is proposed there is today's panel alone, and no
// step.
func Before(today, then Judged, set func(claim int) int) (panels []Panel, steps []string) {
	steps = append(moveSteps(today.Inventory.Claims, then.Inventory.Claims, set), reserveSteps(today.Hosts, then.Hosts)...)
	if len(steps) == 0 {
		return []Panel{Host(today)}, nil
	}
	today.other, then.other = then.Inventory.Claims, today.Inventory.Claims
	panels = []Panel{Host(today), Host(then)}
	place := map[string]int{}
	for i, g := range panels[0].Groups {
		place[g.Name] = i
	}
	slices.SortStableFunc(panels[1].Groups, func(a, b Group) int { return cmp.Compare(place[a.Name], place[b.Name]) })
	return panels, steps
}

// A step is one change of a setting, or of one that has the same number.
type step struct {
	from, to port.Range
	protos   []string
	words    string // whose ports they are
	how      string // "set rtp_base to 25000 (etc/media.conf:24)"
}

// moveSteps are the moves of claims. One onto ports that another one has comes after that.
func moveSteps(now, then []inventory.Claim, set func(claim int) int) []string {
	type listener struct {
		words string
		span  source.Span
		from  port.Range
		to    port.Range
	}
	at := map[listener]int{}
	var list []step
	for i := range now {
		c := &now[i]
		if c.Ports == then[i].Ports {
			continue
		}
		words := c.Listen + " of " + strings.TrimSuffix(c.Service+" "+c.Instance, " ")
		key := listener{words, c.Span, c.Ports, then[i].Ports}
		k, known := at[key]
		if !known {
			k = len(list)
			at[key] = k
			list = append(list, step{from: c.Ports, to: then[i].Ports, words: words,
				how: fmt.Sprintf("set %s to %d (%s)", c.Setting, set(i), place(c.Span))})
		}
		list[k].protos = append(list[k].protos, c.Proto.String())
	}
	var out []string
	for len(list) > 0 {
		// The first that goes where none of the others is now. In a circle there is none, and no
		// order is better than another.
		i := max(0, slices.IndexFunc(list, func(s step) bool {
			return !slices.ContainsFunc(list, func(o step) bool { return s.how != o.how && s.to.Overlaps(o.from) })
		}))
		s := list[i]
		list = slices.Delete(list, i, i+1)
		slices.Sort(s.protos)
		out = append(out, printable(fmt.Sprintf("%s %s/%s → %s: %s", s.words, s.from, strings.Join(slices.Compact(s.protos), "+"), s.to, s.how)))
	}
	return out
}

// reserveSteps are the lists of reserved ports that become longer. The line that says one
// replaces all of it, so that it is named as a whole too.
func reserveSteps(now, then []host.Facts) []string {
	var out []string
	for i := range now {
		was, list := listOf(&now[i]), listOf(&then[i])
		more := list.Minus(was)
		if more.IsEmpty() {
			continue
		}
		words := "reserve " + listed(more, maxRuns) + " in " + reservedPorts
		if len(now) > 1 {
			words = "on " + now[i].Platform + ": " + words
		}
		if at := now[i].ReservedAt; at != nil {
			name := at.Value.Place()
			if at.New != nil {
				name = at.New.Name + ", a new file"
			}
			words += " (" + name + ")"
		}
		if !list.Equal(more) || len(more.Ranges()) > maxRuns {
			words += ", so that it is " + list.String()
		}
		out = append(out, printable(words))
	}
	return out
}

// reservedPorts is the setting of Linux with the ports that are never handed out.
const reservedPorts = "net.ipv4.ip_local_reserved_ports"

// listOf is what f reserves for both protocols, in its running system and in its files.
func listOf(f *host.Facts) port.Set {
	var all port.Set
	for i := range f.Reserved {
		if f.Reserved[i].Proto == 0 {
			all = all.Union(f.Reserved[i].Ports)
		}
	}
	if f.ReservedAt != nil {
		all = all.Intersect(f.ReservedAt.Ports)
	}
	return all
}
