package apply

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"strconv"
)

// Hash is the SHA-256 in hexadecimal of all that decides what happens to packets, with the
// names and comments that people see: limits, sets with their elements, chains, rules and
// policies. Counters, handles, the generation, the time that elements have left and the
// elements that packets made play no part.
func (s *State) Hash() string {
	w := writer{h: sha256.New()}
	w.line(s.Exists, s.Dormant)
	for _, name := range sortedKeys(s.Limits) {
		w.say("limit", name, s.Limits[name].Code)
	}
	for _, name := range sortedKeys(s.Sets) {
		set := s.Sets[name]
		k := set.Kind
		w.say("set", name, set.Comment, k.Expressions)
		w.line(k.KeyType, k.KeyLength, k.DataType, k.Flags, k.Size, k.Timeout, len(set.Elements))
		for i := range set.Elements {
			e := &set.Elements[i]
			w.say(e.First, e.Last, e.Data, e.Comment, e.Code)
			w.b = append(append(w.b, e.Timeout.String()...), '\n')
		}
	}
	for _, name := range sortedKeys(s.Chains) {
		c := s.Chains[name]
		w.say("chain", name)
		if c.Hook != nil {
			w.say(c.Hook.Type)
			w.line(c.Hook.Number, c.Hook.Priority, c.Hook.Devices, c.Policy)
		}
		w.b = append(strconv.AppendInt(w.b, int64(len(c.Rules)), 10), '\n')
		for i := range c.Rules {
			w.say(c.Rules[i].Code, c.Rules[i].Comment)
		}
	}
	for _, o := range s.Strange {
		w.say("object", o.Name)
		w.line(o.Type)
	}
	w.h.Write(w.b)
	return hex.EncodeToString(w.h.Sum(nil))
}

// A writer writes into a hash, a few KB at a time.
type writer struct {
	h hash.Hash
	b []byte
}

// say writes texts so that no others are written the same.
func (w *writer) say(texts ...string) {
	for _, t := range texts {
		w.b = append(strconv.AppendInt(w.b, int64(len(t)), 10), ':')
		w.b = append(w.b, t...)
	}
	if len(w.b) > 1<<12 {
		w.h.Write(w.b)
		w.b = w.b[:0]
	}
}

// line writes values with blanks between them.
func (w *writer) line(values ...any) { w.b = fmt.Appendln(w.b, values...) }
