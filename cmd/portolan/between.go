package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"portolan/internal/addr"
	"portolan/internal/parallel"
	"portolan/internal/port"
	"portolan/internal/report"
	"portolan/internal/ruleset"
)

// between prints which traffic changes its verdict from one ruleset to another.
func (a *app) between(ctx context.Context, in *input, args []string, to string, live bool, format string) error {
	need := 2
	if live {
		need = 1
	}
	switch {
	case len(args) < need && live:
		return usage("--between --live takes NEW: the files of a firewall, or a policy")
	case len(args) < need:
		return usage("--between takes OLD and NEW: each the files of a firewall, or a policy")
	}
	names, paths := args[:need], args[need:]
	isPolicy := func(name string) bool { return strings.HasSuffix(strings.ToLower(name), ".hcl") }
	if len(paths) > 0 && !slices.ContainsFunc(names, isPolicy) {
		return usage("%q is one too many: paths behind NEW are read for a policy, and none is named", paths[0])
	}
	if in.policy != "" {
		return usage("--between names its policies itself: leave out --policy")
	}
	var read *found
	inventoryOf := func() (*found, error) {
		if read != nil {
			again := *read
			again.diags = nil // said already
			return &again, nil
		}
		var err error
		read, err = a.read(ctx, in, paths, false)
		return read, err
	}
	var sides []*side
	if live {
		s, err := a.liveSide(ctx, cmp.Or(to, "nftables"))
		if err != nil {
			return err
		}
		sides = append(sides, s)
		to = "" // NEW may be of another firewall
	}
	for _, name := range names {
		s, err := a.side(ctx, in, inventoryOf, name, to)
		if err != nil {
			return err
		}
		sides = append(sides, s)
	}
	d := newDifference(sides[0], sides[1])
	var err error
	if format == "json" {
		err = writeJSON(a.stdout, d.json())
	} else {
		err = d.text(a.stdout)
	}
	if err == nil && len(d.entries) > 0 {
		err = &exitError{code: exitFindings}
	}
	return err
}

// A difference is what changes from one side to another.
type difference struct {
	old, new *side
	entries  []entry
}

// An entry is one change with who asked for it.
type entry struct {
	ruleset.Change
	kind        string // one of the kinds
	before, now []*ruleset.Rule
}

// kinds are the words for what changes, in the order in which they are printed.
var kinds = [...]string{"opened", "closed", "changed", "untracked", "tracked"}

func newDifference(old, new *side) *difference {
	d := &difference{old: old, new: new}
	changes := ruleset.Diff(old.rules, new.rules)
	sides, deciders := [2]*side{old, new}, [2][][]*ruleset.Rule{}
	parallel.For(len(sides), func(i int) { deciders[i] = ruleset.Deciders(sides[i].rules, changes) })
	before, now := deciders[0], deciders[1]
	for i, c := range changes {
		e := entry{Change: c, before: before[i], now: now[i], kind: "changed"}
		switch a, b := c.A.Verdict(), c.B.Verdict(); {
		case a == ruleset.Drop && b == ruleset.Accept:
			e.kind = "opened"
		case a == ruleset.Accept && b == ruleset.Drop:
			e.kind = "closed"
		default: // who makes the difference: a limit, or a log
			x, y := deciding(c.Example, old.rules, new.rules)
			e.before, e.now = []*ruleset.Rule{x}, []*ruleset.Rule{y}
		}
		d.entries = append(d.entries, e)
	}
	for kind, set := range map[string]port.Set{
		"untracked": new.rules.Untracked.Minus(old.rules.Untracked), "tracked": old.rules.Untracked.Minus(new.rules.Untracked),
	} {
		if !set.IsEmpty() {
			all := ruleset.Any()
			d.entries = append(d.entries, entry{kind: kind, Change: ruleset.Change{
				Others: true, States: all.States, Protos: ruleset.BytesOf(uint8(port.UDP)), Peers: all.Peers, Ports: set, SourcePorts: all.SourcePorts, Types: all.Types,
			}})
		}
	}
	slices.SortStableFunc(d.entries, func(x, y entry) int {
		return cmp.Or(
			cmp.Compare(slices.Index(kinds[:], x.kind), slices.Index(kinds[:], y.kind)),
			cmp.Compare(x.Direction, y.Direction),
			cmp.Compare(x.newConnections(), y.newConnections()),
			cmp.Compare(protoOrder(&x), protoOrder(&y)),
			cmp.Compare(firstPort(&x), firstPort(&y)),
			x.Peers.First().Compare(y.Peers.First()),
		)
	})
	return d
}

