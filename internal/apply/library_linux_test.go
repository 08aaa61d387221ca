package apply

import (
	"encoding/binary"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"portolan/internal/nft"
	"portolan/internal/ruleset"
)

var update = flag.Bool("update", false, "write the messages of the library anew")

// TestMessagesOfTheLibrary holds every message that the library makes for us to its bytes,
// without a kernel. The library is asked by a way that is meant for its own tests, so another
// version of it may make others, or leave some out: then look at each of them, run the tests
// that need a kernel, and write the file anew with -update.
func TestMessagesOfTheLibrary(t *testing.T) {
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		t.Skip("the bytes are written down as a little-endian machine has them")
	}
	rate := ruleset.Rate{Count: 10, Period: "minute"}
	var got strings.Builder
	for _, c := range []struct {
		name  string
		batch Batch
	}{
		{"add table", Batch{AddTable{}}},
		{"add table asleep", Batch{AddTable{Asleep: true}}},
		{"delete table", Batch{DeleteTable{}}},
		{"add limit", Batch{AddLimit{nft.Limit{Name: "l", Rate: rate, Burst: 5}}}},
		{"delete limit", Batch{DeleteLimit{Name: "l"}}},
		{"add set of addresses", Batch{AddSet{SetSpec{Name: "s", What: Addresses, Family: 4, Comment: "c"}}}},
		{"add set of IPv6 addresses", Batch{AddSet{SetSpec{Name: "s", What: Addresses, Family: 6}}}},
		{"add map of ports", Batch{AddSet{SetSpec{Name: "s", What: Ports}}}},
		{"add meter of packets", Batch{AddSet{SetSpec{Name: "s", What: PacketMeter, Family: 4, Timeout: 60}}}},
		{"add meter of connections", Batch{AddSet{SetSpec{Name: "s", What: ConnectionsMeter, Family: 6}}}},
		{"add pending", Batch{AddSet{SetSpec{Name: Pending, What: Unconfirmed}}}},
		{"delete set", Batch{DeleteSet{Name: "s"}}},
		{"add chain", Batch{AddChain{Name: "c"}}},
		{"add base chain", Batch{AddChain{Name: "c", Hook: &Hook{Type: "filter", Number: 1, Priority: 5}, Policy: ruleset.Drop}}},
		{"set policy", Batch{SetPolicy{Name: "c", Policy: ruleset.Accept}}},
		{"delete chain", Batch{DeleteChain{Name: "c"}}},
		{"flush chain", Batch{FlushChain{Name: "c"}}},
		{"delete rule", Batch{DeleteRule{Chain: "c", Handle: 7}}},
	} {
		messages, _, err := messagesOf(9, c.batch)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		fmt.Fprintf(&got, "%s\n", c.name)
		for _, m := range messages {
			fmt.Fprintf(&got, "  type %d flags %#x data %x\n", uint16(m.Header.Type), uint16(m.Header.Flags), m.Data)
		}
	}
	const name = "testdata/messages.txt"
	if *update {
		if err := os.WriteFile(name, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got.String()); d != "" {
		t.Errorf("the library makes other messages:\n%s", d)
	}
}
