package verify

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"portolan/internal/addr"
	"portolan/internal/port"
	"portolan/internal/ruleset"
	"portolan/internal/source"
)

// readIptables reads texts for iptables and ip6tables into one ruleset. Each text, or each
// part of one behind a marker line such as "# ==== rules.v4 ====", is one of
//
//   - a restore file of ours, for one family. It means what our chains are after loading it
//     with --noflush and making the hooks that its header names;
//   - what iptables-save, ip6tables-save or their option -S list on a host where ours is
//     loaded. Only what our chains lead to is read. A hook that is missing is an error; a
//     rule of others before it is not, although it can decide packets that we never see;
//   - the sets of ipset that rules ask for;
//   - the script that holds all of them.
//
// Both families must be there. A packet that our chains do not decide goes back to where
// they were called from, which is not ours; that counts as accepted. An error names the
// line that is not understood and shows it.
func readIptables(files []*source.File) (*ruleset.Ruleset, error) {
	t := &iptTexts{sets: map[string]*iptSet{}, others: map[string]bool{}, families: map[int]*iptFamily{}}
	if len(files) == 0 {
		return nil, errors.New("iptables: there is no text to read")
	}
	for _, f := range files {
		if err := t.add(f); err != nil {
			return nil, err
		}
	}
	if err := t.settle(); err != nil {
		return nil, err
	}
	rs := &ruleset.Ruleset{Input: ruleset.Chain{Default: ruleset.Accept}}
	r := &iptReader{rs: rs, sets: t.sets, together: map[string]int{}}
	for _, n := range []int{4, 6} {
		f := t.families[n]
		if f == nil {
			return nil, fmt.Errorf("%s: there are no rules for IPv%d: name rules.v%d, or what %s lists, too", files[0].Name, n, n, map[int]string{4: "iptables-save", 6: "ip6tables-save"}[n])
		}
		if err := r.family(f); err != nil {
			return nil, err
		}
	}
	return rs, nil
}

// isIptables reports whether a text is for iptables: tables or sets in the form of their
// own programs, a script of ours with them, or what the option -S lists.
func isIptables(text []byte) bool {
	for _, begin := range []string{"*filter\n", "*raw\n", "-P INPUT ", "-P PREROUTING ", "-N PL-", "create pl-"} {
		if bytes.HasPrefix(text, []byte(begin)) || bytes.Contains(text, []byte("\n"+begin)) {
			return true
		}
	}
	return false
}

// ParseIptables reads the two restore files of ours, for IPv4 and IPv6, as readIptables
// does.
func ParseIptables(v4, v6 *source.File) (*ruleset.Ruleset, error) {
	t := &iptTexts{sets: map[string]*iptSet{}, others: map[string]bool{}, families: map[int]*iptFamily{}}
	rs := &ruleset.Ruleset{Input: ruleset.Chain{Default: ruleset.Accept}}
	r := &iptReader{rs: rs, sets: t.sets, together: map[string]int{}}
	for i, f := range []*source.File{v4, v6} {
		family := &iptFamily{number: 4 + 2*i, file: f}
		for l := range lines(f) {
			family.lines = append(family.lines, l)
		}
		if err := r.family(family); err != nil {
			return nil, err
		}
	}
	return rs, nil
}

// iptTexts is what the files hold, by family.
type iptTexts struct {
	families map[int]*iptFamily
	unknown  []*iptFamily // of which the text does not say for which family it is
	sets     map[string]*iptSet
	others   map[string]bool // sets that are not ours
}

// iptFamily is the lines about one family.
type iptFamily struct {
	number int // 4 or 6; 0 as long as nobody knows
	file   *source.File
	lines  []line
	listed bool // by the option -S, which lists one table at a time
}

// iptSet is a set of ipset.
type iptSet struct {
	family int
	most   int // elements
	ranges []addr.Range
	peers  addr.Set // of the ranges, once a rule has asked
}

const iptMarker = "# ==== "

// isSets reports whether the first line of f that says something creates a set.
func isSets(f *source.File) bool {
	for l := range lines(f) {
		if strings.HasPrefix(l.text, iptMarker) {
			return false
		}
		if l.text != "" && l.text[0] != '#' {
			return strings.HasPrefix(l.text, "create ")
		}
	}
	return false
}