// newConnections is 0 for a change of packets that open a connection, and 1 for one of others.
func (e *entry) newConnections() int {
	if e.States&(ruleset.New|ruleset.Untracked) != 0 {
		return 0
	}
	return 1
}

// dropped reports whether e is dropped on both sides: then it is about logs.
func (e *entry) dropped() bool {
	return e.kind == "changed" && e.A.Verdict() == ruleset.Drop && e.B.Verdict() == ruleset.Drop
}

// protoOrder puts what speaks of ports before the rest.
func protoOrder(e *entry) int {
	each := e.Protos.Each()
	if i := slices.Index([]uint8{uint8(port.TCP), uint8(port.UDP), ruleset.ICMP, ruleset.ICMPv6}, each[0]); len(each) == 1 && i >= 0 {
		return i
	}
	return 4
}

func firstPort(e *entry) uint16 { return e.Ports.First() }

// A line says one change: what happens, to what and with whom, and below that who asked.
type line struct {
	cells [3]string
	who   []string
}

// text writes the changes in columns, below each who asked for it, and a summary.
func (d *difference) text(w io.Writer) error {
	var b strings.Builder
	if len(d.entries) == 0 {
		fmt.Fprintf(&b, "nothing changes: %s and %s decide about every packet alike\n", report.Printable(d.old.name), report.Printable(d.new.name))
	}
	lines := d.lines()
	var width [3]int
	const widest = 32 // a longer cell moves what stands behind it
	for i := range lines {
		for k, cell := range lines[i].cells {
			lines[i].cells[k] = report.Printable(cell)
			if n := report.Width(lines[i].cells[k]); n <= widest {
				width[k] = max(width[k], n)
			}
		}
	}
	for _, l := range lines {
		text := ""
		for k, cell := range l.cells {
			text += cell + strings.Repeat(" ", max(0, width[k]-report.Width(cell))+2)
		}
		b.WriteString(strings.TrimRight(text, " ") + "\n")
		for _, who := range l.who {
			b.WriteString("    " + report.Printable(who) + "\n")
		}
	}
	if len(d.entries) > 0 {
		b.WriteString("\n" + d.summary() + "\n")
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("writing the changes: %w", err)
	}
	return nil
}

// lines are what is printed. Packets that there are not are not printed beside other lines,
// and changes of limits and logs that are cut into many areas are one line.
func (d *difference) lines() []line {
	areas := map[string][]*entry{}
	of := func(e *entry) string { return e.Direction.String() + e.A.Words() + "\x00" + e.B.Words() }
	shown := 0
	for i := range d.entries {
		e := &d.entries[i]
		if !d.impossible(e) {
			shown++
		}
		if e.kind == "changed" {
			areas[of(e)] = append(areas[of(e)], e)
		}
	}
	var out []line
	for i := range d.entries {
		e := &d.entries[i]
		if d.impossible(e) && shown > 0 {
			continue
		}
		if e.kind == "changed" {
			const most = 3
			if same := areas[of(e)]; len(same) > most {
				if same[0] == e {
					out = append(out, d.many(same))
				}
				continue
			}
		}
		out = append(out, d.row(e))
	}
	return out
}

// impossible reports whether e is only about ICMP in packets of IPv6, or ICMPv6 in packets of
// IPv4, which no system sends, or about a state of packets that connection tracking is kept
// from on both sides.
func (d *difference) impossible(e *entry) bool {
	switch e.Protos {
	case ruleset.BytesOf(ruleset.ICMP):
		return e.Peers.Intersect(addr.V4()).IsEmpty()
	case ruleset.BytesOf(ruleset.ICMPv6):
		return e.Peers.Intersect(addr.V6()).IsEmpty()
	case ruleset.BytesOf(uint8(port.UDP)):
		local := e.Ports
		if e.Direction == ruleset.Out {
			local = e.SourcePorts
		}
		blind := d.old.rules.Untracked.Intersect(d.new.rules.Untracked)
		return e.kind != "untracked" && e.kind != "tracked" && e.States&ruleset.Untracked == 0 && local.Minus(blind).IsEmpty()
	}
	return false
}

