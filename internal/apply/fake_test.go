//go:build linux

// Rules are encoded on Linux only.

package apply

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"portolan/internal/ruleset"
)

// A fake is a Firewall in memory, as strict as the kernel: what names something that is not
// there is ENOENT, what is there already EEXIST, what is needed EBUSY, a base chain that is
// jumped to EOPNOTSUPP and a circle of chains ELOOP; ranges of a set do not meet. It keeps the
// lines of its rules, so packets can be asked (see ask).
type fake struct {
	mu         sync.Mutex
	table      *fakeTable // nil for none
	generation uint32
	handle     uint64
	skipped    time.Duration // what the clock is ahead of that of the program
}

type fakeTable struct {
	asleep  bool
	limits  map[string]Limit
	sets    map[string]*fakeSet
	chains  map[string]*fakeChain
	strange []Object
}

type fakeSet struct {
	Set      // elements without what is left of their time
	spec     SetSpec
	deadline map[string]time.Time // by key
}

type fakeChain struct {
	Chain // without rules
	rules []fakeRule
}

type fakeRule struct {
	Rule
	line Line
}

func newFake(*testing.T) Firewall { return &fake{generation: 1} }

func (f *fake) now() time.Time { return time.Now().Add(f.skipped) }

// pass lets time go by for the fake alone.
func (f *fake) pass(d time.Duration) { f.skipped += d }

func (t *fakeTable) clone() *fakeTable {
	if t == nil {
		return nil
	}
	c := &fakeTable{asleep: t.asleep, limits: maps.Clone(t.limits), sets: map[string]*fakeSet{}, chains: map[string]*fakeChain{}, strange: slices.Clone(t.strange)}
	for name, s := range t.sets {
		n := *s
		n.Elements, n.deadline = slices.Clone(s.Elements), maps.Clone(s.deadline)
		c.sets[name] = &n
	}
	for name, s := range t.chains {
		n := *s
		n.rules = slices.Clone(s.rules)
		c.chains[name] = &n
	}
	return c
}

// clone is a fake of its own with the same table.
func (f *fake) clone() *fake {
	f.mu.Lock()
	defer f.mu.Unlock()
	return &fake{table: f.table.clone(), generation: f.generation, handle: f.handle, skipped: f.skipped}
}

// expire forgets elements whose time is over.
func (f *fake) expire() {
	if f.table == nil {
		return
	}
	for _, s := range f.table.sets {
		s.Elements = slices.DeleteFunc(s.Elements, func(e Element) bool { return e.Timeout > 0 && !f.now().Before(s.deadline[e.First]) })
	}
}

func (f *fake) Read() (*State, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.expire()
	s := &State{Generation: f.generation, Exists: f.table != nil, Limits: map[string]*Limit{}, Sets: map[string]*Set{}, Chains: map[string]*Chain{}}
	if f.table == nil {
		return s, nil
	}
	s.Dormant = f.table.asleep
	for name, l := range f.table.limits {
		s.Limits[name] = &l
	}
	for name, x := range f.table.sets {
		set := x.Set
		set.Elements = slices.Clone(x.Elements)
		for i := range set.Elements {
			if e := &set.Elements[i]; e.Timeout > 0 {
				e.Expires = x.deadline[e.First].Sub(f.now())
			}
		}
		if set.Kind.dynamic() {
			set.Elements = nil
		}
		s.Sets[name] = &set
	}
	for name, x := range f.table.chains {
		c := x.Chain
		for _, r := range x.rules {
			c.Rules = append(c.Rules, r.Rule)
		}
		s.Chains[name] = &c
	}
	s.Strange = slices.Clone(f.table.strange)
	return s, nil
}

func (f *fake) Commit(generation uint32, b Batch) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.expire()
	if generation != 0 && generation != f.generation {
		return ErrChanged
	}
	made := &fake{table: f.table.clone(), generation: f.generation, handle: f.handle, skipped: f.skipped}
	for i, c := range b {
		if err := made.change(c); err != nil {
			return fmt.Errorf("change %d %T %+v: %w", i, c, c, err)
		}
	}
	f.table, f.handle, f.generation = made.table, made.handle, following(f.generation)
	return nil
}

