package history

import (
	"bytes"
	"fmt"
	"net/netip"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"portolan/internal/addr"
	"portolan/internal/nft"
	"portolan/internal/port"
	"portolan/internal/ruleset"
)

// many is a table of n services: a chain, a set of addresses and an element of a map for each.
func many(n int) *nft.Table {
	t := &nft.Table{
		Limits: []nft.Limit{{Name: "sip", Rate: ruleset.Rate{Count: 10, Period: "second"}, Burst: 20}},
		Meters: []nft.Meter{{Name: "ssh_v4", Family: 4, Rate: ruleset.Rate{Count: 10, Period: "minute"}, Burst: 5, Timeout: 30}},
	}
	services := &nft.Map{Name: "tcp_services"}
	for i := range n {
		chain, zone := fmt.Sprintf("svc_speech_%d_media_server_%08x", i, uint32(i)*2654435761), fmt.Sprintf("src_platform_%d_v4", i)
		first := netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 0})
		t.Sets = append(t.Sets, &nft.Set{Name: zone, Family: 4, Elements: []addr.Range{{First: first, Last: first.Next()}}})
		t.Chains = append(t.Chains, &nft.Chain{Name: chain, Rules: []nft.Rule{
			{Family: 4, Set: zone, Limit: &t.Limits[0], Verdict: ruleset.Accept, Comment: fmt.Sprintf("speech-%d: media-server sip, from platform-%d", i, i)},
			{Verdict: ruleset.Drop, Comment: "speech: drop what is left"},
		}})
		services.Elements = append(services.Elements, nft.Element{Ports: port.Single(uint16(1024 + i)), Jump: chain, Comment: fmt.Sprintf("media-server sip of speech-%d", i)})
	}
	t.Maps = []*nft.Map{services}
	t.Bases = []*nft.Base{{Name: "input", Title: "What arrives.", Hook: "input", Priority: nft.Filter, Policy: ruleset.Drop, Rules: []nft.Rule{
		{States: ruleset.Established | ruleset.Related, Verdict: ruleset.Accept},
		{Map: "tcp_services", Proto: 6},
		{Verdict: ruleset.Drop, Comment: "default"},
	}}}
	return t
}

// example has every field set somewhere.
func example() *nft.Table {
	t := many(1)
	t.Meters = append(t.Meters, nft.Meter{Name: "open_v6", Family: 6, Connections: 3})
	t.Sets = append(t.Sets, &nft.Set{Name: "src_v6", Family: 6, Elements: []addr.Range{{First: netip.MustParseAddr("2001:db8::"), Last: netip.MustParseAddr("2001:db8::ffff")}}})
	t.Bases = append(t.Bases, &nft.Base{Name: "output", Hook: "output", Priority: nft.Filter, Policy: ruleset.Accept, Rules: []nft.Rule{{
		Out: true, Interfaces: []string{"eth0", "lo"}, Proto: 17, SourcePorts: []port.Range{{First: 1, Last: 2}}, Ports: []port.Range{{First: 0, Last: 65535}},
		Protos: []uint8{6, 17}, States: ruleset.New, Family: 6, Peer: &t.Sets[0].Elements[0], Set: "src_v6", Types: []uint8{8, 128}, Count: 7,
		Connections: &t.Meters[1], Meter: &t.Meters[0], Limit: &t.Limits[0], Log: &ruleset.Log{Rate: ruleset.Rate{Count: 5, Period: "minute"}, Burst: 5, Prefix: "drop: "},
		Notrack: true, Verdict: ruleset.Continue, Jump: "x", Comment: hostile[0] + hostile[2],
	}}})
	return t
}

// anyTable fills every field of a table, also those that somebody adds after this was written:
// a field that the coder does not know is one that does not come back.
func anyTable(t *rapid.T) *nft.Table {
	out := &nft.Table{}
	fill(t, reflect.ValueOf(out).Elem())
	return out
}

func fill(t *rapid.T, v reflect.Value) {
	switch v.Interface().(type) {
	case netip.Addr:
		v.Set(reflect.ValueOf(rapid.SampledFrom([]netip.Addr{{}, netip.MustParseAddr("10.1.2.3"), netip.MustParseAddr("2001:db8::1"),
			netip.MustParseAddr("::ffff:10.1.2.3"), netip.MustParseAddr("fe80::1%eth0"), netip.MustParseAddr("255.255.255.255")}).Draw(t, "address")))
		return
	case ruleset.Verdict:
		v.SetUint(rapid.Uint64Range(0, uint64(ruleset.Continue)).Draw(t, "verdict"))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i))
		}
	case reflect.Slice:
		for range rapid.IntRange(0, 2).Draw(t, "length") {
			one := reflect.New(v.Type().Elem()).Elem()
			fill(t, one)
			v.Set(reflect.Append(v, one))
		}
	case reflect.Pointer:
		if rapid.Bool().Draw(t, "there") {
			v.Set(reflect.New(v.Type().Elem()))
			fill(t, v.Elem())
		}
	case reflect.String:
		v.SetString(rapid.OneOf(rapid.String(), rapid.SampledFrom(hostile)).Draw(t, "text"))
	case reflect.Int:
		v.SetInt(int64(rapid.Int().Draw(t, "number")))
	case reflect.Uint8, reflect.Uint16:
		v.SetUint(rapid.Uint64Range(0, 1<<v.Type().Bits()-1).Draw(t, "number"))
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(t, "flag"))
	default:
		t.Fatalf("a %s in a table: say here how to make one", v.Type())
	}
}

// hostile are texts that want to be something else.
var hostile = []string{"\xff\xfe", "a\x00b", "\"} jump x\n", "\x1b[2J", "\u202e", "line\nline", "</table>", "\u009b31m", string(bytes.Repeat([]byte("long "), 300))}

func TestTableComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := anyTable(t)
		data := encodeTable(want)
		got, err := decodeTable(string(data))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); d != "" {
			t.Fatal(d)
		}
		if again := encodeTable(got); !bytes.Equal(data, again) {
			t.Fatal("the same table is other bytes")
		}
	})
}
