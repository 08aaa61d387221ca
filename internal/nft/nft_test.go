package nft

import (
	"slices"
	"testing"
)

// TestRules: every rule is had once, with its chain, and may be changed through what is had.
func TestRules(t *testing.T) {
	table := &Table{
		Chains: []*Chain{{Name: "svc_a", Rules: []Rule{{Comment: "a"}, {Comment: "b"}}}},
		Bases:  []*Base{{Name: "output"}, {Name: "input", Rules: []Rule{{Comment: "c"}}}},
	}
	var got []string
	for chain, r := range table.Rules() {
		got = append(got, chain+" "+r.Comment)
		r.Comment += "!"
	}
	if want := []string{"svc_a a", "svc_a b", "input c"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	for _, r := range table.Rules() {
		if r.Comment != "a!" {
			t.Errorf("%q: what is had is a copy", r.Comment)
		}
		break
	}
}

// TestPriority holds the numbers against those of the kernel: NF_IP_PRI_RAW is -300, and
// NF_IP_PRI_FILTER is 0 (include/uapi/linux/netfilter_ipv4.h).
func TestPriority(t *testing.T) {
	if Raw.Number() != -300 || Filter.Number() != 0-10 {
		t.Errorf("%d and %d", Raw.Number(), Filter.Number())
	}
}