func (f *fake) change(c Change) error {
	if c, ok := c.(AddTable); ok {
		if f.table == nil {
			f.table = &fakeTable{limits: map[string]Limit{}, sets: map[string]*fakeSet{}, chains: map[string]*fakeChain{}}
		}
		f.table.asleep = c.Asleep
		return nil
	}
	t := f.table
	if t == nil {
		return syscall.ENOENT
	}
	switch c := c.(type) {
	case DeleteTable:
		f.table = nil
	case AddLimit:
		if _, there := t.limits[c.Limit.Name]; there {
			return syscall.EEXIST
		}
		code, err := limitCode(c.Limit)
		t.limits[c.Limit.Name] = Limit{c.Limit.Name, code}
		return err
	case DeleteLimit:
		if _, there := t.limits[c.Name]; !there {
			return syscall.ENOENT
		}
		delete(t.limits, c.Name)
		return t.needed(func(r *Rule) bool { return slices.Contains(r.Limits, c.Name) })
	case DeleteObject:
		i := slices.Index(t.strange, c.Object)
		if i < 0 {
			return syscall.ENOENT
		}
		t.strange = slices.Delete(t.strange, i, i+1)
	case AddSet:
		if t.sets[c.Set.Name] != nil {
			return syscall.EEXIST
		}
		kind, err := kindOf(c.Set)
		t.sets[c.Set.Name] = &fakeSet{Set{Name: c.Set.Name, Kind: kind, Comment: c.Set.Comment}, c.Set, map[string]time.Time{}}
		return err
	case DeleteSet:
		if t.sets[c.Name] == nil {
			return syscall.ENOENT
		}
		delete(t.sets, c.Name)
		return t.needed(func(r *Rule) bool { return slices.Contains(r.Sets, c.Name) })
	case AddElements:
		return f.addElements(c)
	case DeleteElements:
		s := t.sets[c.Set.Name]
		if s == nil {
			return syscall.ENOENT
		}
		for _, e := range c.Elements {
			i := slices.IndexFunc(s.Elements, func(x Element) bool { return x.First == e.First && x.Last == e.Last })
			if i < 0 {
				return syscall.ENOENT
			}
			s.Elements = slices.Delete(s.Elements, i, i+1)
		}
	case AddChain:
		if t.chains[c.Name] != nil {
			return syscall.EEXIST
		}
		n := &fakeChain{Chain: Chain{Name: c.Name}}
		if c.Hook != nil {
			hook := *c.Hook
			n.Hook, n.Policy = &hook, c.Policy
		}
		t.chains[c.Name] = n
	default:
		return f.changeChain(c)
	}
	return nil
}

// needed is EBUSY when a rule needs what was taken away.
func (t *fakeTable) needed(by func(*Rule) bool) error {
	for _, c := range t.chains {
		if slices.ContainsFunc(c.rules, func(r fakeRule) bool { return by(&r.Rule) }) {
			return syscall.EBUSY
		}
	}
	return nil
}

func (f *fake) addElements(c AddElements) error {
	s := f.table.sets[c.Set.Name]
	if s == nil {
		return syscall.ENOENT
	}
	kind, err := kindOf(c.Set)
	if err != nil || kind != s.Kind {
		return fmt.Errorf("%w: it is another kind of set", syscall.EINVAL)
	}
	for _, e := range c.Elements {
		if len(e.First) != int(kind.KeyLength) || len(e.Last) != len(e.First) || e.Last < e.First || kind.Flags&flagInterval == 0 && e.First != e.Last || (e.Data == "") != (kind.Flags&flagMap == 0) {
			return syscall.EINVAL
		}
		if e.Jump != "" {
			to := f.table.chains[e.Jump]
			if to == nil {
				return syscall.ENOENT
			}
			if to.Hook != nil {
				return syscall.EOPNOTSUPP
			}
		}
		at, _ := slices.BinarySearchFunc(s.Elements, e, func(a, b Element) int {
			if a.Last < b.First {
				return -1
			}
			return 1
		})
		if at < len(s.Elements) && s.Elements[at].First <= e.Last {
			if x := s.Elements[at]; x.First == e.First && x.Last == e.Last && x.Data == e.Data {
				continue // it stays as it is
			}
			return syscall.EEXIST
		}
		e.Expires = 0
		s.Elements = slices.Insert(s.Elements, at, e)
		if e.Timeout > 0 {
			s.deadline[e.First] = f.now().Add(e.Timeout)
		}
	}
	return f.table.loops()
}

