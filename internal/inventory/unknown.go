package inventory

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"portolan/internal/conf"
	"portolan/internal/diag"
	"portolan/internal/hclfile"
)

// miss is a path that selected nothing.
type miss struct {
	from *conf.Node
	path string
}

// maxCompared bounds the names that are compared for one instance.
const maxCompared = 200_000

// unknownSettings reports names in a file that are one slip away from a name that the
// description asks for in the same section and that is not there. The full lists of the
// services' settings are not known, so a name must look like nothing but a slip, see isSlip,
// and stand in no description of the file.
func (e *evaluator) unknownSettings() {
	left := maxCompared
	for _, m := range e.missed {
		p, err := e.tools.paths.get(m.path, conf.ParsePath)
		if err != nil {
			continue
		}
		absent, ok := p.Absent(m.from)
		if !ok {
			continue
		}
		for _, in := range absent.In {
			for _, c := range in.Children {
				if left--; left < 0 {
					return
				}
				e.compare(absent, in, c)
			}
		}
	}
}

// compare reports c when its name is a slip of the absent one.
func (e *evaluator) compare(a conf.Absence, in, c *conf.Node) {
	name, at := c.Name, c.NameSpan
	if a.Key != "" {
		name = ""
		for _, k := range c.Children {
			if strings.EqualFold(c.Name, a.Of) && strings.EqualFold(k.Name, a.Key) {
				name, at = k.Value, k.ValueSpan
			}
		}
	}
	if !isSlip(a.Name, name, e.isWord) || e.known(name) {
		return
	}
	right := strings.TrimPrefix(a.Name, "@")
	what, why := "setting", "there is no "+right
	if c.Kind == conf.Section && a.Key == "" {
		what, why = "section", "there is no section "+right
	}
	if in.Name != "" {
		why += fmt.Sprintf(" in %q", in.Name)
	}
	d := diag.Diagnostic{Rule: "unknown-setting", Severity: diag.Warning, Label: "did you mean " + right + "?",
		Message: fmt.Sprintf("%s looks like %s misspelled, and %s", strings.TrimPrefix(name, "@"), right, why),
		Notes:   []string{fmt.Sprintf("%s reads the %s %s here; most programs say nothing about a name that they do not know, and take the default", e.service.ID, what, right)},
		Help:    "write " + right}
	if at.Text() == name {
		d.Fixes = []diag.Fix{{Title: "rename it to " + right, Safety: diag.Unsafe, Edits: []diag.Edit{{Span: at, New: right}}}}
	}
	e.say(at, d)
}

// known reports whether a name stands anywhere in one of the descriptions of the file: in a
// path, a test or a remark. Then it is a name that the service has.
func (e *evaluator) known(name string) bool {
	return slices.ContainsFunc(e.descriptions(), func(text []byte) bool {
		return hasWord(text, strings.ToLower(strings.TrimPrefix(name, "@")), partOfName)
	})
}

// isWord reports whether a part of a name is a word and no slip: it stands in a
// description, or in another name of the file.
func (e *evaluator) isWord(part string) bool {
	if e.words == nil {
		e.words = map[string]int{}
		e.countWords(e.doc.Root, map[string]bool{})
	}
	return e.words[part] > 1 || slices.ContainsFunc(e.descriptions(), func(text []byte) bool { return hasWord(text, part, letterOrDigit) })
}

// descriptions are the texts of all descriptions of the file, in lower case.
func (e *evaluator) descriptions() [][]byte {
	if e.lower == nil {
		services := append(slices.Clone(e.readers), e.service)
		for i, s := range services {
			if !slices.Contains(services[:i], s) {
				e.lower = append(e.lower, bytes.ToLower(s.Source.Text))
			}
		}
	}
	return e.lower
}

// countWords counts in how many names below n each word stands; seen are those names.
func (e *evaluator) countWords(n *conf.Node, seen map[string]bool) {
	for _, c := range n.Children {
		if name := strings.ToLower(c.Name); !seen[name] {
			seen[name] = true
			parts := parts(c.Name)
			slices.Sort(parts)
			for _, w := range slices.Compact(parts) {
				e.words[w]++
			}
		}
		e.countWords(c, seen)
	}
}

