package conf

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"portolan/internal/source"
)

// XML 1.0, https://www.w3.org/TR/xml/, as the services read it: without validation, and
// without entities beyond the five that XML defines.
//
//   - An element is a section. Its name is as written, with a prefix if there is one;
//     its value is its own text without blanks around it, character data sections
//     included. The span of the value reaches from the first to the last of that text,
//     whatever stands between.
//   - An attribute is a setting named "@id". Attributes stand in front of the elements.
//   - The document element is a child of the root.
//
// Comments, processing instructions and the document type are no nodes. The declared
// encoding changes nothing: names and ports are ASCII in all that are in use, and other
// bytes are kept as they came.
//
// Parsers differ on what they forgive, and some give up on the whole file where others
// read on. So there are two here. A scanner of our own knows the places, reads on behind
// every error and reports it. encoding/xml is strict; what it alone refuses is a finding.

// Limits on XML, beside those of every format.
const (
	xmlDepth = 100      // elements within elements; real files have some 15
	xmlBytes = 16 << 20 // text of one document, included files and variables counted
)

// An xmlInclude is an attribute that names files. Each file's own document element is
// put behind the element that has the attribute, as its sibling.
type xmlInclude struct {
	element, attribute string
	Include
}

// xmlIncludes are the attributes that are followed: XML itself has none.
//
//   - UniMRCP reads each *.xml file in a folder beside its client's configuration
//     (platforms/libunimrcp-client/src/unimrcp_client.c, unimrcp_client_load).
//   - OvenMediaEngine reads virtual hosts from the files that match a pattern
//     (https://docs.ovenmediaengine.com/configuration, "VirtualHosts").
func xmlIncludes() []xmlInclude {
	return []xmlInclude{
		{"unimrcpclient", "subfolder", Include{Dir: ".xml", Need: NeedNothing}},
		{"VirtualHost", "include", Include{Need: NeedNothing}},
	}
}

// parseXML reads an XML file and the files it includes.
func parseXML(r *reader) *Node {
	root := &Node{Kind: Section}
	readXML(&xmlRun{r: r, files: includer{r: r}, left: xmlBytes - len(r.file.Text)}, r.file, root, 0, 0)
	return root
}

// readXML adds the document element of f to parent, which lies deep elements deep. f
// lies within that many files.
func readXML(x *xmlRun, f *source.File, parent *Node, deep, within int) {
	s := &xmlScanner{r: x.r, text: f.Text, place: f.Span, strict: true, alone: true, depth: deep}
	s.closed = func(parent, n *Node, deep int) {
		for _, inc := range xmlIncludes() {
			if x.r.nodes > MaxNodes || !strings.EqualFold(n.Name, inc.element) {
				continue
			}
			for _, a := range n.Children {
				if a.Kind == Setting && strings.EqualFold(a.Name, "@"+inc.attribute) && a.Value != "" {
					x.files.files(inc.Include, f, Arg{a.Value, a.ValueSpan}, within, func(g *source.File) {
						if x.take(len(g.Text), a.ValueSpan) {
							readXML(x, g, parent, deep, within+1)
						}
					})
				}
			}
		}
	}
	s.run(parent)
	if !s.found {
		compareWithXML(x.r, f)
	}
}

// compareWithXML reports where encoding/xml gives up on f.
func compareWithXML(r *reader, f *source.File) {
	text := f.Text
	line := 1
	if decl := xmlDeclaration(text); decl != nil { // encoding/xml wants 1.0 and UTF-8; the bytes behind it do not depend on that
		text = text[len(decl):]
		line += bytes.Count(decl, []byte("\n"))
		if name := strings.ToLower(xmlEncoding(decl)); name != "" && !strings.HasPrefix(name, "utf") && name != "us-ascii" {
			wide := make([]byte, 0, len(text)+len(text)/8)
			for _, c := range text {
				wide = utf8.AppendRune(wide, rune(c)) // valid, and on the same line
			}
			text = wide
		}
	}
	d := xml.NewDecoder(bytes.NewReader(text))
	for {
		_, err := d.Token()
		if err == io.EOF {
			return
		}
		if err == nil {
			continue
		}
		why := err.Error()
		if syntax := (*xml.SyntaxError)(nil); errors.As(err, &syntax) {
			line += syntax.Line - 1
			why = syntax.Msg
		}
		start := 0
		for ; line > 1; line-- {
			start += bytes.IndexByte(f.Text[start:], '\n') + 1
		}
		end := len(f.Text)
		if i := bytes.IndexByte(f.Text[start:], '\n'); i >= 0 {
			end = start + i
		}
		r.report(ambiguous(trimmed(f.Text, start, end).span(f), "not well-formed XML",
			"a strict parser gives up on the whole file here: "+printable([]byte(why)), "mend the line"))
		return
	}
}

// xmlDeclaration is the "<?xml ... ?>" that text begins with, nil without one.
func xmlDeclaration(text []byte) []byte {
	if !bytes.HasPrefix(text, []byte("<?xml")) {
		return nil
	}
	end := bytes.Index(text, []byte("?>"))
	if end < 0 {
		return nil
	}
	return text[:end+2]
}

// xmlEncoding is the encoding that a declaration names, "" without one.
func xmlEncoding(decl []byte) string {
	_, rest, _ := bytes.Cut(decl, []byte("encoding"))
	rest = bytes.TrimLeft(rest, " \t\r\n=")
	if len(rest) == 0 {
		return ""
	}
	name, _, _ := bytes.Cut(rest[1:], rest[:1])
	return string(name)
}

// xmlRun is what the files of one document share.
type xmlRun struct {
	r     *reader
	files includer
	left  int // bytes of text that may still be read
}

// take counts size bytes of text and reports, once, when there are too many.
func (x *xmlRun) take(size int, at source.Span) bool {
	before := x.left
	x.left -= size
	if before >= 0 && x.left < 0 {
		x.r.doc.Gaps = append(x.r.doc.Gaps, at)
		x.r.report(broken(at, fmt.Sprintf("the configuration has more than %d MiB, counting included files and variables: what follows is not read", xmlBytes>>20), "include less, or use shorter variables"))
	}
	return x.left >= 0
}
