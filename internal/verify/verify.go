// Package verify reads a firewall's language back into something that decides packets.
//
// It is the second witness of what package render writes, and of what package apply puts into
// the kernel, and shares nothing with either: of the kernel it reads the bytes of its answer
// (package netlink). It reads exactly what Portolan writes: a line it does not know is an
// error, because a line that is skipped could be the one that opens a port.
package verify

import (
	"bytes"
	"fmt"
	"iter"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"portolan/internal/addr"
	"portolan/internal/port"
	"portolan/internal/ruleset"
	"portolan/internal/source"
)

// maxRules bounds the rules that a text may unfold to, and with it time and memory. The
// largest rulesets that were measured have some ten thousand.
const maxRules = 1 << 18

// A line is one line of a text, without blanks around it, or a place that its file is the name
// of.
type line struct {
	file       *source.File
	number     int // from 1; 0 for a place that is no line
	start, end int // bytes of file.Text
	text       string
}

// errorf says what is wrong with l and shows it, or the beginning of it.
func (l line) errorf(format string, args ...any) error {
	wrong := fmt.Sprintf(format, args...)
	if l.number == 0 {
		if l.text != "" {
			wrong = fmt.Sprintf("%s: %q", wrong[:min(len(wrong), 300)], l.text[:min(len(l.text), 200)])
		}
		return fmt.Errorf("%s: %s", l.file.Name, wrong)
	}
	return fmt.Errorf("%s:%d: %s: %q", l.file.Name, l.number, wrong[:min(len(wrong), 300)], l.text[:min(len(l.text), 200)])
}

// plain is an error for a line that loaders could cut elsewhere than we do: PowerShell
// ends a line at a carriage return too, and none of them agrees on what is not ASCII.
func (l line) plain() error {
	if strings.ContainsFunc(l.text, func(c rune) bool { return (c < ' ' || c > '~') && c != '\t' }) {
		return l.errorf("a character that is not printable ASCII")
	}
	return nil
}

// whole is l with the blanks around it, as loaders get it.
func (l line) whole() string {
	text := l.file.Text
	begin := bytes.LastIndexByte(text[:l.start], '\n') + 1
	end := len(text)
	if i := bytes.IndexByte(text[l.end:], '\n'); i >= 0 {
		end = l.end + i
	}
	return string(text[begin:end])
}

// span is the place of l.
func (l line) span() source.Span { return l.file.Span(l.start, l.end) }

// lines are the lines of f. Blanks and a carriage return around a line are cut off.
func lines(f *source.File) iter.Seq[line] {
	return func(yield func(line) bool) {
		text := string(f.Text)
		number := 0
		for start := 0; start < len(text); {
			end := strings.IndexByte(text[start:], '\n')
			if end < 0 {
				end = len(text)
			} else {
				end += start
			}
			number++
			trimmed := strings.Trim(text[start:end], " \t\r")
			at := start + strings.Index(text[start:end], trimmed)
			if !yield(line{f, number, at, at + len(trimmed), trimmed}) {
				return
			}
			start = end + 1
		}
	}
}

// unfinished says that f ends too early.
func unfinished(f *source.File, what string) error {
	return fmt.Errorf("%s: the text ends before %s", f.Name, what)
}

// rule is a rule that was read from l.
func (l line) rule(m ruleset.Match, e ruleset.Effect, comment string) ruleset.Rule {
	return ruleset.Rule{Match: m, Effect: e, Name: comment, Comment: comment, Origins: []source.Span{l.span()}}
}

// empty reports whether m matches nothing, as far as that is quickly seen.
func empty(m *ruleset.Match) bool {
	return m.States == 0 || m.Peers.IsEmpty() || m.Ports.IsEmpty() || m.Protos == ruleset.Bytes{} || m.Types == ruleset.Bytes{}
}

// only is a match of one protocol.
func only(proto uint8) ruleset.Bytes { return ruleset.BytesOf(proto) }

// parseNumber reads a decimal number from 0 to max without a sign or leading zeros.
func parseNumber(s string, max int) (int, bool) {
	if s == "" || len(s) > 10 || s[0] == '0' && s != "0" {
		return 0, false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
	}
	n, err := strconv.Atoi(s)
	return n, err == nil && n <= max
}

// parsePorts reads "5060" or, with the given dash, "35000-35399".
func parsePorts(s, dash string) (port.Range, bool) {
	lo, hi, isRange := strings.Cut(s, dash)
	first, ok := parseNumber(lo, port.Max)
	if !ok {
		return port.Range{}, false
	}
	if !isRange {
		return port.Single(uint16(first)), true
	}
	last, ok := parseNumber(hi, port.Max)
	return port.Range{First: uint16(first), Last: uint16(last)}, ok && first < last
}

// parseSource reads an address, a prefix or a range of the given family, 4 or 6, or of
// any for 0.
func parseSource(s string, family int) (addr.Range, bool) {
	var r addr.Range
	switch {
	case strings.Contains(s, "/"):
		p, err := netip.ParsePrefix(s)
		if err != nil || p.Masked() != p {
			return r, false
		}
		r = addr.Of(p).Ranges()[0]
	case strings.Contains(s, "-"):
		lo, hi, _ := strings.Cut(s, "-")
		first, err1 := netip.ParseAddr(lo)
		last, err2 := netip.ParseAddr(hi)
		if err1 != nil || err2 != nil || first.BitLen() != last.BitLen() || !first.Less(last) {
			return r, false
		}
		r = addr.Range{First: first, Last: last}
	default:
		a, err := netip.ParseAddr(s)
		if err != nil {
			return r, false
		}
		r = addr.Range{First: a, Last: a}
	}
	ok := r.First.Zone() == "" && r.Last.Zone() == "" && !r.First.Is4In6() && !r.Last.Is4In6()
	return r, ok && (family == 0 || r.First.Is4() == (family == 4))
}

// parseRate reads "10/minute", with the given names of the periods of the ruleset.
func parseRate(s string, periods [4]string) (ruleset.Rate, bool) {
	count, period, _ := strings.Cut(s, "/")
	n, ok := parseNumber(count, 1_000_000)
	i := slices.Index(periods[:], period)
	if !ok || n == 0 || i < 0 {
		return ruleset.Rate{}, false
	}
	return ruleset.Rate{Count: n, Period: ruleset.Periods[i]}, true
}

// parseLimitName reads the name of a limit out of the name of an object: the name, then
// the rate and the burst, which must be the ones given.
func parseLimitName(object, sep string, r ruleset.Rate, burst int) (string, bool) {
	suffix := sep + strconv.Itoa(r.Count) + r.Period[:1] + sep + strconv.Itoa(burst)
	name, ok := strings.CutSuffix(object, suffix)
	return name, ok && name != "" && len(name) <= 15 && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}

// parseState is the state of a name of nftables or, in upper case, of iptables.
func parseState(name string) (ruleset.State, bool) {
	for _, s := range ruleset.AllStates.Each() {
		if s.String() == name {
			return s, true
		}
	}
	return 0, false
}

// unfamiliar says that the program of a script is not the one we know.
func unfamiliar(f *source.File, sum string) error {
	return fmt.Errorf("%s: the code around the data block is not the one this version writes (sha256 %s): write the script again", f.Name, sum)
}