// hasWord reports whether a word stands in a text by itself: within says what would make
// it a part of another.
func hasWord(text []byte, word string, within func(byte) bool) bool {
	if word == "" {
		return false
	}
	for at := 0; ; {
		i := bytes.Index(text[at:], []byte(word))
		if i < 0 {
			return false
		}
		start, end := at+i, at+i+len(word)
		if (start == 0 || !within(text[start-1])) && (end == len(text) || !within(text[end])) {
			return true
		}
		at = start + 1
	}
}

// partOfName reports whether a name goes on with a byte.
func partOfName(c byte) bool { return letterOrDigit(c) || c == '_' || c == '-' || c == '.' }

// shortestName is the shortest name that can have a slip: shorter ones are near to too many
// others.
const shortestName = 5

// fieldWords are words of the field that are near to each other, so that one of them is no
// slip of another.
var fieldWords = [...]string{
	"rtp", "rtcp", "rtsp", "rtmp", "srtp", "srtcp", "mrcp", "sip", "http", "https", "tls", "dtls", "ssl", "tcp", "udp", "turn", "stun",
	"port", "sport", "dport", "rport", "lport", "host", "ip", "in", "on", "no", "min", "max", "mode", "node", "time", "type", "name",
	"list", "listen", "use", "user", "send", "end", "log", "low", "map", "path", "file", "site", "size", "set", "get", "key", "alt", "all",
}

// isSlip reports whether wrong is what somebody may have typed who meant right: one letter
// added, left out, replaced or swapped with its neighbour, or other separators between the
// words. Slips of the first letter are seldom, and a letter in front is how people switch a
// setting off (xport). It is none where another number, a plural or another word makes the
// difference; isWord tells words beside those of the field.
func isSlip(right, wrong string, isWord func(string) bool) bool {
	right, wrong = strings.TrimPrefix(right, "@"), strings.TrimPrefix(wrong, "@")
	if len(right) < shortestName || wrong == "" || right[0]|0x20 != wrong[0]|0x20 { // most names
		return false
	}
	r, w := strings.ToLower(right), strings.ToLower(wrong)
	if r == w || r[0] != w[0] || digitsOf(r) != digitsOf(w) {
		return false
	}
	a, b := parts(right), parts(wrong)
	if strings.Join(a, "") == strings.Join(b, "") {
		return true // other separators
	}
	if len(a) != len(b) || hclfile.Slips(r, w) > 1 {
		return false
	}
	for i := range a {
		if a[i] != b[i] && (sibling(a[i], b[i]) || isWord(b[i]) || otherWord(a[i], b[i])) {
			return false
		}
	}
	return true
}

// sibling reports whether two words are one in singular and plural.
func sibling(a, b string) bool { return a+"s" == b || b+"s" == a || a+"es" == b || b+"es" == a }

// otherWord reports whether a word of the field is in b and not in a.
func otherWord(a, b string) bool {
	return slices.ContainsFunc(fieldWords[:], func(w string) bool {
		return b == w || len(w) > 2 && strings.Contains(b, w) && !strings.Contains(a, w)
	})
}

// parts are the words of a name in lower case: "rtp", "min" and "port" of rtp-min-port,
// rtp_min_port, rtpMinPort and RTPMinPort.
func parts(name string) []string {
	var out []string
	start := 0
	cut := func(end int) {
		if end > start {
			out = append(out, strings.ToLower(name[start:end]))
		}
		start = end
	}
	upper := func(i int) bool { return i >= 0 && i < len(name) && 'A' <= name[i] && name[i] <= 'Z' }
	for i := range len(name) {
		switch {
		case !letterOrDigit(name[i]) && name[i] < 0x80:
			cut(i)
			start = i + 1
		case upper(i) && i > 0 && letterOrDigit(name[i-1]) && (!upper(i-1) || i+1 < len(name) && letterOrDigit(name[i+1]) && !upper(i+1)):
			cut(i)
		}
	}
	cut(len(name))
	return out
}

// digitsOf are the digits of a name.
func digitsOf(name string) string {
	return strings.Map(func(r rune) rune {
		if '0' <= r && r <= '9' {
			return r
		}
		return -1
	}, name)
}
