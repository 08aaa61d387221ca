package solve

import (
	"cmp"
	"slices"

	"portolan/internal/port"
)

// sweep places pieces of any kind, in the order of their first ports. In a solution each
// piece can slide down to the first port that it may have behind those it meets, so only
// the order is searched for; pieces that are alike are counted and not told apart. Of two
// ways to place the same pieces one is left out when it has got no less far for any lane.
func (j *job) sweep() ([]int, Verdict) {
	s := &sweep{job: j, firsts: make([]int, len(j.pieces)), seen: map[string][][]int{}, clique: j.isClique()}
	lanes := 1
	for i := range j.pieces {
		p := &j.pieces[i]
		n := slices.IndexFunc(s.classes, func(c class) bool {
			return c.len == p.len && c.step == p.step && c.phase == p.phase && c.lane == p.lane && c.free.Equal(p.free)
		})
		if n < 0 {
			n = len(s.classes)
			s.classes = append(s.classes, class{piece: *p, runs: p.free.Ranges()})
		}
		s.classes[n].members = append(s.classes[n].members, i)
		s.classes[n].left++
		if j.lanes != nil {
			lanes = max(lanes, p.lane+1)
		}
	}
	// What must be placed early comes first, then what is long.
	slices.SortStableFunc(s.classes, func(a, b class) int {
		return cmp.Or(cmp.Compare(a.last(), b.last()), cmp.Compare(b.len, a.len))
	})
	s.holders()
	switch {
	case s.place(make([]int, lanes), 0, len(j.pieces)):
		return s.firsts, Placed
	case s.ended:
		return nil, Unknown
	}
	return nil, Impossible
}

// class is pieces that are alike.
type class struct {
	piece
	runs    []port.Range
	members []int
	left    int
	inside  []int // where all meet, the classes whose ports are all ports of this one
}

func (c *class) last() uint16 { return c.runs[len(c.runs)-1].Last }

type sweep struct {
	*job
	classes []class
	clique  bool
	firsts  []int
	seen    map[string][][]int // what was left: how far the lanes were
	ended   bool
}

// holders notes for each class which others have no other ports than it has.
func (s *sweep) holders() {
	for i := range s.classes {
		for k := range s.classes {
			if s.clique && s.classes[k].free.Minus(s.classes[i].free).IsEmpty() {
				s.classes[i].inside = append(s.classes[i].inside, k)
			}
		}
	}
}

// next is the lowest place of c when lanes are as far as that and nothing begins below at.
func (s *sweep) next(c *class, lanes []int, at int) (int, bool) {
	lane := 0
	if s.lanes != nil {
		lane = c.lane
	}
	return c.from(c.runs, max(lanes[lane], at))
}

// place puts what is left, n pieces, at or above the port at.
func (s *sweep) place(lanes []int, at, n int) bool {
	if n == 0 {
		return true
	}
	*s.work -= 3 + len(s.classes)/8
	if *s.work <= 0 {
		s.ended = true
		return false
	}
	type child struct{ class, first int }
	var children []child
	soonest := port.Max + 1
	for i := range s.classes {
		c := &s.classes[i]
		if c.left == 0 {
			continue
		}
		first, ok := s.next(c, lanes, at)
		if !ok || !s.room(c, at) {
			return false
		}
		children = append(children, child{i, first})
		soonest = min(soonest, first+c.len)
	}
	counts := make([]int, len(s.classes))
	for i := range counts {
		counts[i] = s.classes[i].left
	}
	k := string(key(counts))
	far := append(slices.Clone(lanes), at)
	for _, before := range s.seen[k] {
		if noFurther(before, far) {
			return false
		}
	}
	for _, x := range children {
		c := &s.classes[x.class]
		if s.clique && x.first >= soonest {
			continue // another one fits below it
		}
		c.left--
		s.firsts[c.members[c.left]] = x.first
		if s.place(s.after(lanes, c, x.first), x.first, n-1) {
			return true
		}
		c.left++
		if s.ended {
			return false
		}
	}
	s.seen[k] = append(s.seen[k], far)
	return false
}

// noFurther reports whether a is in no lane further than b.
func noFurther(a, b []int) bool {
	for i := range a {
		if a[i] > b[i] {
			return false
		}
	}
	return true
}

// after is how far the lanes are when one of c is placed at first.
func (s *sweep) after(lanes []int, c *class, first int) []int {
	out := slices.Clone(lanes)
	for i := range out {
		if s.lanes == nil || s.lanes[c.lane][i] {
			out[i] = max(out[i], first+c.len)
		}
	}
	return out
}

// room reports whether there are as many ports from at on as the pieces need that can only
// have ports of c.
func (s *sweep) room(c *class, at int) bool {
	need := 0
	for _, k := range c.inside {
		need += s.classes[k].left * s.classes[k].len
	}
	for _, r := range c.runs {
		if int(r.Last) >= at {
			need -= int(r.Last) - max(int(r.First), at) + 1
		}
		if need <= 0 {
			return true
		}
	}
	return need <= 0
}
