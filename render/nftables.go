package render

import (
	"bytes"
	"fmt"
	"strconv"
	"sync"
	"text/template"

	"portolan/internal/addr"
	"portolan/internal/diag"
	"portolan/internal/nft"
	"portolan/internal/port"
	"portolan/internal/ruleset"
)

// The shape of the nftables text, and why:
//
//   - A rule that speaks of ports costs a lookup, not a line: "udp dport vmap
//     @udp_services" finds a port in an interval map, whatever the number of services. It
//     leads to a chain that looks at the sources, logs and counts; the ports of one service
//     and one rule of the policy share the chain, and a packet that falls off its end goes
//     on behind the map.
//   - Ports that are asked before connection tracking is, which are those of media, are
//     compared in the chain itself: every packet of every call comes by, and to compare a
//     range costs less than half of a lookup.
//   - Loading new text over old must not lose or let through a packet that both mean
//     otherwise. Rules change at once, but sets and maps show their new content only at
//     the end of the transaction, and so does the policy of a chain; a set that is new
//     looks empty until then. So sets and maps are named after the rules of the policy and
//     filled in place, a base chain says its default in a rule of its own, and a chain to
//     which a map leads has its content in its name: as long as the old map is in force,
//     it leads to the old chain, which nobody has emptied.
//   - A base chain that this text has no use for, an older one may have left. It is
//     declared, so that it is there, emptied and deleted, all in the same transaction. On
//     the way it has no rule and decides by its policy, so chains that come and go have the
//     policy to accept.
//   - Whatever decides has a counter, and it is about one service. An element of a map has
//     none, because nft takes them there from 1.0 on only; so a port that is open to
//     everybody leads to a chain, too, and not straight to accept. Only the first packet of
//     a connection comes by, and the step costs it a tenth of the lookup.
//   - A log about ports stands in those chains, too, so that it costs no second lookup.
//     When it stands in several, they lead to one chain, where its rate counts once.
//   - What is not about the ports of TCP and UDP is an ordinary rule at its place. When it
//     stands between rules about ports, those behind it have maps of their own: two lookups
//     more for a packet that gets there. Above all of them, or below, it costs none.

var nftTemplate = sync.OnceValue(func() *template.Template { return parsed("nftables.tmpl", nftQuoting()) })

// few is how many ranges of ports are compared one after the other before connection
// tracking is asked. Each costs what a sixth of a lookup does.
const few = 6

// nftFile is what the template prints.
type nftFile struct {
	head
	// Snippet says that the table is defined in one piece, after the older one was deleted.
	Snippet bool
	*nft.Table
	// Forgets says that loading the text forgets how many connections are open.
	Forgets bool
}

// nftMaker is a table in the making.
type nftMaker struct {
	table  nft.Table
	names  names
	sets   map[string]string // from the ranges of a set of addresses to its name
	limits map[ruleset.Limit]*nft.Limit
	meters map[ruleset.Limit][2]*nft.Meter       // IPv4, IPv6
	counts map[ruleset.Connections][2]*nft.Meter // the same
	shared map[string]ruleset.Effect             // chains that count connections, by name
	logs   map[*ruleset.Rule]string              // chains that log, by their rule

	direction ruleset.Direction    // of the chain in the making
	rests     []string             // as they are met, in words
	numbers   map[rest]int         // indices into rests
	audiences map[string]*audience // by the numbers of its rests and the names of its rules

	// What was asked last, because neighbours mostly are alike.
	last     rest
	numbered int
	parted   struct {
		peers addr.Set
		split bool
		parts []familyPart
	}
	// Memory for what is made of each audience.
	asked        []int
	asks         []*portRule
	key, content []byte
}

// Nftables is the table of nftables that means rs, for whoever puts it into the kernel
// without a text. Its comments are printable ASCII of at most 128 bytes and the names in it
// are plain. As with Files, a rule that nftables cannot say is a finding, and then there is
// no table.
func Nftables(rs *ruleset.Ruleset) (*nft.Table, diag.List) {
	j := &job{backend: "nftables", rs: rs}
	j.check()
	t := nftTable(j)
	if len(j.findings) > 0 {
		return nil, j.findings
	}
	return t, nil
}