// many is one line for several areas that change alike.
func (d *difference) many(areas []*entry) line {
	var protos ruleset.Bytes
	dropped := true
	for _, e := range areas {
		for i := range protos {
			protos[i] |= e.Protos[i]
		}
		dropped = dropped && e.dropped()
	}
	all := *areas[0]
	all.Ports = port.All()
	for _, e := range areas[1:] {
		all.before, all.now = union(all.before, e.before), union(all.now, e.now)
	}
	row := d.row(&all)
	row.cells[1] = protoWords(protos)
	if areas[0].Direction == ruleset.Out {
		row.cells[1] = "outgoing " + row.cells[1]
	}
	row.cells[2] = fmt.Sprintf("in %d areas", len(areas))
	if dropped {
		row.cells[2] = "dropped as before"
	}
	return row
}

// union are the rules of both lists, each once.
func union(a, b []*ruleset.Rule) []*ruleset.Rule {
	out := slices.Clone(a)
	for _, r := range b {
		if !slices.Contains(out, r) {
			out = append(out, r)
		}
	}
	return out
}

// row is the line of one change.
func (d *difference) row(e *entry) line {
	before, now := d.old.who(e.before...), d.new.who(e.now...)
	var who []string
	switch e.kind {
	case "opened": // what one asks first stands first
		if limit := limits(e.B); limit != "" {
			now += ", " + limit
		}
		who = append(who, "now: "+now)
		if before != "the default" {
			who = append(who, "before: "+before)
		}
	case "closed":
		if limit := limits(e.A); limit != "" {
			before += ", " + limit
		}
		who = append(who, "before: "+before)
		if now != "the default" {
			who = append(who, "now: "+now)
		}
	case "changed":
		a, b := unlike(e.A, e.B)
		who = []string{"before: " + a.Words() + byWhom(before), "now: " + b.Words() + byWhom(now)}
	case "untracked":
		who = []string{"now: connection tracking is kept from it"}
	case "tracked":
		who = []string{"now: connection tracking sees it"}
	}
	return line{[3]string{e.kind, d.traffic(e), d.peers(e)}, who}
}

// unlike are two decisions without what both end in, such as the log and the drop behind a
// limit.
func unlike(a, b ruleset.Decision) (ruleset.Decision, ruleset.Decision) {
	for len(a) > 1 && len(b) > 1 && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	return a, b
}

func byWhom(words string) string {
	if words == "the default" {
		return " by default"
	}
	return ", by " + words
}

// limits are the bounds within which a decision accepts, "" when it has none.
func limits(d ruleset.Decision) string {
	var parts []string
	for _, e := range d {
		switch {
		case e.Limited():
			parts = append(parts, e.Bounds())
		case e.Verdict == ruleset.Accept:
			return ""
		}
	}
	return strings.Join(parts, ", then ")
}

// traffic is the protocol and ports of a change: "udp 25400-25499".
func (d *difference) traffic(e *entry) string {
	words := protoWords(e.Protos)
	if e.Direction == ruleset.Out {
		words = "outgoing " + words
	}
	switch {
	case !e.Ports.IsAll():
		words += " " + portWords(e.Ports)
	case !e.Types.IsAll():
		words += " type " + typeWords(e.Types)
	case e.Protos == ruleset.BytesOf(uint8(port.TCP)), e.Protos == ruleset.BytesOf(uint8(port.UDP)):
		words += " " + portWords(e.Ports)
	}
	if !e.SourcePorts.IsAll() {
		words += ", source port " + portWords(e.SourcePorts)
	}
	return words
}

