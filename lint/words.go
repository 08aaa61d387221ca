package lint

import (
	"slices"
	"strconv"
	"strings"

	"portolan/internal/diag"
	"portolan/internal/inventory"
	"portolan/internal/port"
	"portolan/internal/source"
)

// about are some ports of c, in the form in which a finding has them.
func about(c *inventory.Claim, ports port.Set) []diag.Ports {
	return diag.Join(diag.Ports{Proto: c.Proto, Set: ports})
}

// allOf are all ports of claims.
func allOf(claims ...*inventory.Claim) []diag.Ports {
	parts := make([]diag.Ports, len(claims))
	for i, c := range claims {
		parts[i] = diag.Ports{Proto: c.Proto, Set: port.Of(c.Ports)}
	}
	return diag.Join(parts...)
}

// subject names a claim: "RTP 35000-35399/udp of lumenvox-media-server".
func subject(c *inventory.Claim) string {
	return subjectAt(c, c.Ports.String())
}

// subjectAt names a claim with other numbers than its sockets.
func subjectAt(c *inventory.Claim, ports string) string {
	return subjectOf(c, ports+"/"+c.Proto.String())
}

// subjectOf names a claim with other numbers and protocols.
func subjectOf(c *inventory.Claim, ports string) string {
	s := listenerName(c) + " " + ports + " of " + c.Service
	if c.Instance != "" {
		s += " " + c.Instance
	}
	return s
}

// named is a listener in words and its place.
type named struct {
	span  source.Span
	words string
}

// subjects names claims, those that differ in nothing but the protocol once: "SIP
// 5060/tcp and udp of kamailio".
func subjects(claims []*inventory.Claim) []named {
	type key struct {
		listener
		ports port.Range
	}
	protos := map[key][]string{}
	var first []*inventory.Claim
	for _, c := range claims {
		k := key{listenerOf(c), c.Ports}
		if protos[k] == nil {
			first = append(first, c)
		}
		if p := c.Proto.String(); !slices.Contains(protos[k], p) {
			protos[k] = append(protos[k], p)
		}
	}
	out := make([]named, len(first))
	for i, c := range first {
		out[i] = named{c.Span, subjectOf(c, c.Ports.String()+"/"+and(protos[key{listenerOf(c), c.Ports}]))}
	}
	return out
}

// listenerName is the listener in the catalogue's spelling, or as an abbreviation when
// the purpose has it as one: "rtp" is RTP in "RTP and RTCP".
func listenerName(c *inventory.Claim) string {
	upper := strings.ToUpper(c.Listen)
	for word := range strings.FieldsFuncSeq(c.Purpose, func(r rune) bool { return strings.ContainsRune(" ,;/()", r) }) {
		if word == upper {
			return upper
		}
	}
	return c.Listen
}

// label is words beside the place of c, after the value of a default that stands there.
func label(c *inventory.Claim, words string) string {
	for _, b := range c.Because {
		if b.Span == c.Span && b.Default != "" {
			return b.Default + "; " + words
		}
	}
	return words
}

// nominalNote explains a claim whose sockets are not the numbers that are written, so
// that nobody looks for them in the file.
func nominalNote(c *inventory.Claim) []string {
	if c.NominalFirst == int(c.Ports.First) && c.NominalLast == int(c.Ports.Last) {
		return nil
	}
	return []string{c.Nominal() + " is what the file says, " + c.Ports.String() + " are the ports that " + c.Service + " opens"}
}

// count is "1 port" or "400 ports".
func count(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return strconv.Itoa(n) + " " + noun
}

// few is at most six ranges of s, and how many more there are.
func few(s port.Set) string {
	const most = 6
	r := s.Ranges()
	if len(r) <= most {
		return s.String()
	}
	return port.Of(r[:most]...).String() + " and " + strconv.Itoa(len(r)-most) + " more"
}

// and joins words: "a", "a and b", "a, b and c".
func and(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " and " + words[last]
}

// once is words without repetitions, in their order: profiles that were copied differ in
// nothing that is said of them.
func once(words []string) []string {
	var out []string
	for _, w := range words {
		if !slices.Contains(out, w) {
			out = append(out, w)
		}
	}
	return out
}

// or joins alternatives of advice and skips empty ones.
func or(ways ...string) string {
	var said []string
	for _, w := range ways {
		if w != "" {
			said = append(said, w)
		}
	}
	return strings.Join(said, ", or ")
}

// setTo is "set NAME to A, or to B", or "write A, or B" where the setting has no name.
func setTo(w inventory.Word, ways ...string) string {
	if w.Setting == "" {
		return "write " + or(ways...)
	}
	return "set " + w.Setting + " to " + strings.Join(ways, ", or to ")
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