// NftablesText is the script of a table, as the form of that name has it. An error is that of
// Files.
func NftablesText(t *nft.Table, h Header) ([]byte, error) {
	outputs, err := writeNftText(&nftFile{head: head{h.Program, h.Policy, nil}, Table: t}, "portolan.nft")
	if err != nil {
		return nil, fmt.Errorf("writing nftables: %w", err)
	}
	return outputs[0].Data, nil
}

// writeNftables writes a script that replaces what is in force.
func writeNftables(j *job) ([]Output, error) {
	return writeNftText(&nftFile{head: j.head, Table: nftTable(j)}, "portolan.nft")
}

// writeNftablesSnippet writes a part of a larger configuration.
func writeNftablesSnippet(j *job) ([]Output, error) {
	f := &nftFile{head: j.head, Table: nftTable(j), Snippet: true}
	var used []*nft.Base
	for _, b := range f.Bases {
		if b.Name == "output" && j.rs.Output.Default == ruleset.Drop {
			b.Policy = ruleset.Drop
		}
		if len(b.Rules) > 0 {
			used = append(used, b)
		}
	}
	f.Bases = used
	return writeNftText(f, "portolan-snippet.nft")
}

// writeNftText fills the template. Its sections stand apart by one blank line each, whichever of
// them there are.
func writeNftText(f *nftFile, name string) ([]Output, error) {
	for _, r := range f.Rules() {
		f.Forgets = f.Forgets || r.Count > 0
	}
	data, err := execute(nftTemplate(), f)
	for old := -1; old != len(data); {
		old = len(data)
		data = bytes.ReplaceAll(data, []byte("\n\n\n"), []byte("\n\n"))
	}
	data = bytes.ReplaceAll(data, []byte(" {\n\n\t#"), []byte(" {\n\t#"))
	return []Output{{Name: name, Data: data, Program: !f.Snippet}}, err
}

// nftTable makes the table of a job.
func nftTable(j *job) *nft.Table {
	j.checkNftables()
	size := 0 // about how many chains there will be: rules that share one mostly stand together
	name, service := "", ""
	for r := range j.rules() {
		if r.Name != name || r.Service != service {
			name, service = r.Name, r.Service
			size++
		}
	}
	n := &nftMaker{
		names: make(names, size),
		sets:  map[string]string{}, numbers: map[rest]int{}, audiences: make(map[string]*audience, size),
		limits: map[ruleset.Limit]*nft.Limit{}, meters: map[ruleset.Limit][2]*nft.Meter{},
		counts: map[ruleset.Connections][2]*nft.Meter{}, shared: map[string]ruleset.Effect{}, logs: map[*ruleset.Rule]string{},
	}
	for _, name := range []string{"input", "output", "raw_prerouting", "raw_output"} {
		n.names[name] = true
	}
	arriving := &nft.Base{Name: "raw_prerouting", Title: "What arrives, before connection tracking.", Hook: "prerouting", Priority: nft.Raw, Policy: ruleset.Accept}
	leaving := &nft.Base{Name: "raw_output", Title: "What leaves, before connection tracking.", Hook: "output", Priority: nft.Raw, Policy: ruleset.Accept}
	for _, r := range j.rs.Untracked.Ranges() {
		line := nft.Rule{Proto: uint8(port.UDP), Notrack: true, Comment: "no connection tracking"}
		line.Ports = []port.Range{r}
		arriving.Rules = append(arriving.Rules, line)
		line.Ports, line.SourcePorts = nil, line.Ports
		leaving.Rules = append(leaving.Rules, line)
	}
	input := &nft.Base{Name: "input", Title: "What arrives.", Hook: "input", Priority: nft.Filter, Policy: j.rs.Input.Default}
	input.Rules = n.chain(ruleset.In, j.rs)
	// Policy: see above. The snippet deletes the whole table, so there the chain can say what it is.
	output := &nft.Base{Name: "output", Title: "What leaves.", Hook: "output", Priority: nft.Filter, Policy: ruleset.Accept}
	if j.rs.FiltersOutput() {
		output.Rules = n.chain(ruleset.Out, j.rs)
	}
	n.table.Bases = []*nft.Base{arriving, leaving, input, output}
	for _, r := range n.table.Rules() {
		r.Comment = nftPlain(r.Comment)
	}
	for _, m := range n.table.Maps {
		last, plain := "", "" // neighbours are often on one line
		for i := range m.Elements {
			if e := &m.Elements[i]; e.Comment != last {
				last, plain = e.Comment, nftPlain(e.Comment)
			}
			m.Elements[i].Comment = plain
		}
	}
	return &n.table
}

