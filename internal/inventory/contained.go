package inventory

import (
	"strconv"
	"strings"

	"portolan/internal/conf"
	"portolan/internal/port"
	"portolan/internal/source"
)

// Contained is a container of a Compose file that has a network of its own: what its program
// claims in there, and what the file publishes of it.
type Contained struct {
	Container string  // "compose.yaml:media"
	Claims    []Claim // none of them is a port of the host
	Published []Published
}

// Published is ports of the host that lead into a container.
type Published struct {
	Proto port.Proto
	// Host and Inside are the same number of ports, the first for the first.
	Host, Inside port.Range
	Span         source.Span // the text that says Host
}

// walled is a container with a network of its own as an instance; nil when nothing of it is
// published, or it is not known what. At most left of containers and volumes are looked at.
func (c *candidate) walled(s *conf.Node, left *int, read *documents) *instance {
	ports, known := published(s)
	mode := setting(s, "network_mode")
	if *left--; *left < 0 || !known || len(ports) == 0 || mode != "" && mode != "bridge" {
		return nil
	}
	one := c.inside(s)
	in := &instance{service: c.service, parts: []*candidate{&one}, published: ports}
	for _, f := range append(one.volumes(nil, left), one.bodies()...) {
		if f.load(read); f.doc == nil {
			one.missing = append(one.missing, s.NameSpan)
		} else {
			in.parts = append(in.parts, &f)
		}
	}
	return in
}

// inside is the container s of the Compose file c.
func (c *candidate) inside(s *conf.Node) candidate {
	one := *c
	one.container = c.file.Name + ":" + s.Name
	one.doc = &conf.Document{File: c.doc.File, Root: s, Included: c.doc.Included}
	for _, gap := range c.doc.Gaps {
		if within(s, gap) {
			one.doc.Gaps = append(one.doc.Gaps, gap)
		}
	}
	return one
}

// published are the ports that a container publishes; false when one of them is not known, or
// there are more than anybody writes. A
// range of the host for one port of the container leads to it from one of them, and nobody
// knows from which.
func published(s *conf.Node) (out []Published, known bool) {
	for _, n := range below(s, "ports") {
		if len(out) == maxItems {
			return nil, false
		}
		p := Published{Proto: port.TCP}
		name, at := "", source.Span{}
		for _, k := range n.Children {
			switch k.Name {
			case "published":
				name, at = k.Value, k.ValueSpan
			case "protocol":
				if proto, err := port.ParseProto(strings.ToLower(k.Value)); err == nil {
					p.Proto = proto
				}
			}
		}
		if name == "0" { // which the engine chooses
			continue
		}
		var ok1, ok2 bool
		p.Host, ok1 = portsOf(name)
		p.Inside, ok2 = portsOf(setting(n, "target"))
		if !ok1 || !ok2 || p.Host.Len() != p.Inside.Len() {
			return nil, false
		}
		p.Span = at
		out = append(out, p)
	}
	return out, true
}

// portsOf reads "7000" and "7000-7099".
func portsOf(text string) (port.Range, bool) {
	first, last, ranged := strings.Cut(text, "-")
	if !ranged {
		last = first
	}
	lo, err1 := strconv.ParseUint(first, 10, 16)
	hi, err2 := strconv.ParseUint(last, 10, 16)
	return port.Range{First: uint16(lo), Last: uint16(hi)}, err1 == nil && err2 == nil && lo > 0 && lo <= hi
}
