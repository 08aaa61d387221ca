package policy

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"portolan/internal/addr"
	"portolan/internal/diag"
	"portolan/internal/hclfile"
	"portolan/internal/source"
)

// zones reads the zones. Those that could not be read are not in the policy.
func (l *loader) zones(p *Policy, blocks []block) {
	z := &zoning{loader: l, policy: p, blocks: map[string]block{}, done: map[string]addr.Set{}, state: map[string]int{}, left: MaxRanges, files: map[string]addr.Set{}}
	seen := map[string]source.Span{}
	var names []Word
	for _, b := range blocks {
		name, ok := l.name(b)
		if !ok {
			l.brokenZones = true
			continue
		}
		b.what = fmt.Sprintf("zone %q", name.Text)
		l.known(b, zoneAttrs)
		if first, dup := seen[name.Text]; dup {
			l.again(name.Span, first, "join the two or rename one", "a second zone %q", name.Text)
			continue
		}
		seen[name.Text] = name.Span
		z.blocks[name.Text] = b
		l.zoneNames = append(l.zoneNames, name.Text)
		names = append(names, name)
	}
	l.zoneSets = z.done
	for _, name := range names {
		z.zone(name)
		p.Zones = append(p.Zones, Zone{name, z.done[name.Text]})
	}
}

// zoning is the reading of the zones, which may name each other in any order.
type zoning struct {
	*loader
	policy *Policy
	blocks map[string]block
	done   map[string]addr.Set
	state  map[string]int
	left   int                 // ranges that the zones may still hold; below 0 when that was said
	files  map[string]addr.Set // by name as written
	bytes  int                 // of the files that were read
}

// spend takes ranges from what is left; false when there are too many, which is said once.
func (z *zoning) spend(ranges int, at source.Span) bool {
	enough := z.left >= 0
	if z.left -= ranges; z.left < 0 && enough {
		z.left = -1
		z.wrong(at, "let zones hold prefixes instead of single addresses", "the zones together hold more than %d address ranges", MaxRanges)
	}
	return z.left >= 0
}

// How far a zone has been read.
const (
	unread = iota
	reading
	read
)

// zone reads one zone, and before it those that it names.
func (z *zoning) zone(name Word) addr.Set {
	if z.state[name.Text] == read {
		return z.done[name.Text]
	}
	z.state[name.Text] = reading
	b := z.blocks[name.Text]
	const example = `sources = ["10.1.0.0/24"]`
	_, hasSources := z.has(b, "sources")
	_, hasFiles := z.has(b, "files")
	if !hasSources && !hasFiles {
		z.wrong(name.Span, "say which addresses it holds: "+example, "zone %q has no sources", name.Text)
	}
	ranges, _ := z.sources(b, "sources", example, "say which addresses it holds: "+example)
	for _, w := range z.words(b, "files", `files = ["peers.txt"]`, "leave it out, or name a file of addresses") {
		ranges = append(ranges, z.file(w).Ranges()...)
	}
	set := addr.OfRanges(ranges...)
	gone, except := z.sources(b, "except", `except = ["10.1.2.3"]`, "leave it out")
	if left := set.Minus(addr.OfRanges(gone...)); left.IsEmpty() && !set.IsEmpty() {
		z.wrong(z.value(b, "except"), "leave out what takes all of it away", "the exceptions of zone %q leave no address", name.Text)
	} else {
		if !hasFiles { // a file may have the address tomorrow
			z.needless(except, set, b.what)
		}
		set = left
	}
	if !z.spend(len(set.Ranges()), name.Span) {
		set = addr.Set{}
	}
	z.state[name.Text], z.done[name.Text] = read, set
	return set
}

// sources are the addresses that an attribute of a zone lists, other zones among them, and
// what it lists.
func (z *zoning) sources(b block, attribute, example, ifEmpty string) ([]addr.Range, []peer) {
	items, _ := z.items(b, attribute, example, ifEmpty)
	var out []addr.Range
	var listed []peer
	seen := map[string]source.Span{}
	for i := range items {
		v := &items[i]
		name, isZone := zoneName(v)
		if !isZone {
			if w, set, ok := z.address(v, attribute, example); ok && !z.repeated(seen, w) {
				out, listed = append(out, set.Ranges()...), append(listed, peer{w, false, set})
			}
			continue
		}
		w := Word{name, z.spanOf(v)}
		if z.repeated(seen, Word{"zone." + name, w.Span}) {
			continue
		}
		switch _, known := z.blocks[name]; {
		case !known && z.brokenZones:
		case !known:
			z.wrong(w.Span, oneOf("the zones are", z.zoneNames, name), "there is no zone %q", name)
		case z.state[name] == reading:
			z.add(diag.Diagnostic{
				Span: w.Span, Message: fmt.Sprintf("zone %q holds itself", name), Help: "write the addresses of one of them",
				Related: []diag.Related{{Span: z.unquoted(&z.blocks[name].Labels[0]), Message: "the zone is here"}},
			})
		default:
			inner := Word{name, z.unquoted(&z.blocks[name].Labels[0])}
			held := z.zone(inner)
			if !z.spend(len(held.Ranges()), w.Span) {
				return nil, nil
			}
			out, listed = append(out, held.Ranges()...), append(listed, peer{w, true, held})
		}
	}
	return out, listed
}