// add cuts a file into parts and sorts them by family.
func (t *iptTexts) add(f *source.File) error {
	if isIptablesScript(f) {
		return t.script(f)
	}
	family, sets, marked := (*iptFamily)(nil), isSets(f), false
	for l := range lines(f) {
		if name, ok := strings.CutPrefix(l.text, iptMarker); ok {
			if !marked && family != nil && slices.ContainsFunc(family.lines, func(l line) bool { return l.text != "" }) {
				return l.errorf("text before the first marker line")
			}
			marked, sets = true, false
			switch name = strings.TrimSuffix(name, " ===="); name {
			case "rules.v4", "rules.v6":
				number := int(name[len(name)-1] - '0')
				if t.families[number] != nil {
					return l.errorf("a second part for this family")
				}
				family = t.of(number, f)
			case "rules.ipset":
				family, sets = nil, true
			default:
				return l.errorf("a part that is not known")
			}
			continue
		}
		// iptables-save says who speaks, before every table.
		if !marked && strings.HasPrefix(l.text, "# Generated by ip") {
			number := 4
			if strings.HasPrefix(l.text, "# Generated by ip6") {
				number = 6
			}
			if family != nil && family.number == 0 && len(family.lines) == 0 {
				t.unknown = t.unknown[:len(t.unknown)-1]
			}
			family, sets = t.of(number, f), false
		}
		if family == nil && !sets {
			if l.text == "" {
				continue
			}
			family = &iptFamily{file: f}
			t.unknown = append(t.unknown, family)
		}
		if sets {
			if err := t.setLine(l); err != nil {
				return err
			}
			continue
		}
		family.lines = append(family.lines, l)
	}
	return nil
}

// of is the family of the given number.
func (t *iptTexts) of(number int, f *source.File) *iptFamily {
	if t.families[number] == nil {
		t.families[number] = &iptFamily{number: number, file: f}
	}
	return t.families[number]
}

// settle finds the family of texts that no marker tells: by the header of ours, by what
// only one family has, by the name of the file, and last by the other text being of the
// other family.
func (t *iptTexts) settle() error {
	var left []*iptFamily
	place := func(f *iptFamily, number int) error {
		if t.families[number] != nil {
			return fmt.Errorf("%s: rules for IPv%d, which %s has already", f.file.Name, number, t.families[number].file.Name)
		}
		f.number = number
		t.families[number] = f
		return nil
	}
	for _, f := range t.unknown {
		told := map[int]line{}
		for _, l := range f.lines {
			if n := iptTells(l); n != 0 {
				if _, ok := told[n]; !ok {
					told[n] = l
				}
			}
		}
		number := 0
		switch {
		case len(told) == 2:
			l := told[4]
			if told[6].number > l.number {
				l = told[6]
			}
			return l.errorf("IPv4 and IPv6 in one text without a marker line such as %q", iptMarker+"rules.v6 ====")
		case len(told) == 1:
			for number = range told {
			}
		default:
			number = map[string]int{".v4": 4, ".v6": 6}[path.Ext(f.file.Name)]
		}
		if number == 0 {
			left = append(left, f)
		} else if err := place(f, number); err != nil {
			return err
		}
	}
	if len(left) > 0 {
		f := left[0]
		switch {
		case len(left) == 1 && t.families[4] != nil && t.families[6] == nil:
			return place(f, 6)
		case len(left) == 1 && t.families[6] != nil && t.families[4] == nil:
			return place(f, 4)
		}
		return fmt.Errorf("%s: nothing in it tells IPv4 from IPv6: put the line %q or %q before it", f.file.Name, iptMarker+"rules.v4 ====", iptMarker+"rules.v6 ====")
	}
	return nil
}

// iptTells is the family that a line is about, when it says so.
func iptTells(l line) int {
	if strings.HasPrefix(l.text, "#") {
		switch {
		case strings.Contains(l.text, ": a firewall for iptables,"):
			return 4
		case strings.Contains(l.text, ": a firewall for ip6tables,"):
			return 6
		}
		return 0
	}
	for w := (iptWords{rest: l.text}); !w.done(); {
		switch w.next() {
		case "-s", "-d":
			if a := w.peek(); strings.Contains(a, ":") {
				return 6
			} else if strings.Contains(a, ".") {
				return 4
			}
		case "-m": // not the protocol: a rule can be about that of the other family too
			switch w.peek() {
			case "icmp6":
				return 6
			case "icmp":
				return 4
			}
		case "--connlimit-mask":
			switch w.peek() {
			case "128":
				return 6
			case "32":
				return 4
			}
		case "--match-set":
			switch name := w.peek(); {
			case strings.HasPrefix(name, "pl-") && strings.HasSuffix(name, "-6"):
				return 6
			case strings.HasPrefix(name, "pl-") && strings.HasSuffix(name, "-4"):
				return 4
			}
		}
	}
	return 0
}

