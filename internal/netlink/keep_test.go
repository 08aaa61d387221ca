package netlink

import (
	"bytes"
	"reflect"
	"testing"
)

func kept(t testing.TB, table *Table) []byte {
	t.Helper()
	var b bytes.Buffer
	if n, err := table.WriteTo(&b); err != nil || n != int64(b.Len()) {
		t.Fatalf("%d bytes of %d, %v", n, b.Len(), err)
	}
	return b.Bytes()
}

func TestKeep(t *testing.T) {
	list := func(items ...string) [][]byte {
		out := [][]byte{}
		for _, s := range items {
			out = append(out, []byte(s))
		}
		return out
	}
	for _, table := range []*Table{
		{Chains: list(), Rules: list(), Sets: list(), Objects: list(), Elements: map[string][][]byte{}},
		{Exists: true, Flags: 5, Chains: list("a", ""), Rules: list("b"), Sets: list("c", "d"), Objects: list("e"),
			Elements: map[string][][]byte{"c": list("1", "22"), "d": list(), "": list("")}},
	} {
		b := kept(t, table)
		if got, err := ReadTable(b); err != nil || !reflect.DeepEqual(got, table) {
			t.Errorf("%+v, %v", got, err)
		}
		for i := range b {
			if got, err := ReadTable(b[:i]); err == nil {
				t.Errorf("of %d bytes, %d are %+v", len(b), i, got)
			}
		}
		if _, err := ReadTable(append(b, 0)); err == nil {
			t.Error("one byte more is no error")
		}
	}
}

func FuzzReadTable(f *testing.F) {
	f.Add(kept(f, &Table{Exists: true, Rules: [][]byte{[]byte("rule")}, Elements: map[string][][]byte{"s": {[]byte("e")}}}))
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255})
	f.Fuzz(func(t *testing.T, b []byte) {
		table, err := ReadTable(b)
		if err != nil {
			return
		}
		if again, err := ReadTable(kept(t, table)); err != nil || !reflect.DeepEqual(again, table) {
			t.Errorf("%+v became %+v, %v", table, again, err)
		}
	})
}
