package main

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"portolan/internal/addr"
	"portolan/internal/port"
	"portolan/internal/report"
	"portolan/internal/ruleset"
	"portolan/internal/source"
	"portolan/internal/verify"
	"portolan/render"
)

// A side is one ruleset of a comparison.
type side struct {
	name  string // in words, "the policy", "portolan.nft"
	rules *ruleset.Ruleset
	// text says that the ruleset was read back from a firewall's text: the places of its
	// rules are lines of that text, and their names are comments.
	text    bool
	backend string // of the text
	// files are the texts, for their certificates.
	files []*source.File
	// words say a rule of a text, in place of its place and comment; "" for none. It may be nil.
	words func(*ruleset.Rule) string
}

// maxFolder bounds the files of a folder that are looked at for a firewall.
const maxFolder = 1000

// side reads one side of a comparison: files of one firewall joined by commas, a folder
// with them, or a policy.
func (a *app) side(ctx context.Context, in *input, inventoryOf func() (*found, error), name, backend string) (*side, error) {
	if strings.EqualFold(filepath.Ext(name), ".hcl") {
		if _, err := os.Stat(name); err != nil {
			return nil, plainError(err)
		}
		f, err := inventoryOf()
		if err != nil {
			return nil, err
		}
		own := *in
		own.policy = name
		rules, words, err := a.compiled(&own, f, toCompare, false)
		if err != nil {
			return nil, err
		}
		return &side{name: words, rules: rules}, ctx.Err()
	}
	files, err := textFiles(name, backend)
	if err != nil {
		return nil, err
	}
	return readSide(name, backend, files)
}

// textFiles are the texts of one firewall that a name stands for: a folder with them, or
// files joined by commas.
func textFiles(name, backend string) ([]*source.File, error) {
	info, err := os.Stat(name)
	if err == nil && info.IsDir() {
		return folderFiles(name, backend)
	}
	parts := []string{name}
	if err != nil { // a file of that whole name goes before
		parts = strings.Split(name, ",")
	}
	var files []*source.File
	for _, part := range parts {
		f, err := source.ReadFile(part)
		if err != nil {
			return nil, plainError(err)
		}
		files = append(files, f)
	}
	return files, nil
}

// readSide reads back the files of one firewall, of which the backend is told by their
// content when none is named.
func readSide(name, backend string, files []*source.File) (*side, error) {
	for _, f := range files {
		kind := verify.Detect(f)
		switch {
		case kind == "" && backend == "":
			return nil, fmt.Errorf("%s: neither the text of a firewall as portolan writes it nor a policy, whose name ends in .hcl", f.Name)
		case backend == "":
			backend = kind
		case kind != "" && kind != backend:
			return nil, fmt.Errorf("%s: it is for %s and not for %s", f.Name, kind, backend)
		}
	}
	rules, err := verify.Read(backend, files)
	if err != nil {
		return nil, err
	}
	return &side{name: name, backend: backend, rules: rules, text: true, files: files}, nil
}

// folderFiles are the files in dir of one firewall: those that render writes in the first
// form of it, or else all that are of it.
func folderFiles(dir, backend string) ([]*source.File, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, plainError(err)
	}
	if len(entries) > maxFolder {
		return nil, fmt.Errorf("%s: more than %d files: name those of the firewall", dir, maxFolder)
	}
	byBackend := map[string][]*source.File{}
	for _, e := range entries {
		name := filepath.Join(dir, e.Name())
		if info, err := os.Stat(name); err != nil || !info.Mode().IsRegular() {
			continue
		}
		f, err := source.ReadFile(name)
		if err != nil {
			return nil, plainError(err)
		}
		if kind := verify.Detect(f); kind != "" && (backend == "" || kind == backend) {
			byBackend[kind] = append(byBackend[kind], f)
		}
	}
	if len(byBackend) != 1 {
		if len(byBackend) == 0 {
			return nil, fmt.Errorf("%s: there is no text of a firewall in this folder", dir)
		}
		return nil, fmt.Errorf("%s: this folder has several firewalls: choose one with --to, or name its files", dir)
	}
	for kind, files := range byBackend { // the one there is
		b, err := render.Find(kind)
		if err != nil {
			return nil, err
		}
		first := slices.DeleteFunc(slices.Clone(files), func(f *source.File) bool {
			return !slices.Contains(b.Forms[0].Names, filepath.Base(f.Name))
		})
		if len(first) > 0 {
			return first, nil
		}
		return files, nil
	}
	return nil, nil
}

// certificate says whether the texts of s were written for the ruleset of a policy, all that
// carry a certificate; "" when none does.
func (s *side) certificate(hash string) string {
	out := ""
	for _, f := range s.files {
		switch render.Certified(f.Text) {
		case "":
		case hash:
			if out == "" {
				out = "current"
			}
		default:
			out = "other"
		}
	}
	return out
}