// setLine reads a line of ipset's own restore form. Sets of others are passed over.
func (t *iptTexts) setLine(l line) error {
	words := strings.Fields(l.text)
	if len(words) == 0 || l.text[0] == '#' {
		return nil
	}
	if len(words) > 2 && !strings.HasPrefix(words[1], "pl-") { // a set of others
		switch {
		case words[0] == "create":
			t.others[words[1]] = true
			return nil
		case words[0] == "add" && t.others[words[1]]:
			return nil
		case words[0] == "add":
			return l.errorf("an element of a set that is not created before")
		}
	}
	if err := l.plain(); err != nil {
		return err
	}
	switch {
	case len(words) >= 5 && words[0] == "create":
		set := &iptSet{most: 65536}
		switch {
		case t.sets[words[1]] != nil:
			return l.errorf("a set that is created twice")
		case len(words[1]) > 31 || words[2] != "hash:net" || words[3] != "family" || len(words)%2 == 0:
			return l.errorf("not a set of prefixes")
		}
		switch words[4] {
		case "inet":
			set.family = 4
		case "inet6":
			set.family = 6
		default:
			return l.errorf("not a set of prefixes")
		}
		for i := 5; i < len(words); i += 2 {
			n, ok := parseNumber(words[i+1], 1<<31-1)
			switch words[i] {
			case "hashsize", "bucketsize":
			case "maxelem":
				set.most = n
			case "initval":
				ok = strings.HasPrefix(words[i+1], "0x") && len(words[i+1]) <= 10 && strings.Trim(words[i+1][2:], "0123456789abcdef") == ""
			default:
				ok = false
			}
			if !ok {
				return l.errorf("%q is not understood here", words[i])
			}
		}
		t.sets[words[1]] = set
		return nil
	case len(words) == 3 && words[0] == "add":
		set := t.sets[words[1]]
		if set == nil {
			return l.errorf("an element of a set that is not created before")
		}
		one, ok := parseSource(words[2], set.family)
		if !ok || strings.Contains(words[2], "-") || strings.HasSuffix(words[2], "/0") {
			return l.errorf("%q is not an element of this set", words[2])
		}
		if set.ranges = append(set.ranges, one); len(set.ranges) > set.most || len(set.ranges) > maxRules {
			return l.errorf("more elements than the set takes")
		}
		return nil
	}
	return l.errorf("not a line of a set")
}

// Chains that others lead to, and the chains of others that do.
var iptEntries = [...]struct {
	table, chain, hook string
	direction          ruleset.Direction
}{
	{"filter", "PL-IN", "INPUT", ruleset.In},
	{"filter", "PL-OUT", "OUTPUT", ruleset.Out},
	{"raw", "PL-RAW-IN", "PREROUTING", ruleset.In},
	{"raw", "PL-RAW-OUT", "OUTPUT", ruleset.Out},
}

// maxLine is a line that iptables-restore reads in one piece: its buffer has 10240
// bytes, and it takes the rest of a longer line for a new one.
const maxLine = 10_000

// iptReader is the ruleset so far.
type iptReader struct {
	rs   *ruleset.Ruleset
	sets map[string]*iptSet
	// untracked are the ports of the first raw chain, and where they were read.
	untracked port.Set
	first     string
	// together are the counts of all sources together, each with its family: the two
	// families do not share them.
	together map[string]int
	steps    int // rules looked at while unfolding
}

// iptTable is one table of one family so far.
type iptTable struct {
	name   string
	family int
	chains map[string]*iptChain
	hooks  map[string]bool // "INPUT PL-IN"
	sets   map[string]*iptSet
}

type iptChain struct {
	lines  []line // rules that are not read yet, with their counters cut off
	rules  []iptRule
	parsed bool
}

// iptRule is one line: a match, and an effect or a chain that has it.
type iptRule struct {
	match   ruleset.Match
	effect  ruleset.Effect
	notrack bool
	jump    string
	sides   [2]bool // it asks for what only arriving, or only leaving packets have
	comment string
	line    line
}