// portWords are ports, or those that are missing where that is shorter.
func portWords(s port.Set) string {
	words := func(s port.Set) string {
		const most = 6
		ranges := s.Ranges()
		runs := make([]string, len(ranges))
		for i, r := range ranges[:min(len(ranges), most+1)] { // those behind them are counted alone
			runs[i] = r.String()
		}
		return shortened(runs, most, "port ranges")
	}
	if s.Contains(0) && s.Contains(port.Max) && !s.IsAll() {
		return "all but " + words(port.All().Minus(s))
	}
	return words(s)
}

// typeWords are ICMP types, or those that are missing where that is shorter.
func typeWords(set ruleset.Bytes) string {
	var has, missing []string
	for n := range 256 {
		if set.Has(uint8(n)) {
			has = append(has, fmt.Sprint(n))
		} else {
			missing = append(missing, fmt.Sprint(n))
		}
	}
	if len(missing) < len(has) {
		return "all but " + shortened(missing, 16, "types")
	}
	return shortened(has, 16, "types")
}

// peers is who is at the other end, and interfaces and states where they matter.
func (d *difference) peers(e *entry) string {
	way := [...]string{"from", "to"}[e.Direction]
	words := way + " " + peerWords(e.Peers, 4)
	if on := interfaceWords(&e.Change); on != "" {
		words += " " + on
	}
	if states := stateWords(e.States); states != "" {
		words += ", " + states
	}
	return words
}

// interfaceWords say on which interfaces, "" for all of them. Loopback is left out beside
// others: every ruleset of ours lets it pass.
func interfaceWords(c *ruleset.Change) string {
	names := slices.DeleteFunc(slices.Clone(c.Interfaces), func(n string) bool { return n == ruleset.Loopback })
	if c.Others {
		missing := slices.DeleteFunc(c.Excepted(), func(n string) bool { return n == ruleset.Loopback })
		if len(missing) == 0 {
			return ""
		}
		return "on every interface but " + shortened(missing, 4, "interfaces")
	}
	if len(names) == 0 {
		return "on loopback"
	}
	return "on " + shortened(names, 4, "interfaces")
}

// stateWords say in which states, "" for new connections: they are what one asks about.
func stateWords(s ruleset.States) string {
	switch {
	case s&ruleset.New != 0 && s&ruleset.Established == 0:
		return ""
	case s == ruleset.AllStates:
		return "in any state"
	case s&ruleset.New != 0:
		return "known connections too"
	}
	return "state " + s.String() + " only"
}

// counts are the ports by the kind of their change, each once for a protocol and a direction.
// Ports of packets that open no connection are not counted, and neither is what is dropped
// as before and logged otherwise.
func (d *difference) counts() map[string]int {
	counts := map[string]int{}
	for _, kind := range kinds {
		for _, direction := range []ruleset.Direction{ruleset.In, ruleset.Out} {
			for _, proto := range port.Protos {
				var set port.Set
				for i := range d.entries {
					if e := &d.entries[i]; e.kind == kind && e.Direction == direction && e.Protos.Has(uint8(proto)) && e.newConnections() == 0 && !e.dropped() {
						set = set.Union(e.Ports)
					}
				}
				counts[kind] += set.Len()
			}
		}
	}
	return counts
}

// summary is the counts in words.
func (d *difference) summary() string {
	counts := d.counts()
	other, logs := 0, false
	for i := range d.entries {
		if e := &d.entries[i]; e.dropped() {
			logs = true
		} else if !e.Protos.Has(uint8(port.TCP)) && !e.Protos.Has(uint8(port.UDP)) {
			other++
		}
	}
	var parts []string
	for _, kind := range kinds {
		if n := counts[kind]; n > 0 {
			if len(parts) == 0 {
				parts = append(parts, plural(n, "port")+" "+kind)
			} else {
				parts = append(parts, fmt.Sprintf("%d %s", n, kind))
			}
		}
	}
	words := "no port changes"
	if parts != nil {
		words = strings.Join(parts, ", ") + " (each counts once for a protocol and a direction, whoever it is for)"
	}
	if other > 0 {
		words += fmt.Sprintf("; %s of traffic without ports", plural(other, "change"))
	}
	if logs {
		words += "; the log of what is dropped changes"
	}
	return words
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}