// repeated reports whether w was there before, and says so.
func (l *loader) repeated(seen map[string]source.Span, w Word) bool {
	first, dup := seen[w.Text]
	if dup {
		l.again(w.Span, first, "remove one of them", "%q is listed twice", w.Text)
	}
	seen[w.Text] = w.Span
	return dup
}

// address is the address, prefix or range that an expression is.
func (l *loader) address(v *hclfile.Value, attribute, example string) (Word, addr.Set, bool) {
	w, ok := l.text(v, "each of "+attribute, example)
	if !ok {
		return w, addr.Set{}, false
	}
	set, err := addr.Parse(w.Text)
	if err != nil {
		help := ""
		name := strings.TrimPrefix(w.Text, "zone.")
		switch {
		case slices.Contains(l.zoneNames, name):
			help = fmt.Sprintf("a zone is named without quotes: write zone.%s", name)
		case slices.Contains([]string{"any", "all", "anywhere", "everybody", "*"}, strings.ToLower(name)) && attribute == "sources":
			help = `write ["0.0.0.0/0", "::/0"]`
		case slices.Contains([]string{"any", "all", "anywhere", "everybody", "*"}, strings.ToLower(name)):
			help = fmt.Sprintf("leave %s out for anywhere", attribute)
		case isHost(w.Text):
			help = "names of hosts are not resolved: write their addresses"
		}
		l.wrong(w.Span, help, "%s", err)
		return w, set, false
	}
	return w, set, true
}

// isHost reports whether s looks like the name of a host.
func isHost(s string) bool {
	last := s[strings.LastIndexByte(s, '.')+1:]
	return strings.Contains(s, ".") && last != "" && strings.IndexFunc(s, func(r rune) bool {
		return !('a' <= r|0x20 && r|0x20 <= 'z' || '0' <= r && r <= '9' || r == '.' || r == '-')
	}) < 0 && !('0' <= last[0] && last[0] <= '9')
}

// file reads a file of addresses: one address, prefix or range on a line, and comments
// behind '#' or ';'.
func (z *zoning) file(w Word) addr.Set {
	if set, known := z.files[w.Text]; known {
		return set
	}
	z.files[w.Text] = addr.Set{}
	switch {
	case z.left < 0 || z.bytes > maxFilesSize:
		return addr.Set{}
	case strings.ContainsFunc(w.Text, func(r rune) bool { return !unicode.IsPrint(r) }):
		z.wrong(w.Span, "use printable characters", "this cannot be the name of a file")
		return addr.Set{}
	case z.open == nil:
		z.wrong(w.Span, "write the addresses into sources", "files of addresses are not read here")
		return addr.Set{}
	case len(z.files) > MaxFiles:
		if len(z.files) == MaxFiles+1 {
			z.wrong(w.Span, "join some of them", "more than %d files of addresses in one policy", MaxFiles)
		}
		return addr.Set{}
	}
	f, err := z.open(w.Text)
	if err != nil {
		z.wrong(w.Span, "name a file that is there; names are relative to the folder of the policy", "%s", err)
		return addr.Set{}
	}
	z.policy.Files = append(z.policy.Files, f)
	if len(f.Text) > MaxFileSize {
		z.wrong(w.Span, "is this the right file?", "%s is larger than %d MiB, the most that a file of addresses may have", f.Name, MaxFileSize>>20)
		return addr.Set{}
	}
	before := z.bytes
	if z.bytes += len(f.Text); z.bytes > maxFilesSize {
		if before <= maxFilesSize {
			z.wrong(w.Span, "is this the right file?", "the files of addresses together are larger than %d MiB", maxFilesSize>>20)
		}
		return addr.Set{}
	}
	if bytes.IndexByte(f.Text, 0) >= 0 {
		z.wrong(w.Span, "name a file with an address, a prefix or a range on each line", "%s is not text", f.Name)
		return addr.Set{}
	}
	var out []addr.Range
	wrong := 0
	for start := 0; start < len(f.Text) && wrong < maxWrongLines; {
		end := len(f.Text)
		if i := bytes.IndexByte(f.Text[start:], '\n'); i >= 0 {
			end = start + i
		}
		line := f.Text[start:end]
		if i := bytes.IndexAny(line, "#;"); i >= 0 {
			line = line[:i]
		}
		if entry := bytes.TrimSpace(line); len(entry) > 0 {
			at := start + bytes.Index(line, entry)
			span := f.Span(at, at+len(entry))
			set, err := parseEntry(entry)
			switch {
			case err != nil:
				wrong++
				z.wrong(span, "one address, prefix or range stands on each line; a comment begins with #", "%s", err)
			case len(out) >= MaxRanges:
				z.wrong(span, "let the file hold prefixes instead of single addresses", "%s holds more than %d address ranges", f.Name, MaxRanges)
				return addr.Set{}
			}
			out = append(out, set.Ranges()...)
		}
		start = end + 1
	}
	if len(out) == 0 && wrong == 0 {
		z.wrong(w.Span, "leave the file out, or write addresses into it", "%s holds no address", f.Name)
	}
	z.files[w.Text] = addr.OfRanges(out...)
	return z.files[w.Text]
}