// family reads the lines of one family.
func (r *iptReader) family(f *iptFamily) error {
	tables, saved, err := f.tables(r.sets)
	if err != nil {
		return err
	}
	for _, e := range iptEntries {
		table := tables[e.table]
		switch {
		case table == nil && (!saved || e.table == "filter"):
			return unfinished(f.file, "the table "+e.table+" for IPv"+string(rune('0'+f.number)))
		case table == nil && f.listed:
			return unfinished(f.file, "the list of the table raw for IPv"+string(rune('0'+f.number))+", which the options -t raw -S give")
		case table == nil: // iptables-save does not list a table that nobody uses
		case table.chains[e.chain] == nil && (!saved || e.chain == "PL-IN"):
			return unfinished(f.file, "the chain "+e.chain+" is declared for IPv"+string(rune('0'+f.number)))
		case table.chains[e.chain] == nil:
			table = nil
		}
		if table != nil && saved && len(table.chains[e.chain].lines) > 0 && !table.hooks[e.hook+" "+e.chain] {
			return fmt.Errorf("%s: no rule \"-A %s -j %s\" for IPv%d: the chain is loaded and nothing leads to it", f.file.Name, e.hook, e.chain, f.number)
		}
		if e.table == "filter" {
			whole := ruleset.Any()
			whole.Peers = map[int]addr.Set{4: addr.V4(), 6: addr.V6()}[f.number]
			if table != nil {
				if err := r.flatten(table, e.direction, whole, e.chain, 0); err != nil {
					return err
				}
			}
		} else if err := r.raw(f, table, e.chain, e.direction); err != nil {
			return err
		}
	}
	if saved {
		return nil
	}
	// A restore file is loaded whole, so all of it must be understood.
	for _, name := range []string{"filter", "raw"} {
		for chain := range tables[name].chains {
			if err := tables[name].parse(chain); err != nil {
				return err
			}
		}
	}
	return nil
}

// raw reads one of the chains that keep connection tracking away. All four of both
// families must name the same ports.
func (r *iptReader) raw(f *iptFamily, table *iptTable, chain string, d ruleset.Direction) error {
	ports := port.Set{}
	if table != nil {
		if err := table.parse(chain); err != nil {
			return err
		}
		for i := range table.chains[chain].rules {
			rule := &table.chains[chain].rules[i]
			own := &rule.match.Ports
			rest := rule.match
			if d == ruleset.Out {
				own = &rule.match.SourcePorts
			}
			ports = ports.Union(*own)
			rest.Protos, rest.Ports, rest.SourcePorts = ruleset.AllBytes(), port.All(), port.All()
			other := rule.match.SourcePorts
			if d == ruleset.Out {
				other = rule.match.Ports
			}
			any := ruleset.Any()
			if !rule.notrack || rule.match.Protos != only(uint8(port.UDP)) || !other.IsAll() ||
				rule.sides != [2]bool{} || rest.States != any.States || !rest.Peers.IsAll() || !rest.Types.IsAll() {
				return rule.line.errorf("not a rule about local UDP ports")
			}
		}
	}
	place := fmt.Sprintf("%s of IPv%d", chain, f.number)
	if r.first == "" {
		r.first, r.untracked, r.rs.Untracked = place, ports, ports
	} else if !r.untracked.Equal(ports) {
		return fmt.Errorf("%s: %s keeps connection tracking from ports %q, and %s from %q", f.file.Name, place, ports, r.first, r.untracked)
	}
	return nil
}

// tables sorts the lines of one family by table and chain, and tells whether they are what
// a host lists.
func (f *iptFamily) tables(sets map[string]*iptSet) (map[string]*iptTable, bool, error) {
	f.listed = !slices.ContainsFunc(f.lines, func(l line) bool { return strings.HasPrefix(l.text, "*") })
	// Only a host has chains with a policy.
	saved := f.listed || slices.ContainsFunc(f.lines, func(l line) bool {
		words := strings.Fields(l.text)
		return len(words) > 1 && strings.HasPrefix(words[0], ":") && words[1] != "-"
	})
	out := map[string]*iptTable{}
	fresh := func(name string) *iptTable {
		out[name] = &iptTable{name: name, family: f.number, chains: map[string]*iptChain{}, hooks: map[string]bool{}, sets: sets}
		return out[name]
	}
	var table *iptTable
	open := false // between a table's first line and its COMMIT
	for _, l := range f.lines {
		begin := bytes.LastIndexByte(l.file.Text[:l.start], '\n') + 1
		end := len(l.file.Text)
		if i := bytes.IndexByte(l.file.Text[l.end:], '\n'); i >= 0 {
			end = l.end + i
		}
		raw := string(l.file.Text[begin:end])
		switch {
		case raw == "":
			continue
		case raw[0] == '#':
			continue
		case strings.Contains(raw, "\r"):
			return nil, false, l.errorf("a carriage return, and iptables-restore refuses such a line")
		case l.text == "":
			return nil, false, l.errorf("a line of blanks, and iptables-restore refuses such a line")
		case f.listed:
			var err error
			if table, err = f.list(l, table, out, fresh); err != nil {
				return nil, false, err
			}
			continue
		}
		others := open && table == nil // in a table that is not read
		switch {
		case !open && raw[0] == '*':
			name := strings.TrimRight(raw[1:], " \t")
			if name == "filter" || name == "raw" {
				if out[name] != nil {
					return nil, false, l.errorf("a second table of this name for IPv%d", f.number)
				}
				fresh(name)
			} else if !saved || name != "nat" && name != "mangle" && name != "security" {
				return nil, false, l.errorf("not a line of a portolan table")
			}
			table, open = out[name], true
		case open && raw == "COMMIT":
			if end == len(l.file.Text) {
				return nil, false, unfinished(l.file, "a line end, and iptables-legacy refuses such a line")
			}
			open = false
		case others:
		case open && raw[0] == ':':
			if err := table.declare(l, strings.Fields(raw[1:]), saved); err != nil {
				return nil, false, err
			}
		case open:
			if err := table.line(l, saved); err != nil {
				return nil, false, err
			}
		default:
			return nil, false, l.errorf("not a line of a portolan table")
		}
	}
	if open {
		return nil, false, unfinished(f.file, "COMMIT")
	}
	return out, saved, nil
}