// checkNftables refuses what nftables in particular cannot say.
func (j *job) checkNftables() {
	for i := range j.rs.Output.Rules {
		r := &j.rs.Output.Rules[i]
		if r.Effect.Limit.PerSource || r.Effect.Connections.PerSource {
			j.refuse(r, "count them all together", "it counts each source of what leaves, which is this host")
		}
	}
	// The count is kept in one rule of the kernel, and that rule goes on to one limit.
	limits := map[string]ruleset.Limit{}
	for r := range j.rules() {
		c := r.Effect.Connections
		if c == (ruleset.Connections{}) || c.PerSource {
			continue
		}
		if known, ok := limits[c.Name]; ok && known != r.Effect.Limit {
			j.refuse(r, "give the connections of the two rules two names", "connections %q are counted together for rules with different limits", c.Name)
		}
		limits[c.Name] = r.Effect.Limit
	}
}

// chain are the lines of a base chain that say the rules of one direction and its default.
func (n *nftMaker) chain(d ruleset.Direction, rs *ruleset.Ruleset) []nft.Rule {
	n.direction = d
	rules, byDefault := rs.Chain(d).Rules, rs.Chain(d).Default
	var out []nft.Rule
	tracked := firstOfState(rules)
	for i := 0; i < len(rules); {
		end, ranges := i, 0
		for end < len(rules) && aboutPorts(&rules[end]) {
			ranges += runs(rules[end].Match.Ports) * max(1, runs(rules[end].Match.SourcePorts))
			end++
		}
		switch {
		case end == i:
			out = append(out, n.lines(&rules[i])...)
			i++
		case end <= tracked && ranges <= few:
			for k := range rules[i:end] {
				out = append(out, n.lines(&rules[i+k])...)
			}
			i = end
		default:
			out = append(out, n.dispatch(rules[i:end])...)
			i = end
		}
	}
	// The policy of the chain would do; a rule has a counter, and stays right while
	// the chain itself is being made and when the policy is another.
	last := nft.Rule{Verdict: ruleset.Accept, Comment: "default: leave to others what no rule decides"}
	if byDefault == ruleset.Drop {
		last = nft.Rule{Verdict: ruleset.Drop, Comment: "default: drop what no rule allows"}
	}
	return append(out, last)
}

// runs is how many ranges a set of ports has.
func runs(s port.Set) (n int) {
	for range s.Each() {
		n++
	}
	return n
}

// firstOfState is the index of the first rule that asks connection tracking and nothing of
// ports, -1 when there is none.
func firstOfState(rules []ruleset.Rule) int {
	for i := range rules {
		if m := &rules[i].Match; m.States&ruleset.AllStates != ruleset.AllStates && !aboutPorts(&rules[i]) {
			return i
		}
	}
	return -1
}