func (f *fake) changeChain(change Change) error {
	t := f.table
	name := ""
	switch c := change.(type) {
	case SetPolicy:
		name = c.Name
	case DeleteChain:
		name = c.Name
	case FlushChain:
		name = c.Name
	case AddRule:
		name = c.Chain
	case DeleteRule:
		name = c.Chain
	default:
		return fmt.Errorf("%w: a change of type %T", syscall.EINVAL, change)
	}
	chain := t.chains[name]
	if chain == nil {
		return syscall.ENOENT
	}
	at := func(handle uint64) int {
		return slices.IndexFunc(chain.rules, func(r fakeRule) bool { return r.Handle == handle })
	}
	switch c := change.(type) {
	case SetPolicy:
		if chain.Hook == nil {
			return syscall.EINVAL
		}
		chain.Policy = c.Policy
	case DeleteChain:
		if len(chain.rules) > 0 {
			return syscall.EBUSY
		}
		delete(t.chains, name)
		for _, s := range t.sets {
			if slices.ContainsFunc(s.Elements, func(e Element) bool { return e.Jump == name }) {
				return syscall.EBUSY
			}
		}
		return t.needed(func(r *Rule) bool { return slices.Contains(r.Chains, name) })
	case FlushChain:
		chain.rules = nil
	case DeleteRule:
		i := at(c.Handle)
		if i < 0 {
			return syscall.ENOENT
		}
		chain.rules = slices.Delete(chain.rules, i, i+1)
	case AddRule:
		i := len(chain.rules)
		if c.Before != 0 {
			if i = at(c.Before); i < 0 {
				return syscall.ENOENT
			}
		}
		r, err := encode(c.Line)
		if err != nil {
			return err
		}
		for _, s := range r.Sets {
			if t.sets[s] == nil {
				return syscall.ENOENT
			}
		}
		for _, l := range r.Limits {
			if _, there := t.limits[l]; !there {
				return syscall.ENOENT
			}
		}
		for _, to := range r.Chains {
			if t.chains[to] == nil {
				return syscall.ENOENT
			}
			if t.chains[to].Hook != nil {
				return syscall.EOPNOTSUPP
			}
		}
		f.handle++
		r.Handle = f.handle
		if r.Counts {
			r.Packets, r.Bytes = c.Packets, c.Bytes
		}
		chain.rules = slices.Insert(chain.rules, i, fakeRule{r, c.Line})
		return t.loops()
	}
	return nil
}

// loops is ELOOP when a chain leads to itself.
func (t *fakeTable) loops() error {
	state := map[string]int{} // 1 on the way, 2 done
	var visit func(string) bool
	visit = func(name string) bool {
		switch state[name] {
		case 1:
			return false
		case 2:
			return true
		}
		state[name] = 1
		for _, r := range t.chains[name].rules {
			for _, to := range r.Chains {
				if !visit(to) {
					return false
				}
			}
			for _, s := range r.Sets {
				for _, e := range t.sets[s].Elements {
					if e.Jump != "" && !visit(e.Jump) {
						return false
					}
				}
			}
		}
		state[name] = 2
		return true
	}
	for name := range t.chains {
		if !visit(name) {
			return syscall.ELOOP
		}
	}
	return nil
}

// A sample is a packet that meets the table.
type sample struct {
	out        bool
	iface      string
	family     int
	proto      uint8
	peer       string // bytes of the other host's address
	port       uint16
	sourcePort uint16
	kind       uint8 // ICMP type
	state      ruleset.State
}

// An asker follows packets through a table. While a batch is committed, sets of ranges show
// their new content one after the other: those in old show their content from before until so
// many of them were looked up as shown says.
type asker struct {
	*fakeTable
	old   map[string]*fakeSet // nil for a set that was not there, which looks empty
	shown map[string]int
	looks int // at sets in old
}