// list reads a line that the option -S lists. It does not name the table; the chains
// with a policy tell it.
func (f *iptFamily) list(l line, table *iptTable, tables map[string]*iptTable, fresh func(string) *iptTable) (*iptTable, error) {
	words := strings.Fields(l.text)
	switch {
	case len(words) >= 3 && words[0] == "-P":
		name := "filter"
		if words[1] == "PREROUTING" {
			name = "raw"
		}
		switch {
		case tables[name] == nil && (words[1] == "INPUT" || words[1] == "PREROUTING"):
			table = fresh(name)
		case table == nil || words[1] == "INPUT" || words[1] == "PREROUTING":
			return nil, l.errorf("not a chain of the tables filter and raw as -S lists them")
		}
		return table, nil
	case table == nil:
	case len(words) == 2 && words[0] == "-N":
		return table, table.declare(l, []string{words[1], "-"}, true)
	case words[0] == "-A":
		return table, table.line(l, true)
	}
	return nil, l.errorf("not a line of a portolan table, or of a host's list")
}

// declare reads a chain, cut into words.
func (t *iptTable) declare(l line, words []string, saved bool) error {
	counted := len(words) == 3 && strings.HasPrefix(words[2], "[") && strings.HasSuffix(words[2], "]")
	if (len(words) == 2 || counted) && iptName(words[0]) && words[1] == "-" && t.chains[words[0]] == nil {
		if t.chains[words[0]] = (&iptChain{}); len(t.chains) > maxRules {
			return l.errorf("more than %d chains", maxRules)
		}
		return nil
	}
	if len(words) == 0 || !saved || strings.HasPrefix(words[0], "PL-") {
		return l.errorf("not a chain of ours, or declared twice")
	}
	return nil
}

// line notes a rule of a chain of ours, or a hook.
func (t *iptTable) line(l line, saved bool) error {
	text := l.text
	if text[0] == '[' { // counters
		counters, rest, ok := strings.Cut(text[1:], "]")
		packets, octets, two := strings.Cut(counters, ":")
		if !ok || !two || !iptCounter(packets) || !iptCounter(octets) {
			return l.errorf("not a line of a portolan table")
		}
		text = strings.TrimLeft(rest, " \t")
	}
	w := iptWords{rest: text}
	if w.next() != "-A" {
		return l.errorf("not a line of a portolan table")
	}
	name := w.next()
	l.text = text
	if chain := t.chains[name]; chain != nil {
		if err := l.plain(); err != nil {
			return err
		}
		if len(text) > maxLine {
			return l.errorf("a line of %d bytes", len(text))
		}
		chain.lines = append(chain.lines, l)
		return nil
	}
	if !saved || strings.HasPrefix(name, "PL-") {
		return l.errorf("a rule for a chain that is not declared")
	}
	// A hook has no condition, so nothing but a comment.
	var target string
	for !w.done() {
		switch w.next() {
		case "-m":
			if w.next() != "comment" || w.next() != "--comment" {
				return nil
			}
			w.next()
		case "-c":
			w.next()
			w.next()
		case "-j":
			if target = w.next(); !w.done() {
				return nil
			}
		default:
			return nil
		}
	}
	t.hooks[name+" "+target] = true
	return nil
}

func iptCounter(s string) bool { return s != "" && len(s) <= 20 && strings.Trim(s, "0123456789") == "" }

