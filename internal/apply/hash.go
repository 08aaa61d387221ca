package apply

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
)

// Hash is the SHA-256 in hexadecimal of all that decides what happens to packets, with the
// names and comments that people see: limits, sets with their elements, chains, rules and
// policies. Counters, handles, the generation, the time that elements have left and the
// elements that packets made play no part.
func (s *State) Hash() string {
	h := sha256.New()
	fmt.Fprintln(h, s.Exists, s.Dormant)
	for _, name := range sortedKeys(s.Limits) {
		say(h, "limit", name, s.Limits[name].Code)
	}
	for _, name := range sortedKeys(s.Sets) {
		set := s.Sets[name]
		k := set.Kind
		say(h, "set", name, set.Comment, k.Expressions)
		fmt.Fprintln(h, k.KeyType, k.KeyLength, k.DataType, k.Flags, k.Size, k.Timeout, len(set.Elements))
		for i := range set.Elements {
			e := &set.Elements[i]
			say(h, e.First, e.Last, e.Data, e.Comment, e.Code)
			fmt.Fprintln(h, e.Timeout)
		}
	}
	for _, name := range sortedKeys(s.Chains) {
		c := s.Chains[name]
		say(h, "chain", name)
		if c.Hook != nil {
			say(h, c.Hook.Type)
			fmt.Fprintln(h, c.Hook.Number, c.Hook.Priority, c.Hook.Devices, c.Policy)
		}
		fmt.Fprintln(h, len(c.Rules))
		for i := range c.Rules {
			say(h, c.Rules[i].Code, c.Rules[i].Comment)
		}
	}
	for _, o := range s.Strange {
		say(h, "object", o.Name)
		fmt.Fprintln(h, o.Type)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// say writes texts so that no others are written the same.
func say(h hash.Hash, texts ...string) {
	for _, t := range texts {
		fmt.Fprintf(h, "%d:%s", len(t), t)
	}
}