// ask is all that happens to a packet, in words: what it is logged by, held against and kept
// from, and its end. Names are those that objects have in a nft.Table, so two tables that mean
// the same say the same.
func (a *asker) ask(p sample) string {
	if a.fakeTable == nil || a.asleep {
		return "accept"
	}
	hooks := []uint32{0, 1}
	if p.out {
		hooks = []uint32{3}
	}
	said := ""
	for _, hook := range hooks {
		var bases []*fakeChain
		for _, c := range a.chains {
			if c.Hook != nil && c.Hook.Number == hook {
				bases = append(bases, c)
			}
		}
		slices.SortFunc(bases, func(a, b *fakeChain) int {
			return cmp.Or(cmp.Compare(a.Hook.Priority, b.Hook.Priority), cmp.Compare(a.Name, b.Name))
		})
		for _, c := range bases {
			end := a.walk(c, &p, &said)
			if end == 0 {
				end = c.Policy
			}
			if end == ruleset.Drop {
				return said + "drop"
			}
		}
	}
	return said + "accept"
}

// walk is the verdict of a chain, 0 for who falls off its end. A gate leads to a chain for
// good: who falls off the end of that one meets the policy of the base chain.
func (a *asker) walk(c *fakeChain, p *sample, said *string) ruleset.Verdict {
	for i := range c.rules {
		l := &c.rules[i].line
		if l.Gate != "" {
			key := map[int]string{4: pendingKeys[0], 6: pendingKeys[1]}[p.family]
			if slices.ContainsFunc(a.sets[Pending].Elements, func(e Element) bool { return e.First == key }) {
				return a.walk(a.chains[l.Gate], p, said)
			}
			continue
		}
		if !a.matches(l, p) {
			continue
		}
		jump := l.Jump
		if l.Map != "" {
			jump = a.lookUp(l.Map, portKey(p.port)).Jump
		}
		maybe := false
		if l.Count > 0 {
			maybe = true
			*said += fmt.Sprintf("count %d, ", l.Count)
		}
		if l.Connections != nil {
			maybe = true
			*said += "count in " + logical(l.Connections.Name) + ", "
		}
		if l.Meter != nil {
			maybe = true
			*said += "meter " + logical(l.Meter.Name) + ", "
		}
		if l.Limit != nil {
			maybe = true
			*said += "limit " + logical(l.Limit.Name) + ", "
		}
		if l.Log != nil {
			*said += fmt.Sprintf("log %v, ", *l.Log)
		}
		if l.Notrack {
			*said += "notrack, "
			p.state = ruleset.Untracked
		}
		if jump != "" {
			if end := a.walk(a.chains[jump], p, said); end != 0 && !maybe {
				return end
			}
		}
		if l.Verdict != 0 && maybe {
			*said += "perhaps " + l.Verdict.String() + ", "
		} else if l.Verdict != 0 {
			return l.Verdict
		}
	}
	return 0
}

// lookUp is the element of a set that has a key; the zero value for none.
func (a *asker) lookUp(name, key string) Element {
	set := a.sets[name]
	if old, changed := a.old[name]; changed {
		if a.looks++; a.looks <= a.shown[name] {
			set = old
		}
	}
	if set != nil {
		for _, e := range set.Elements {
			if e.First <= key && key <= e.Last {
				return e
			}
		}
	}
	return Element{}
}

func (a *asker) matches(l *Line, p *sample) bool {
	withPorts := p.proto == 6 || p.proto == 17
	switch {
	case len(l.Interfaces) > 0 && !slices.Contains(l.Interfaces, p.iface),
		l.Proto != 0 && l.Proto != p.proto,
		len(l.Protos) > 0 && !slices.Contains(l.Protos, p.proto),
		l.States != 0 && l.States&p.state == 0,
		l.Family != 0 && l.Family != p.family:
		return false
	}
	if len(l.Ports)+len(l.SourcePorts) > 0 && !withPorts {
		return false
	}
	hit := len(l.Ports) == 0
	for _, r := range l.Ports {
		hit = hit || r.Contains(p.port)
	}
	hitSource := len(l.SourcePorts) == 0
	for _, r := range l.SourcePorts {
		hitSource = hitSource || r.Contains(p.sourcePort)
	}
	if !hit || !hitSource {
		return false
	}
	if l.Peer != nil && (string(l.Peer.First.AsSlice()) > p.peer || string(l.Peer.Last.AsSlice()) < p.peer) {
		return false
	}
	if l.Set != "" && a.lookUp(l.Set, p.peer).First == "" {
		return false
	}
	if len(l.Types) > 0 && (p.proto != map[int]uint8{4: 1, 6: 58}[l.Family] || !slices.Contains(l.Types, p.kind)) {
		return false
	}
	return true
}