// parse reads the rules of a chain.
func (t *iptTable) parse(name string) error {
	chain := t.chains[name]
	if chain.parsed {
		return nil
	}
	chain.parsed = true
	for _, l := range chain.lines {
		r, err := t.rule(l)
		if err != nil {
			return err
		}
		if r.effect.Connections != (ruleset.Connections{}) {
			// The chain tells which count it is, and one rule has it.
			count, ok := strings.CutPrefix(name, "PL-CONN-")
			if !ok || !iptCountName(count) || len(chain.lines) != 1 {
				return l.errorf("connections that are counted outside of a chain of their own")
			}
			r.effect.Connections.Name = count
		}
		chain.rules = append(chain.rules, r)
	}
	return nil
}

func iptCountName(s string) bool {
	return s != "" && len(s) <= 15 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}

// An iptLine is a rule in the reading.
type iptLine struct {
	*iptTable
	iptRule
	words iptWords
	seen  map[string]bool
	proto string
	log   ruleset.Log // its rate
}

// rule reads one rule.
func (t *iptTable) rule(l line) (iptRule, error) {
	r := &iptLine{iptTable: t, iptRule: iptRule{match: ruleset.Any(), line: l}, words: iptWords{rest: l.text}, seen: map[string]bool{}}
	w := &r.words
	w.next() // -A
	w.next() // its chain
	for !w.done() {
		word := w.next()
		ok := false
		switch word {
		case "-s", "-d":
			var s addr.Range
			s, ok = parseSource(w.next(), t.family)
			r.match.Peers, ok = r.match.Peers.Intersect(addr.OfRanges(s)), ok && r.side(word == "-d")
		case "-i", "-o":
			name := w.next()
			r.match.Interfaces = ruleset.InterfacesOf(name)
			ok = name != "" && !strings.ContainsAny(name, "+!\"") && r.side(word == "-o")
		case "-p":
			r.proto = w.next()
			r.match.Protos, ok = iptProto(r.proto)
		case "-c":
			ok = iptCounter(w.next()) && iptCounter(w.next())
		case "-m":
			ok = r.extension()
			word = "" // told apart in there
		case "-j":
			ok = r.target()
			if ok && !w.done() {
				return r.iptRule, l.errorf("words behind the target")
			}
		}
		if word != "" && r.seen[word] || !ok || w.broken {
			return r.iptRule, l.errorf("%q is not understood here", cmp.Or(word, "-m"))
		}
		r.seen[word] = word != ""
	}
	if r.jump == "" && r.effect.Verdict == 0 && !r.notrack {
		return r.iptRule, l.errorf("the rule has no target")
	}
	return r.iptRule, nil
}

// side notes that the rule asks for what only leaving, or only arriving packets have.
func (r *iptLine) side(out bool) bool {
	d := ruleset.In
	if out {
		d = ruleset.Out
	}
	r.sides[d] = true
	return true
}

// once is false the second time.
func (r *iptLine) once(option string) bool {
	again := r.seen[option]
	r.seen[option] = true
	return !again
}

// extension reads what stands behind "-m".
func (r *iptLine) extension() bool {
	w := &r.words
	name := w.next()
	switch name {
	case "tcp", "udp":
		if name != r.proto || !r.once(name) || w.peek() != "--sport" && w.peek() != "--dport" {
			return false
		}
		for w.peek() == "--sport" || w.peek() == "--dport" {
			if !r.ports(w.next()+"s", false) {
				return false
			}
		}
		return true
	case "multiport":
		return (r.proto == "tcp" || r.proto == "udp") && r.ports(w.next(), true)
	case "icmp", "icmp6":
		option := map[string]string{"icmp": "--icmp-type", "icmp6": "--icmpv6-type"}[name]
		matching := r.family == 4 && name == "icmp" && r.proto == "icmp" || r.family == 6 && name == "icmp6" && r.proto == "ipv6-icmp"
		if !matching || !r.once(name) || w.next() != option {
			return false
		}
		n, ok := parseNumber(w.next(), 254) // 255 means any
		r.match.Types = ruleset.BytesOf(uint8(n))
		return ok
	case "set":
		return r.set()
	case "conntrack":
		if !r.once(name) || w.next() != "--ctstate" {
			return false
		}
		r.match.States = 0
		for item := range strings.SplitSeq(w.next(), ",") {
			s, ok := parseState(strings.ToLower(item))
			if !ok || item != strings.ToUpper(item) {
				return false
			}
			r.match.States |= s
		}
		return true
	case "comment":
		ok := r.once(name) && w.next() == "--comment"
		r.comment = w.next()
		return ok
	case "limit":
		rate, ok := parseRateOption(w, "--limit")
		r.log.Rate, r.log.Burst = rate, 5 // libxt_limit's default, which iptables-save leaves out
		if ok && w.peek() == "--limit-burst" {
			w.next()
			r.log.Burst, ok = parseNumber(w.next(), 10_000)
		}
		return ok && r.once(name) && r.log.Burst > 0
	case "connlimit":
		// What is asked behind a limit is not asked of what is beyond it.
		return r.once(name) && r.effect.Limit == ruleset.Limit{} && r.connlimit()
	case "hashlimit":
		return r.once(name) && r.hashlimit()
	}
	return false
}

