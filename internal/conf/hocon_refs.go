package conf

import (
	"slices"
	"strings"
)

// Limits of references; what is beyond them stays as it is written.
const (
	maxHoconSteps = 500_000 // nodes looked at for all references of a document
	maxHoconChain = 100     // references that wait for each other
)

// A hoconPiece is a part of a value: text, or a reference when it has a path.
type hoconPiece struct {
	text     string // as written
	path     []string
	optional bool
	at       int // in a section: the children in front of it
}

// hoconPieces are the parts of a value; text beside text is one part.
type hoconPieces struct {
	list []hoconPiece
	text strings.Builder // what follows the list
	refs int
}

func (p *hoconPieces) ref(r hoconPiece) {
	p.flush()
	p.list = append(p.list, r)
	p.refs++
}

func (p *hoconPieces) flush() {
	if p.text.Len() > 0 {
		p.list = append(p.list, hoconPiece{text: p.text.String()})
		p.text.Reset()
	}
}

// onlyRefs reports whether the value so far is references and blanks.
func (p *hoconPieces) onlyRefs() bool {
	p.flush()
	return p.refs > 0 && !slices.ContainsFunc(p.list, func(q hoconPiece) bool { return q.path == nil && strings.TrimSpace(q.text) != "" })
}

// raw is the value with its references as written.
func (p *hoconPieces) raw() string {
	p.flush()
	var b strings.Builder
	for _, q := range p.list {
		b.WriteString(q.text)
	}
	return b.String()
}

// hoconPath splits what is in ${…} at its dots outside of quotes.
func hoconPath(s string) []string {
	path := []string{""}
	quoted := false
	for _, c := range []byte(strings.TrimSpace(s)) {
		switch {
		case c == '"':
			quoted = !quoted
		case c == '.' && !quoted:
			path = append(path, "")
		default:
			path[len(path)-1] += string([]byte{c})
		}
	}
	return path
}

// hoconRefs are the references of a node.
type hoconRefs struct {
	into    *Node // where the node stands
	pieces  []hoconPiece
	base    []string // the section that the file of the node was included into
	busy    bool     // being resolved
	done    bool
	dropped bool // nothing is left of the node
}

// resolve replaces all references of the document.
func (p *hocon) resolve() {
	dropped := map[*Node]bool{} // by the section they stand in
	for _, n := range p.order {
		p.settle(n)
		if v := p.refs[n]; v.dropped {
			dropped[v.into] = true
		}
	}
	for in := range dropped {
		in.Children = slices.DeleteFunc(in.Children, p.dropped)
	}
}

func (p *hocon) dropped(n *Node) bool { v := p.refs[n]; return v != nil && v.dropped }

// settle replaces the references of n.
func (p *hocon) settle(n *Node) {
	v := p.refs[n]
	if v == nil || v.done || v.busy || p.deep >= maxHoconChain {
		return
	}
	v.busy = true
	p.deep++
	if n.Kind == Section {
		for _, q := range slices.Backward(v.pieces) {
			if q.path != nil {
				_, children, _ := p.find(n, v, q.path)
				n.Children = slices.Insert(n.Children, min(q.at, len(n.Children)), children...)
			}
		}
	} else {
		p.settleValue(n, v)
	}
	p.deep--
	v.busy, v.done = false, true
}

// settleValue joins the parts of a value.
func (p *hocon) settleValue(n *Node, v *hoconRefs) {
	var b strings.Builder
	grown, found := 0, false
	for _, q := range v.pieces {
		if q.path == nil {
			found = found || strings.TrimSpace(q.text) != ""
			b.WriteString(q.text)
			continue
		}
		value, children, ok := p.find(n, v, q.path)
		switch {
		case children != nil: // an object or list; text cannot stand beside it
			n.Kind, n.Value, n.Children = Section, "", append(n.Children, children...)
			found = true
			continue
		case !ok && q.optional:
			continue
		case !ok:
			value = q.text
		case len(v.pieces) > 1:
			grown += len(value)
		}
		found = true
		if len(v.pieces) == 1 {
			n.Value = value
			return
		}
		if grown > maxTokenExpands {
			return // it stays as it is written
		}
		b.WriteString(value)
	}
	v.dropped = !found
	if n.Kind == Setting {
		n.Value = strings.TrimSpace(b.String())
	}
}

// find is what a path of self leads to: the value of a setting, or copies of the
// children of sections, not nil.
func (p *hocon) find(self *Node, v *hoconRefs, path []string) (value string, children []*Node, ok bool) {
	found := p.lookup(append(slices.Clone(v.base), path...))
	if len(found) == 0 && len(v.base) > 0 {
		found = p.lookup(path)
	}
	if i := slices.Index(found, self); i >= 0 { // it means what was there before
		found = found[:i]
	}
	var sections []*Node
	for _, n := range slices.Backward(found) {
		p.settle(n)
		w := p.refs[n]
		switch {
		case w != nil && w.dropped:
			continue
		case w != nil && !w.done || n.Append:
			return "", nil, false // a circle, or a list whose items stand apart
		case n.Kind == Section:
			sections = append(sections, n)
			continue
		case len(sections) == 0:
			return n.Value, nil, true
		}
		break
	}
	if len(sections) == 0 {
		return "", nil, false
	}
	children = []*Node{}
	for _, n := range slices.Backward(sections) {
		children = append(children, p.copies(n.Children)...)
	}
	return "", children, true
}

// lookup is all nodes at a path, in the order of the document.
func (p *hocon) lookup(path []string) []*Node {
	found := []*Node{p.root}
	for _, name := range path {
		var next []*Node
		for _, in := range found {
			p.settle(in)
			if p.steps += 1 + len(in.Children); p.steps > maxHoconSteps {
				return nil
			}
			for _, c := range in.Children {
				if c.Name == name {
					next = append(next, c)
				}
			}
		}
		found = next
	}
	return found
}

// copies are copies of nodes with all that is below them. They count as nodes of the
// document, which bounds references to references to large objects.
func (p *hocon) copies(nodes []*Node) []*Node {
	var list []*Node
	for _, n := range nodes {
		p.settle(n)
		if p.dropped(n) {
			continue
		}
		at := n.NameSpan
		if at.Start == at.End {
			at = n.ValueSpan
		}
		if p.r.full(at) {
			return list
		}
		c := *n
		c.Children = p.copies(n.Children)
		list = append(list, &c)
	}
	return list
}