// wholeLine is the text of the line at s without blanks around it. A place of several lines
// is one line of words, and of many its beginning; of a line that is a whole text it is the
// place alone.
func wholeLine(s source.Span) string {
	if !s.HasLine() {
		return ""
	}
	const most = 400
	if text := s.Text(); strings.Contains(text, "\n") {
		text = strings.Join(strings.Fields(text), " ")
		if len(text) > most {
			text = text[:most] + "..."
		}
		return text
	}
	line := strings.TrimSpace(string(s.File.Line(s.Position().Line)))
	if text := s.Text(); len(line) > 5*most && text != "" { // all of nft -j is one line
		if len(text) > most {
			text = text[:most] + "..."
		}
		return text
	}
	return line
}

// asker is who asked for a rule: of a policy its name and line, and of a listener its name,
// service, file and line.
type asker struct {
	name, policy          string
	listen, service, file string
	line                  string
}

// askerOf is who asked for a rule of a policy.
func askerOf(r *ruleset.Rule) asker {
	out := asker{name: r.Name}
	n := len(r.Origins)
	if n == 0 {
		return out
	}
	out.policy = r.Origins[n-1].Place()
	first := r.Origins[0]
	if first.File == r.Origins[n-1].File {
		return out // ports that stand in the policy itself
	}
	out.file = first.Name()
	if first.HasLine() {
		out.line = strconv.Itoa(first.Position().Line)
	}
	words, _ := strings.CutSuffix(r.Comment, " "+first.Place())
	service, listen, ok := strings.Cut(words, " ")
	if !ok || strings.Contains(listen, " ") {
		service, listen = "", words
	}
	out.service, out.listen = service, listen
	return out
}

// sameAsker reports whether two rules are for ports that stand in one part of the policy itself.
func sameAsker(a, b *ruleset.Rule) bool {
	if a == nil || a.Name != b.Name || len(a.Origins) == 0 || len(b.Origins) == 0 {
		return false
	}
	last := a.Origins[len(a.Origins)-1]
	return last == b.Origins[len(b.Origins)-1] && a.Origins[0].File == last.File && b.Origins[0].File == last.File
}

// who says who asked for rules: of a policy as in "speech
// (portolan.hcl:5), sip and rtp of lumenvox-media-server (etc/media_server.conf:9, 24)", of
// a text its lines and what their comments say. Of many it names the first few.
func (s *side) who(rules ...*ruleset.Rule) string {
	var words []string
	said := map[string]bool{}
	say := func(key, text string) {
		if !said[key] {
			said[key] = true
			words = append(words, text)
		}
	}
	for i := 0; i < len(rules); i++ {
		r := rules[i]
		if s.isDefault(r) {
			say("default", "the default")
			continue
		}
		if s.text && s.words != nil {
			if text := s.words(r); text != "" {
				say(text, text)
				continue
			}
		}
		if s.text {
			for _, at := range r.Origins {
				say(at.Name()+"\x00"+r.Comment, strings.TrimSuffix(at.Place()+": "+r.Comment, ": "))
			}
			continue
		}
		if i > 0 && sameAsker(rules[i-1], r) { // as most neighbours
			continue
		}
		who := askerOf(r)
		if who.policy == "" {
			say("built in "+r.Name, r.Name+" (built in)")
			continue
		}
		say("policy "+who.name+who.policy, who.name+" ("+who.policy+")")
		if who.file == "" {
			continue
		}
		listens, lines := []string{who.listen}, []string{who.line}
		for i+1 < len(rules) && rules[i+1] != nil { // further listeners of the same file
			next := askerOf(rules[i+1])
			if next.name != who.name || next.policy != who.policy || next.service != who.service || next.file != who.file {
				break
			}
			i++
			listens, lines = append(listens, next.listen), append(lines, next.line)
		}
		slices.Sort(listens)
		listens, lines = slices.Compact(listens), unique(lines)
		text := report.Joined(listens, " and ")
		if who.service != "" {
			text += " of " + who.service
		}
		place := who.file
		if list := shortened(lines, 6, "lines"); list != "" {
			place += ":" + list
		}
		say("listener "+text+place, text+" ("+place+")")
	}
	const most = 5
	if len(words) > most {
		words = append(words[:most-1], fmt.Sprintf("and %d more", len(words)-most+1))
	}
	return strings.Join(words, ", ")
}

// unique are the words without repetition.
func unique(words []string) []string {
	var out []string
	for _, w := range words {
		if w != "" && !slices.Contains(out, w) {
			out = append(out, w)
		}
	}
	return out
}

// isDefault reports whether r is what happens to everything that no rule decides: no rule,
// or the line of a text that says so.
func (s *side) isDefault(r *ruleset.Rule) bool {
	if r == nil {
		return true
	}
	if !s.text || r.Effect != (ruleset.Effect{Verdict: ruleset.Drop}) {
		return false
	}
	m := r.Match
	family := m.Peers.IsAll() || m.Peers.Equal(addr.V4()) || m.Peers.Equal(addr.V6())
	return family && m.Interfaces.IsAll() && m.States == ruleset.AllStates && m.Protos.IsAll() && m.Ports.IsAll() && m.SourcePorts.IsAll() && m.Types.IsAll()
}