// ports reads the ports of an option such as "--dports".
func (r *iptLine) ports(option string, several bool) bool {
	if !r.once(option) {
		return false
	}
	var ranges []port.Range
	entries := 0
	for item := range strings.SplitSeq(r.words.next(), ",") {
		one, ok := parsePorts(item, ":")
		if !ok {
			return false
		}
		entries += min(one.Len(), 2)
		ranges = append(ranges, one)
	}
	switch option {
	case "--dports":
		r.match.Ports = port.Of(ranges...)
	case "--sports":
		r.match.SourcePorts = port.Of(ranges...)
	default:
		return false
	}
	return entries <= 15 && (several || len(ranges) == 1) // 15 are the most that a multiport match takes
}

// set reads the set that has the peers.
func (r *iptLine) set() bool {
	w := &r.words
	if !r.once("set") || w.next() != "--match-set" {
		return false
	}
	set := r.sets[w.next()]
	if set == nil || set.family != r.family {
		return false
	}
	if set.peers.IsEmpty() {
		set.peers = addr.OfRanges(set.ranges...)
	}
	side := w.next()
	r.match.Peers = r.match.Peers.Intersect(set.peers)
	return (side == "src" || side == "dst") && r.side(side == "dst")
}

// connlimit reads a number of connections. Its name is that of the chain.
func (r *iptLine) connlimit() bool {
	w := &r.words
	if w.next() != "--connlimit-upto" {
		return false
	}
	n, ok := parseNumber(w.next(), 1_000_000)
	if !ok || n == 0 || w.next() != "--connlimit-mask" {
		return false
	}
	c := ruleset.Connections{Count: n}
	switch w.next() {
	case map[int]string{4: "32", 6: "128"}[r.family]:
		c.PerSource = true
	case "0":
	default:
		return false
	}
	r.effect.Connections = c
	return w.next() == "--connlimit-saddr"
}

// hashlimit reads the count that makes an accept conditional.
func (r *iptLine) hashlimit() bool {
	w := &r.words
	rate, ok := parseRateOption(w, "--hashlimit-upto")
	if !ok || w.next() != "--hashlimit-burst" {
		return false
	}
	burst, ok := parseNumber(w.next(), 1_000_000)
	if !ok || burst == 0 {
		return false
	}
	l := ruleset.Limit{Rate: rate, Burst: burst}
	option := w.next()
	if option == "--hashlimit-mode" {
		l.PerSource = true
		if w.next() != "srcip" {
			return false
		}
		option = w.next()
	}
	if option != "--hashlimit-name" {
		return false
	}
	l.Name, ok = parseLimitName(w.next(), "-", rate, burst)
	if !ok || w.next() != "--hashlimit-htable-max" || w.next() != "65536" {
		return false
	}
	// A source that is forgotten gets a new burst. So it may be forgotten only when it
	// would have its burst again anyway.
	seconds := map[string]int{"second": 1, "minute": 60, "hour": 3600, "day": 86400}[rate.Period]
	expire := 1000 * seconds // libxt_hashlimit's default
	if w.peek() == "--hashlimit-htable-expire" {
		w.next()
		if expire, ok = parseNumber(w.next(), 1<<32-1); !ok {
			return false
		}
	}
	r.effect.Limit = l
	return expire*rate.Count >= 1000*seconds*burst
}

var iptPeriods = [4]string{"sec", "min", "hour", "day"}

func parseRateOption(w *iptWords, option string) (ruleset.Rate, bool) {
	if w.next() != option {
		return ruleset.Rate{}, false
	}
	return parseRate(w.next(), iptPeriods)
}

