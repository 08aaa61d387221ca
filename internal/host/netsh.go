package host

import (
	"bytes"
	"fmt"
	"path"
	"strconv"
	"strings"

	"portolan/internal/diag"
	"portolan/internal/port"
	"portolan/internal/source"
)

// What netsh prints is translated, and comes in whatever code page the console has.
// Only these shapes are the same everywhere, so nothing else is read:
//
//	Protocol tcp Dynamic Port Range         a line with the word tcp or udp
//	---------------------------------       one run of dashes
//	Start Port      : 49152                 two lines that end in a colon and a number:
//	Number of Ports : 16384                 the first port, and how many there are
//
//	Protocol tcp Port Exclusion Ranges      a line with the word tcp or udp
//	Start Port    End Port
//	----------    --------                  two runs of dashes
//	      5357        5357                  rows of first and last port, with a star
//	     50000       50059     *            for those that an administrator made
//
// (https://learn.microsoft.com/troubleshoot/windows-server/networking/default-dynamic-port-range-tcpip-chang,
// https://github.com/docker/for-win/issues/3171.) The family stands in no output: it is
// taken from a command line in the text, then from the file's name.

// command is what a command line in a transcript asks for.
type command struct {
	asks   bool // for port ranges
	proto  port.Proto
	family Family
	span   source.Span
}

// block is the part of the text under a line of dashes.
type block uint8

const (
	outside block = iota
	dynamic
	excluded
)

// netshReader reads line by line; see parseNetsh.
type netshReader struct {
	findings
	out Capture

	name     command // what the file's name says
	asked    command // the last command line
	answered bool    // a block followed it
	header   port.Proto
	in       block
	proto    port.Proto // of the block
	known    bool       // proto is known
	numbers  []number   // of a dynamic block, at most three
	over     bool       // there are more than maxRanges
}

// number is a number at the end of a line. It is -1 when it is above every port.
type number struct {
	value int
	span  source.Span
}

// parseNetsh reads every block in f. A block whose protocol nothing tells is reported
// and left out.
func parseNetsh(f *source.File) (Capture, diag.List) {
	r := netshReader{findings: findings{file: f}, name: commandOf(strings.ToLower(path.Base(f.Name)))}
	for start, end := range lines(f.Text) {
		r.line(f.Text[start:end], f.Span(start, end))
	}
	r.finish()
	r.expectAnswer()
	return r.out, r.all()
}

func (r *netshReader) line(text []byte, span source.Span) {
	switch dashes := rule(text); {
	case dashes == 1:
		r.begin(dynamic)
		return
	case dashes == 2:
		r.begin(excluded)
		return
	}
	if r.in == excluded && text[0] >= '0' && text[0] <= '9' {
		r.row(text, span)
		return
	}
	if n, ok := lastNumber(text, span); ok && r.in == dynamic {
		if len(r.numbers) < 3 { // three are too many already
			r.numbers = append(r.numbers, n)
		}
		return
	}
	r.finish()
	lower := strings.ToLower(string(text[:min(len(text), maxHeader)]))
	if strings.Contains(lower, "netsh") {
		r.expectAnswer()
		r.asked, r.answered, r.header = commandOf(lower), false, 0
		r.asked.span = span
	} else if p := protoWord(lower); p != 0 {
		r.header = p
	}
}

// maxHeader is how much of a line is searched for words, in bytes. A console line is
// far shorter.
const maxHeader = 1024

// begin starts a block at a line of dashes.
func (r *netshReader) begin(b block) {
	r.finish()
	r.in, r.numbers = b, nil
	r.proto, r.known = firstProto(r.header, r.asked.proto, r.name.proto)
	r.header = 0
	if b == excluded && r.known { // even without a row: nothing is excluded
		r.out.Netsh, r.answered = true, true
	}
}

// finish ends the block. A line of dashes over anything but numbers belongs to the
// output of another command.
func (r *netshReader) finish() {
	in, numbers := r.in, r.numbers
	r.in, r.numbers = outside, nil
	if in != dynamic || len(numbers) == 0 || len(numbers) != 2 && !r.known {
		return
	}
	r.out.Netsh, r.answered = true, true
	span := source.Span{File: r.file, Start: numbers[0].span.Start, End: numbers[len(numbers)-1].span.End}
	if len(numbers) != 2 {
		r.add(diag.Warning, span, captureAgain,
			"a dynamic port range is exactly two numbers, the first port and how many there are")
		return
	}
	if !r.known {
		r.untold(span)
		return
	}
	ports, ok := rangeOf(numbers[0], numbers[1])
	if !ok {
		r.add(diag.Warning, span, captureAgain,
			"%s ports from port %s on are not a range within 1 to %d", numbers[1], numbers[0], port.Max)
		return
	}
	if r.full(span) {
		return
	}
	r.out.Dynamic = append(r.out.Dynamic, DynamicRange{
		Proto: r.proto, Family: r.family(), Ports: ports, Span: span,
	})
}

const captureAgain = "capture the output of the command again"

// untold reports ports whose protocol is not known.
func (r *netshReader) untold(span source.Span) {
	r.out.Netsh, r.answered = true, true
	r.add(diag.Warning, span, "put tcp or udp into the name of the file",
		"nothing says whether these ports are of tcp or of udp, so they are ignored")
}