// deciding is the rule of each side that makes the difference for p: the ones that decide
// when the verdicts differ, else the first that does something else. Nil is the default.
func deciding(p ruleset.Packet, a, b *ruleset.Ruleset) (x, y *ruleset.Rule) {
	if a.Decide(p).Verdict() != b.Decide(p).Verdict() {
		return a.Decider(p), b.Decider(p)
	}
	ta, tb := a.Trace(p), b.Trace(p)
	for i := range max(len(ta), len(tb)) {
		x, y = nil, nil
		if i < len(ta) {
			x = ta[i]
		}
		if i < len(tb) {
			y = tb[i]
		}
		if x == nil || y == nil || x.Effect != y.Effect {
			break
		}
	}
	return x, y
}

// peerItems are the fewest words for addresses: prefixes, and ranges where a range would
// take many prefixes.
func peerItems(s addr.Set) []string {
	var out []string
	for _, r := range s.Ranges() {
		prefixes := addr.OfRanges(r).Prefixes()
		if len(prefixes) > 2 {
			out = append(out, r.String())
			continue
		}
		for _, p := range prefixes {
			out = append(out, prefixWords(p))
		}
	}
	return out
}

func prefixWords(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}

// peerWords says addresses to people. Of a long list it gives the first few and the count.
func peerWords(s addr.Set, most int) string {
	switch {
	case s.IsAll():
		return "anywhere"
	case s.Equal(addr.V4()):
		return "any IPv4 address"
	case s.Equal(addr.V6()):
		return "any IPv6 address"
	}
	items := peerItems(s)
	for _, whole := range []struct {
		set   addr.Set
		words string
	}{{addr.All(), "anywhere"}, {addr.V4(), "any IPv4 address"}, {addr.V6(), "any IPv6 address"}} {
		if !s.Minus(whole.set).IsEmpty() {
			continue
		}
		// Nearly all of it is said by what is missing, where that is shorter.
		if missing := peerItems(whole.set.Minus(s)); len(missing) < len(items) && holdsBounds(s, whole.set) {
			return whole.words + " but " + shortened(missing, most, "address ranges")
		}
	}
	items = nil
	for _, family := range []addr.Set{addr.V4(), addr.V6()} {
		if part := s.Intersect(family); !part.IsEmpty() {
			items = append(items, familyItems(part)...)
		}
	}
	return shortened(items, most, "address ranges")
}

// familyItems are the fewest words for addresses of one family, "10.20.0.0/16 (but not
// 10.20.9.0/24)" among them.
func familyItems(s addr.Set) []string {
	items, ranges := peerItems(s), s.Ranges()
	if len(ranges) < 2 {
		return items
	}
	for bits := ranges[0].First.BitLen(); bits > 0; bits-- {
		cover := netip.PrefixFrom(ranges[0].First, bits).Masked()
		if !cover.Contains(ranges[len(ranges)-1].Last) {
			continue
		}
		whole := addr.Of(cover)
		missing := peerItems(whole.Minus(s))
		if len(missing)+1 < len(items) && s.Contains(whole.Ranges()[0].First) && s.Contains(whole.Ranges()[0].Last) {
			return []string{cover.String() + " (but not " + strings.Join(missing, ", ") + ")"}
		}
		break
	}
	return items
}

// holdsBounds reports whether s has the first and the last address of each family of
// whole: then it is the whole with something cut out.
func holdsBounds(s, whole addr.Set) bool {
	for _, r := range whole.Ranges() {
		if !s.Contains(r.First) || !s.Contains(r.Last) {
			return false
		}
	}
	return true
}

// shortened joins items, the first of them and the count of the others when they are more
// than most; most 0 is all of them.
func shortened(items []string, most int, unit string) string {
	if most > 0 && len(items) > most+1 {
		return strings.Join(items[:most], ", ") + fmt.Sprintf(" and %d more %s", len(items)-most, unit)
	}
	return strings.Join(items, ", ")
}

// protoWords are the names of protocols, "tcp", "tcp and udp", "47", "any protocol".
func protoWords(set ruleset.Bytes) string {
	if set.IsAll() {
		return "any protocol"
	}
	each := set.Each()
	if len(each) > 128 {
		var missing []string
		for n := range 256 {
			if !set.Has(uint8(n)) {
				missing = append(missing, protoName(uint8(n)))
			}
		}
		return "any protocol but " + shortened(missing, 8, "protocols")
	}
	var names []string
	for _, n := range each {
		names = append(names, protoName(n))
	}
	return shortened(names, 8, "protocols")
}

func protoName(n uint8) string {
	switch n {
	case uint8(port.TCP), uint8(port.UDP):
		return port.Proto(n).String()
	case ruleset.ICMP:
		return "icmp"
	case ruleset.ICMPv6:
		return "icmpv6"
	}
	return "protocol " + strconv.Itoa(int(n))
}