// lines are the ordinary rules that say r. Each range of ports is compared by itself: a
// set without a name would be searched like one with a name.
func (n *nftMaker) lines(r *ruleset.Rule) []nft.Rule {
	if impossible(r.Match) {
		return nil
	}
	var out []nft.Rule
	for _, p := range nftProtocols(r.Match) {
		for _, line := range n.peers(r.Name, r.Match, perSource(r.Effect) || p.types != nil) {
			line.Protos, line.Proto, line.Types, line.SourcePorts = p.protos, p.proto, p.types, p.sourcePorts
			if len(p.ports) > few {
				line.Ports = p.ports
				out = append(out, line)
				continue
			}
			for i := range max(1, len(p.ports)) {
				if len(p.ports) > 0 {
					line.Ports = p.ports[i : i+1]
				}
				out = append(out, line)
			}
		}
	}
	return n.finish(out, r, false, claim(r))
}

// nftPart is what one line says of protocols.
type nftPart struct {
	protoPart
	sourcePorts []port.Range
}

// nftProtocols cuts a match by protocol.
func nftProtocols(m ruleset.Match) []nftPart {
	var out []nftPart
	if m.SourcePorts.IsAll() {
		for _, p := range protocols(m) {
			out = append(out, nftPart{protoPart: p})
		}
		return out
	}
	if !m.Types.IsAll() || m.Ports.IsEmpty() || m.SourcePorts.IsEmpty() {
		return nil
	}
	for _, p := range port.Protos {
		if m.Protos.Has(uint8(p)) {
			part := nftPart{protoPart{proto: uint8(p)}, m.SourcePorts.Ranges()}
			if !m.Ports.IsAll() {
				part.ports = m.Ports.Ranges()
			}
			out = append(out, part)
		}
	}
	return out
}

// perSource reports whether e counts each source by itself.
func perSource(e ruleset.Effect) bool {
	// A count of all connections stands in a chain of its own, and the limit behind it.
	return e.Connections.PerSource || e.Limit.PerSource && e.Connections == ruleset.Connections{}
}

// peers are unfinished lines for all of m but its protocols.
func (n *nftMaker) peers(name string, m ruleset.Match, split bool) []nft.Rule {
	if p := &n.parted; p.parts == nil || p.split != split || !p.peers.Equal(m.Peers) {
		p.peers, p.split, p.parts = m.Peers, split, families(m.Peers, split)
	}
	out := make([]nft.Rule, 0, len(n.parted.parts))
	for _, f := range n.parted.parts {
		line := nft.Rule{Out: n.direction == ruleset.Out, Interfaces: m.Interfaces.Names(), Family: f.family}
		if m.States&ruleset.AllStates != ruleset.AllStates {
			line.States = m.States
		}
		switch len(f.sources) {
		case 0:
		case 1:
			line.Peer = &f.sources[0]
		default:
			line.Set = n.set(name, f)
		}
		out = append(out, line)
	}
	return out
}

// set is the name of the set with the addresses of f. Sets of one direction with the same
// content are one.
func (n *nftMaker) set(rule string, f familyPart) string {
	prefix := [...]string{ruleset.In: "src_", ruleset.Out: "dst_"}[n.direction]
	key := prefix + rangesKey(f.sources)
	name, ok := n.sets[key]
	if !ok {
		name = n.names.take(prefix+slug(rule, 40)+map[int]string{4: "_v4", 6: "_v6"}[f.family], "_")
		n.sets[key] = name
		n.table.Sets = append(n.table.Sets, &nft.Set{Name: name, Family: f.family, Elements: f.sources})
	}
	return name
}