// maxWrongLines is how many lines of one file are complained about: who named the wrong file
// sees it by the first.
const maxWrongLines = 3

// parseEntry reads one line of a file of addresses. The longest range has 79 bytes; of what
// is longer a finding shows the beginning.
func parseEntry(entry []byte) (addr.Set, error) {
	const most = 100
	if len(entry) > most {
		return addr.Set{}, fmt.Errorf("%q... is longer than an address", entry[:40])
	}
	return addr.Parse(string(entry))
}

// A peer is one word of a list of zones and addresses.
type peer struct {
	Word
	zone bool
	set  addr.Set
}

// wordsOf are the words of peers; nil when there are none.
func wordsOf(peers []peer) []Word {
	var out []Word
	for _, p := range peers {
		out = append(out, p.Word)
	}
	return out
}

// peers are the zones and addresses that an attribute of a rule lists; none when it is not
// written. It is false when there is too much of them to go on.
func (l *loader) peers(b block, attribute string, budget *int) ([]peer, addr.Set, bool) {
	if _, has := l.has(b, attribute); !has {
		return nil, addr.Set{}, true
	}
	example := attribute + " = [zone.office]"
	if len(l.zoneNames) > 0 {
		example = attribute + " = [zone." + l.zoneNames[0] + "]"
	}
	ifEmpty := "leave it out for anywhere"
	if attribute == "except" {
		ifEmpty = "leave it out"
	}
	items, _ := l.items(b, attribute, example, ifEmpty)
	listed := make([]peer, 0, len(items))
	seen := make(map[string]source.Span, len(items))
	for i := range items {
		v := &items[i]
		var w Word
		var set addr.Set
		name, isZone := zoneName(v)
		if isZone {
			w = Word{name, l.spanOf(v)}
			if len(items) > 1 {
				key := "zone." + name
				if first, dup := seen[key]; dup {
					l.again(w.Span, first, "remove one of them", "zone %q is listed twice", name)
					continue
				}
				seen[key] = w.Span
			}
			var known bool
			if set, known = l.zoneSets[name]; !known {
				if !l.brokenZones && !l.full() {
					l.wrong(w.Span, oneOf("the zones are", l.zoneNames, name), "there is no zone %q", name)
				}
				continue
			}
		} else if v.Kind == hclfile.Name {
			l.wrong(l.spanOf(v), "name a zone, as in "+example+`, or write addresses in quotes, "10.1.0.0/24"`, "each of %s is a zone or an address", attribute)
			continue
		} else {
			var ok bool
			if w, set, ok = l.address(v, attribute, example); !ok || l.repeated(seen, w) {
				continue
			}
		}
		listed = append(listed, peer{w, isZone, set})
		for range set.Each() {
			*budget--
		}
		if *budget < 0 {
			l.wrong(w.Span, "let zones hold prefixes instead of single addresses", "the lists of all allows, denies and connects together hold more than %d address ranges", MaxRanges)
			return nil, addr.Set{}, false
		}
	}
	if len(listed) == 1 { // most name one zone, which many others name as well
		return listed, listed[0].set, true
	}
	var ranges []addr.Range
	for _, p := range listed {
		ranges = slices.AppendSeq(ranges, p.set.Each())
	}
	return listed, addr.OfRanges(ranges...), true
}