// during is all that may happen to a packet while a batch that led from one table to another is
// committed, as was measured of the kernel: the rules of all chains are the old ones or the
// new ones, sets of ranges show their new content later, each at its own time, a new base
// chain accepts until its policy is there, one that goes is asked until the end when it has no
// rules any more, and policies change after rules. No packet meets a table that sleeps; when
// it wakes up, its base chains are asked from then on, one after another, as they are.
func during(from, to *fakeTable, p sample, may func(string) bool) (string, bool) {
	if from == nil {
		from = &fakeTable{}
	}
	if to == nil {
		to = &fakeTable{}
	}
	if from.asleep || to.asleep {
		return wakingUp(to, p, may)
	}
	old := map[string]*fakeSet{}
	var names []string
	all := maps.Clone(from.sets)
	if all == nil {
		all = map[string]*fakeSet{}
	}
	for name, s := range to.sets {
		if was := from.sets[name]; s.Kind.Flags&flagInterval != 0 && (was == nil || !sameElements(was.Elements, s.Elements)) {
			old[name] = was
			names = append(names, name)
		}
		all[name] = s
	}
	slices.Sort(names)
	for _, newRules := range []bool{false, true} {
		for _, newPolicy := range []bool{false, true} {
			for _, stays := range []bool{false, true} {
				chains := map[string]*fakeChain{}
				for name, c := range from.chains {
					n := *c
					now := to.chains[name]
					moved := now != nil && c.Hook != nil && (now.Hook == nil || *now.Hook != *c.Hook)
					switch {
					case now == nil || moved:
						if n.Hook != nil && newRules {
							n.rules = nil
						}
						if n.Hook != nil && newRules && !stays {
							continue
						}
						if moved {
							name += " from before"
						}
					case newRules:
						n.rules = now.rules
					}
					if now != nil && !moved && newPolicy {
						n.Policy = now.Policy
					}
					chains[name] = &n
				}
				for name, c := range to.chains {
					if was := from.chains[name]; was != nil && (was.Hook == nil) == (c.Hook == nil) && (c.Hook == nil || *was.Hook == *c.Hook) {
						continue
					}
					n := *c
					if n.Hook != nil && !newPolicy {
						n.Policy = ruleset.Accept
					}
					if !newRules {
						n.rules = nil
					}
					if was := from.chains[name]; was == nil || was.Hook != nil || newRules {
						chains[name] = &n
					}
				}
				a := &asker{fakeTable: &fakeTable{sets: all, chains: chains}, old: old, shown: map[string]int{}}
				for try := 0; ; try++ {
					rest := try
					for _, name := range names {
						a.shown[name] = rest % 4
						rest /= 4
					}
					a.looks = 0
					if said := a.ask(p); !may(said) {
						return fmt.Sprintf("%s, with new rules %v, new policies %v, old base chains %v, shown %v", said, newRules, newPolicy, stays, a.shown), false
					}
					if a.looks == 0 || rest > 0 || try == 4095 {
						break
					}
				}
			}
		}
	}
	return "", true
}

// wakingUp is all that may happen to a packet while a table that slept is not asked yet, or about
// some of its base chains.
func wakingUp(to *fakeTable, p sample, may func(string) bool) (string, bool) {
	if said := (&asker{}).ask(p); !may(said) {
		return said + ", before it wakes up", false
	}
	bases := slices.DeleteFunc(sortedKeys(to.chains), func(name string) bool { return to.chains[name].Hook == nil })
	for some := range 1 << len(bases) {
		if to.asleep {
			break
		}
		t := *to
		t.chains = maps.Clone(to.chains)
		for i, name := range bases {
			if some>>i&1 == 0 {
				delete(t.chains, name)
			}
		}
		if said := (&asker{fakeTable: &t}).ask(p); !may(said) {
			return fmt.Sprintf("%s, while of its base chains %b are asked", said, some), false
		}
	}
	return "", true
}

// portKey is a port as the key of an element.
func portKey(p uint16) string { return string(binary.BigEndian.AppendUint16(nil, p)) }
