package conf

import (
	"fmt"
	"path"
	"strings"
)

// A Path selects nodes of a tree: steps separated by "/".
//
//   - "rtp-factory" is every child of that name, in any case; "*" and "?" are wildcards
//     (path.Match). The items of a list have no name and match "*".
//   - "**" is any number of levels.
//   - "@id" is an attribute of an XML element.
//   - "param[@name='sip-port']" is a child one of whose own children has that value,
//     "service[.='lmtp']" one that has it itself, and "server[0]" the first of those that
//     match, counted from 0.
type Path []step

type step struct {
	name  string // pattern in lower case
	shown string // as it is written in the path
	deep  bool   // "**"
	plain bool   // the pattern has no wildcards
	tests []test
}

// test is one [key='value'], where key "." is the node itself, or one [n] with key "".
type test struct {
	key, value string
	index      int
}

// maxSteps bounds the steps of a path; no tree that a reader makes is that deep on purpose.
const maxSteps = 64

// ParsePath reads a path. The error says what is wrong with it.
func ParsePath(s string) (Path, error) {
	var p Path
	for rest := s; rest != ""; {
		if len(p) == maxSteps {
			return nil, fmt.Errorf("path %.40q… has more than %d steps", s, maxSteps)
		}
		var part string
		part, rest = cutStep(rest)
		name, brackets, _ := strings.Cut(part, "[")
		st := step{name: strings.ToLower(name), shown: name, deep: name == "**", plain: !strings.ContainsAny(name, `*?\`)}
		if name == "" {
			return nil, fmt.Errorf("path %q has an empty step", s)
		}
		if _, err := path.Match(st.name, ""); err != nil {
			return nil, fmt.Errorf("path %q: %w", s, err)
		}
		for brackets != "" {
			inside, more, closed := strings.Cut(brackets, "]")
			key, value, equals := strings.Cut(inside, "=")
			t := test{key: strings.ToLower(key), value: strings.Trim(value, "'")}
			if closed && strings.HasPrefix(value, "'") != (len(value) > 1 && strings.HasSuffix(value, "'")) {
				return nil, fmt.Errorf("path %q: [%s] has a quote that is not closed", s, inside)
			}
			if !equals {
				if _, err := fmt.Sscanf(inside, "%d", &t.index); err != nil {
					return nil, fmt.Errorf("path %q: [%s] is neither a number nor key='value'", s, inside)
				}
				t.key = ""
			}
			if !closed || more != "" && more[0] != '[' {
				return nil, fmt.Errorf("path %q has a bracket that is not closed", s)
			}
			st.tests = append(st.tests, t)
			brackets = strings.TrimPrefix(more, "[")
		}
		p = append(p, st)
	}
	return p, nil
}

// cutStep cuts at the first "/" outside brackets.
func cutStep(s string) (step, rest string) {
	depth := 0
	for i := range len(s) {
		switch s[i] {
		case '[':
			depth++
		case ']':
			depth--
		case '/':
			if depth == 0 {
				return s[:i], s[i+1:]
			}
		}
	}
	return s, ""
}

// Find are the nodes below n that p selects, in the order of the tree, each once. The
// empty path selects n itself.
func (p Path) Find(n *Node) []*Node {
	found, _ := p.Search(n)
	return found
}

// Search is Find, and says how many nodes it had to look at.
func (p Path) Search(n *Node) (found []*Node, looked int) {
	found = []*Node{n}
	deep := false
	for _, st := range p {
		var next []*Node
		if st.deep {
			var seen map[*Node]bool
			if deep { // of the nodes one may be inside another
				seen = map[*Node]bool{}
			}
			for _, f := range found {
				next = descend(next, f, 0, seen)
			}
			deep, found = true, next
			looked += len(next)
			continue
		}
		for _, f := range found {
			from := len(next)
			looked += len(f.Children)
			for _, c := range f.Children {
				if st.named(c.Name) && st.passes(c, &looked) {
					next = append(next, c)
				}
			}
			for _, t := range st.tests {
				if t.key == "" { // counted among the matches below one parent
					if i := from + t.index; t.index >= 0 && i < len(next) {
						next[from] = next[i]
						next = next[:from+1]
					} else {
						next = next[:from]
					}
				}
			}
		}
		found = next
	}
	return found, looked
}

// Absence is a name that a path looks for in vain.
type Absence struct {
	In   []*Node // the nodes among whose children it is not
	Name string  // as the path has it
	// Of and Key are, where an attribute has the name, as in param[@name='tls'], the element
	// and the attribute; "" where it is the name of a node.
	Of, Key string
}

// Absent is the first name on the way of p that is not there, when p selects nothing below
// n. It is false for what has no name or no place: wildcards, indexes, any number of levels.
func (p Path) Absent(n *Node) (Absence, bool) {
	in := []*Node{n}
	for k := range p {
		st := &p[k]
		if st.deep {
			return Absence{}, false
		}
		next := p[k : k+1].findAll(in)
		if len(next) > 0 {
			in = next
			continue
		}
		switch {
		case !st.plain:
		case len(st.tests) == 0:
			return Absence{In: in, Name: st.shown}, true
		case len(st.tests) == 1 && strings.HasPrefix(st.tests[0].key, "@"):
			return Absence{In: in, Name: st.tests[0].value, Of: st.shown, Key: st.tests[0].key}, true
		}
		return Absence{}, false
	}
	return Absence{}, false
}

// findAll is Find below each of several nodes.
func (p Path) findAll(nodes []*Node) []*Node {
	var out []*Node
	for _, n := range nodes {
		out = append(out, p.Find(n)...)
	}
	return out
}

// named reports whether a step is for nodes of a name. A "/" in it, as in 10.0.0.0/8, would
// end what "*" stands for, and no step has one.
func (st *step) named(name string) bool {
	if st.plain {
		return strings.EqualFold(st.name, name)
	}
	if st.name == "*" {
		return true
	}
	ok, _ := path.Match(st.name, strings.ReplaceAll(strings.ToLower(name), "/", "\x00"))
	return ok
}

// maxFindDepth bounds "**"; readers bound the depth of trees far below it.
const maxFindDepth = 1000

// descend appends n and everything below it, without what was seen before.
func descend(to []*Node, n *Node, depth int, seen map[*Node]bool) []*Node {
	if seen != nil {
		if seen[n] {
			return to
		}
		seen[n] = true
	}
	to = append(to, n)
	if depth < maxFindDepth {
		for _, c := range n.Children {
			to = descend(to, c, depth+1, seen)
		}
	}
	return to
}

// passes asks the key='value' tests of a step.
func (st *step) passes(n *Node, looked *int) bool {
	for _, t := range st.tests {
		if t.key == "" {
			continue
		}
		ok := t.key == "." && n.Value == t.value
		*looked += len(n.Children)
		for _, c := range n.Children {
			ok = ok || strings.EqualFold(c.Name, t.key) && c.Value == t.value
		}
		if !ok {
			return false
		}
	}
	return true
}