// row reads one exclusion. Rows of unknown protocol are reported once a block.
func (r *netshReader) row(text []byte, span source.Span) {
	fields := strings.Fields(string(text[:min(len(text), maxHeader)]))
	starred := len(fields) == 3 && fields[2] == "*"
	var first, end uint64
	var err error
	if len(fields) == 2 || starred {
		if first, err = strconv.ParseUint(fields[0], 10, 16); err == nil {
			end, err = strconv.ParseUint(fields[1], 10, 16)
		}
	}
	valid := err == nil && first > 0 && first <= end
	switch {
	case r.known && valid && r.full(span):
	case r.known && valid:
		r.out.Excluded = append(r.out.Excluded, ExcludedRange{
			Proto: r.proto, Family: r.family(), Administered: starred, Span: span,
			Ports: port.Range{First: uint16(first), Last: uint16(end)},
		})
	case r.known:
		r.add(diag.Warning, span, captureAgain, "%s is not a row of excluded ports such as 50000 50059 *, so it is ignored", quote(span.Text()))
	case valid:
		r.untold(span)
		r.in = outside
	}
}

// maxRanges bounds the ranges read from a file. Real hosts have some hundred.
const maxRanges = 10_000

// full reports that the file has more ranges than are read, once.
func (r *netshReader) full(span source.Span) bool {
	if len(r.out.Dynamic)+len(r.out.Excluded) < maxRanges {
		return false
	}
	if !r.over {
		r.over = true
		r.add(diag.Warning, span, captureAgain, "only the first %d ranges of a file are read", maxRanges)
	}
	return true
}

// expectAnswer reports a command line without output.
func (r *netshReader) expectAnswer() {
	if r.asked.asks && !r.answered {
		r.add(diag.Error, r.asked.span, "run the command again in a prompt with administrator rights and look at what it says",
			"the command has no output, so it failed")
		r.out.Netsh = true
	}
}

func (r *netshReader) family() Family {
	if r.asked.family != 0 {
		return r.asked.family
	}
	return r.name.family
}

// firstProto is the first of the given protocols that is one.
func firstProto(from ...port.Proto) (port.Proto, bool) {
	for _, p := range from {
		if p != 0 {
			return p, true
		}
	}
	return 0, false
}

// commandOf reads a command line or a file name in lower case. Words may be shortened
// as netsh allows ("sh dyn tcp").
func commandOf(lower string) command {
	c := command{proto: protoWord(lower)}
	v4, v6 := strings.Contains(lower, "ipv4"), strings.Contains(lower, "ipv6")
	switch {
	case v4 && !v6:
		c.family = V4
	case v6 && !v4:
		c.family = V6
	}
	for word := range strings.FieldsFuncSeq(lower, func(r rune) bool { return r < 'a' || r > 'z' }) {
		c.asks = c.asks || strings.HasPrefix(word, "dyn") || strings.HasPrefix(word, "excl")
	}
	return c
}

// protoWord is the protocol whose name stands alone in s, in lower case; 0 when there
// is none or when there are both. Bytes that are not ASCII end a word, because some
// languages put no blanks between words. Digits and "_" end one too, for file names.
func protoWord(s string) port.Proto {
	var found port.Proto
	for word := range strings.FieldsFuncSeq(s, func(r rune) bool { return r < 'a' || r > 'z' }) {
		if p, err := port.ParseProto(word); err == nil {
			if found != 0 && found != p {
				return 0
			}
			found = p
		}
	}
	return found
}

// rule is how many runs of at least three dashes make up the line; 0 when it has
// anything else.
func rule(text []byte) int {
	if text[0] != '-' {
		return 0
	}
	runs := 0
	for run := range bytes.FieldsSeq(text) {
		if len(run) < 3 || len(bytes.Trim(run, "-")) > 0 {
			return 0
		}
		runs++
	}
	return runs
}

// lastNumber is the number behind the last colon of a line that ends in one. Chinese
// and Japanese text can have a full-width colon.
func lastNumber(text []byte, span source.Span) (number, bool) {
	after := bytes.LastIndexByte(text, ':') + 1
	if i := bytes.LastIndex(text, []byte(wideColon)); i >= 0 {
		after = max(after, i+len(wideColon))
	}
	digits := string(bytes.TrimSpace(text[after:]))
	if after == 0 || digits == "" || strings.Trim(digits, "0123456789") != "" {
		return number{}, false
	}
	n, err := strconv.ParseUint(digits, 10, 16)
	if err != nil {
		return number{-1, span}, true
	}
	return number{int(n), span}, true
}

const wideColon = "\uff1a"

// String is the number, or words for one that is no port.
func (n number) String() string {
	if n.value < 0 {
		return fmt.Sprintf("more than %d", port.Max)
	}
	return strconv.Itoa(n.value)
}

// rangeOf is count ports from first on; false when they are not all within 1 to port.Max.
func rangeOf(first, count number) (port.Range, bool) {
	if first.value < 1 || count.value < 1 || first.value+count.value-1 > port.Max {
		return port.Range{}, false
	}
	return port.Range{First: uint16(first.value), Last: uint16(first.value + count.value - 1)}, true
}