// target reads what stands behind "-j".
func (r *iptLine) target() bool {
	w := &r.words
	name := w.next()
	if r.jump != "" || name != "LOG" && r.log != (ruleset.Log{}) {
		return false
	}
	if r.name == "raw" {
		r.notrack = true
		return name == "NOTRACK" || name == "CT" && w.next() == "--notrack"
	}
	switch name {
	case "ACCEPT":
		r.effect.Verdict = ruleset.Accept
		return true
	case "DROP":
		limited := r.effect.Limited()
		r.effect.Verdict = ruleset.Drop
		return !limited
	case "LOG":
		limited := r.effect.Limited()
		r.effect = ruleset.Effect{Verdict: ruleset.Continue, Log: r.log}
		if w.peek() == "--log-prefix" {
			w.next()
			r.effect.Log.Prefix = w.next()
		}
		return !limited && r.log != (ruleset.Log{}) && len(r.effect.Log.Prefix) <= 29
	}
	r.jump = name
	entry := slices.ContainsFunc(iptEntries[:], func(e struct {
		table, chain, hook string
		direction          ruleset.Direction
	}) bool {
		return e.chain == name
	})
	return !r.effect.Limited() && !entry && r.chains[name] != nil
}

func iptProto(s string) (ruleset.Bytes, bool) {
	switch s {
	case "tcp":
		return only(uint8(port.TCP)), true
	case "udp":
		return only(uint8(port.UDP)), true
	case "icmp":
		return only(ruleset.ICMP), true
	case "ipv6-icmp":
		return only(ruleset.ICMPv6), true
	}
	n, ok := parseNumber(s, 255)
	return only(uint8(n)), ok && n > 0 // 0 means any
}

// flatten adds the rules of a chain, as far as they match in m, to the ruleset.
func (r *iptReader) flatten(t *iptTable, d ruleset.Direction, m ruleset.Match, chain string, depth int) error {
	if err := t.parse(chain); err != nil {
		return err
	}
	into := r.rs.Chain(d)
	for i := range t.chains[chain].rules {
		rule := &t.chains[chain].rules[i]
		if r.steps++; r.steps > maxRules || depth > 8 {
			return rule.line.errorf("chains lead to more than %d rules, or in a circle", maxRules)
		}
		if rule.sides[1-d] {
			return rule.line.errorf("it asks packets that go %s for what they do not have", d)
		}
		both := m.Intersect(rule.match)
		if empty(&both) || both.SourcePorts.IsEmpty() {
			continue
		}
		if rule.jump != "" {
			if err := r.flatten(t, d, both, rule.jump, depth+1); err != nil {
				return err
			}
			continue
		}
		counts := []string{"limit " + rule.effect.Limit.Name, "connections " + rule.effect.Connections.Name}
		for i, together := range []bool{
			rule.effect.Limit != ruleset.Limit{} && !rule.effect.Limit.PerSource,
			rule.effect.Connections != ruleset.Connections{} && !rule.effect.Connections.PerSource,
		} {
			if !together {
				continue
			}
			if known := r.together[counts[i]]; known != 0 && known != t.family {
				return rule.line.errorf("%s counts all sources together, in each family by itself", counts[i])
			}
			r.together[counts[i]] = t.family
		}
		into.Rules = append(into.Rules, rule.line.rule(both, rule.effect, rule.comment))
	}
	return nil
}

// iptName reports whether s can be a chain of ours.
func iptName(s string) bool {
	rest, ok := strings.CutPrefix(s, "PL-")
	return ok && len(s) <= 28 && rest != "" && !strings.ContainsFunc(rest, func(c rune) bool {
		return !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-')
	})
}

// iptWords cuts a line into words at blanks. A word in double quotes may hold blanks, and
// a backslash in it takes the next character as it is.
type iptWords struct {
	rest   string
	broken bool // a quote was not closed
}

func (w *iptWords) done() bool { return w.rest == "" }

func (w *iptWords) peek() string { c := *w; return c.next() }

// next is the next word without its quotes, "" at the end.
func (w *iptWords) next() string {
	s := w.rest
	if !strings.HasPrefix(s, `"`) {
		word, rest := s, ""
		if i := strings.IndexAny(s, " \t"); i >= 0 {
			word, rest = s[:i], strings.TrimLeft(s[i:], " \t")
		}
		if strings.ContainsAny(word, "\"'\\") {
			w.broken = true
		}
		w.rest = rest
		return word
	}
	if end := strings.IndexAny(s[1:], "\"\\") + 1; end > 0 && s[end] == '"' { // nothing to unescape
		w.skip(s[end+1:])
		return s[1:end]
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			w.skip(s[i+1:])
			return b.String()
		case '\\':
			if i++; i == len(s) {
				break
			}
			fallthrough
		default:
			b.WriteByte(s[i])
		}
	}
	w.broken, w.rest = true, ""
	return b.String()
}

// skip goes on behind a quoted word.
func (w *iptWords) skip(rest string) {
	if rest != "" && rest[0] != ' ' && rest[0] != '\t' {
		w.broken = true
	}
	w.rest = strings.TrimLeft(rest, " \t")
}
