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
	text bool
	// files are the texts, for their certificates.
	files []*source.File
}

// maxFolder bounds the files of a folder that are looked at for a firewall.
const maxFolder = 1000

// side reads one side of a comparison: files of one firewall joined by commas, a folder
// with them, or a policy.
func (a *app) side(ctx context.Context, in *input, inventoryOf func() (*found, error), name, backend string) (*side, error) {
	if strings.EqualFold(filepath.Ext(name), ".hcl") {
		f, err := inventoryOf()
		if err != nil {
			return nil, err
		}
		own := *in
		own.policy = name
		rules, words, err := a.compiled(&own, f)
		if err != nil {
			return nil, err
		}
		return &side{name: words, rules: rules}, ctx.Err()
	}
	var files []*source.File
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		if files, err = folderFiles(name, backend); err != nil {
			return nil, err
		}
	} else {
		parts := []string{name}
		if err != nil { // a file of that whole name goes before
			parts = strings.Split(name, ",")
		}
		for _, part := range parts {
			f, err := source.ReadFile(part)
			if err != nil {
				return nil, plainError(err)
			}
			files = append(files, f)
		}
	}
	return readSide(name, backend, files)
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
	return &side{name: name, rules: rules, text: true, files: files}, nil
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
	first := []string{"portolan.nft", "rules.v4", "rules.v6", "portolan.ps1"}
	for _, files := range byBackend {
		plain := slices.DeleteFunc(slices.Clone(files), func(f *source.File) bool { return !slices.Contains(first, filepath.Base(f.Name)) })
		if len(plain) > 0 {
			return plain, nil
		}
		return files, nil
	}
	return nil, nil
}

// certificate says whether the texts of s were written for the ruleset of a policy; "" when
// they carry no certificate.
func (s *side) certificate(hash string) string {
	for _, f := range s.files {
		switch render.Certified(f.Text) {
		case "":
		case hash:
			return "current"
		default:
			return "other"
		}
	}
	return ""
}

// placeOf is "file:line", or "file" for a file as a whole, and "" for no place.
func placeOf(s source.Span) string {
	if !s.HasLine() {
		return s.Name()
	}
	return s.Name() + ":" + strconv.Itoa(s.Position().Line)
}

// wholeLine is the text of the line at s without blanks around it.
func wholeLine(s source.Span) string {
	if !s.HasLine() {
		return ""
	}
	return strings.TrimSpace(string(s.File.Line(s.Position().Line)))
}

// who says who asked for a rule: of a policy its name and line, and the listener and the
// line of the configuration; of a text the line, and what its comment says. A nil rule is
// the default.
func (s *side) who(r *ruleset.Rule) string {
	if r == nil {
		return "the default"
	}
	if s.text {
		place := ""
		if len(r.Origins) > 0 {
			place = placeOf(r.Origins[0])
		}
		switch {
		case r.Comment == "" || place == "":
			return place + r.Comment
		}
		return place + ": " + r.Comment
	}
	policy, rest := asked(r)
	if policy == "" {
		return r.Name + " (built in)"
	}
	return r.Name + " (" + policy + ")" + rest
}

// asked is the line of the policy that asked for a rule, and then ", rtp of
// lumenvox-media-server (etc/lumenvox/media_server.conf:24)" when it is for a listener.
func asked(r *ruleset.Rule) (policy, listener string) {
	n := len(r.Origins)
	if n == 0 {
		return "", ""
	}
	policy = placeOf(r.Origins[n-1])
	claim := placeOf(r.Origins[0])
	if r.Origins[0].File == r.Origins[n-1].File {
		return placeOf(r.Origins[n-1]), ""
	}
	words, ok := strings.CutSuffix(r.Comment, " "+claim)
	if !ok {
		return policy, ", " + r.Comment
	}
	if service, listen, ok := strings.Cut(words, " "); ok && !strings.Contains(listen, " ") {
		words = listen + " of " + service
	}
	return policy, ", " + words + " (" + claim + ")"
}

// whoAll joins who asked for several rules: each once, and the first few only.
func (s *side) whoAll(rules []*ruleset.Rule) string {
	var words []string
	named := map[string]bool{}
	for _, r := range rules {
		w := s.who(r)
		if r != nil && !s.text { // one allow, several listeners
			if policy, listener := asked(r); named[r.Name+"\x00"+policy] && listener != "" {
				w = strings.TrimPrefix(listener, ", ")
			} else {
				named[r.Name+"\x00"+policy] = true
			}
		}
		if !slices.Contains(words, w) {
			words = append(words, w)
		}
	}
	const most = 4
	if len(words) > most {
		words = append(words[:most-1], fmt.Sprintf("and %d more", len(words)-most+1))
	}
	return strings.Join(words, ", ")
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
	return shortened(items, most, "address ranges")
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