// finish gives unfinished lines the effect of their rule. There are others of the same rule
// when it is shared.
func (n *nftMaker) finish(lines []nft.Rule, r *ruleset.Rule, shared bool, comment string) []nft.Rule {
	e, jump := r.Effect, ""
	log := func() *ruleset.Log { // few have one: the effect itself need not outlive this
		log := r.Effect.Log
		return &log
	}
	switch {
	case len(lines) == 0:
	case e.Verdict == ruleset.Continue && (shared || len(lines) > 1):
		// Its rate counts for all of the lines together, so it is kept in one place.
		if jump = n.logs[r]; jump == "" {
			jump = n.names.take("log_"+slug(r.Name, 40), "_")
			n.logs[r] = jump
			n.table.Chains = append(n.table.Chains, &nft.Chain{Name: jump, Rules: []nft.Rule{{Log: log(), Comment: comment}}})
		}
	case e.Connections != ruleset.Connections{} && !e.Connections.PerSource:
		jump = n.together(e)
	}
	for i := range lines {
		line := &lines[i]
		line.Comment = comment
		switch {
		case jump != "":
			line.Jump = jump
		case e.Verdict == ruleset.Continue:
			line.Log = log()
		default:
			line.Verdict = e.Verdict
			if e.Connections != (ruleset.Connections{}) {
				line.Connections = n.count(e.Connections, line.Family)
			}
			n.limited(line, e.Limit)
		}
	}
	return lines
}

// limited gives a line its limit.
func (n *nftMaker) limited(line *nft.Rule, l ruleset.Limit) {
	if l.PerSource {
		line.Meter = n.meter(l, line.Family)
	} else if l != (ruleset.Limit{}) {
		line.Limit = n.limit(l)
	}
}

// together is the chain that counts the connections of e, whatever their source. All rules
// that share the count lead to it. The limit of e stands behind the count.
func (n *nftMaker) together(e ruleset.Effect) string {
	name := "connections_" + connectionsName(e.Connections)
	if _, ok := n.shared[name]; ok {
		return name
	}
	n.shared[name] = e
	line := nft.Rule{Count: e.Connections.Count, Comment: "connections " + e.Connections.Name}
	if e.Limit.PerSource {
		limits := &nft.Chain{Name: name + "_limit"}
		for _, family := range []int{4, 6} {
			limits.Rules = append(limits.Rules, nft.Rule{Meter: n.meter(e.Limit, family), Verdict: ruleset.Accept, Comment: "limit " + e.Limit.Name})
		}
		n.table.Chains = append(n.table.Chains, limits)
		line.Jump = limits.Name
	} else {
		line.Verdict = ruleset.Accept
		n.limited(&line, e.Limit)
	}
	n.table.Chains = append(n.table.Chains, &nft.Chain{Name: name, Rules: []nft.Rule{line}})
	return name
}

// connectionsName is the name of a number of connections in the text. It holds the number,
// because an object that is there already stays as it is.
func connectionsName(c ruleset.Connections) string { return c.Name + "_" + strconv.Itoa(c.Count) }

func (n *nftMaker) count(c ruleset.Connections, family int) *nft.Meter {
	pair := n.counts[c]
	i := map[int]int{4: 0, 6: 1}[family]
	if pair[i] == nil {
		pair[i] = &nft.Meter{Name: "connections_" + connectionsName(c) + [...]string{"_v4", "_v6"}[i], Family: family, Connections: c.Count}
		n.counts[c] = pair
		n.table.Meters = append(n.table.Meters, *pair[i])
	}
	return pair[i]
}

func (n *nftMaker) limit(l ruleset.Limit) *nft.Limit {
	if n.limits[l] == nil {
		made := nft.Limit{Name: "limit_" + limitName(l, "_"), Rate: l.Rate, Burst: l.Burst}
		n.limits[l] = &made
		n.table.Limits = append(n.table.Limits, made)
	}
	return n.limits[l]
}

func (n *nftMaker) meter(l ruleset.Limit, family int) *nft.Meter {
	pair := n.meters[l]
	i := map[int]int{4: 0, 6: 1}[family]
	if pair[i] == nil {
		pair[i] = &nft.Meter{
			Name: "limit_" + limitName(l, "_") + [...]string{"_v4", "_v6"}[i], Family: family,
			Rate: l.Rate, Burst: l.Burst, Timeout: max(refill(l.Rate, l.Burst), periodSeconds(l.Rate.Period)),
		}
		n.meters[l] = pair
		n.table.Meters = append(n.table.Meters, *pair[i])
	}
	return pair[i]
}
