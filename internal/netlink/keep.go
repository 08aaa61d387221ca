package netlink

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"maps"
	"slices"
)

// WriteTo writes a table so that ReadTable reads it again: in the order of bytes of this machine,
// for which alone it is. The generation is left out. The error is the writer's.
func (t *Table) WriteTo(w io.Writer) (int64, error) {
	o := output{w: bufio.NewWriterSize(w, 1<<16)}
	o.number(boolean(t.Exists))
	o.number(int(t.Flags))
	for _, list := range [][][]byte{t.Chains, t.Rules, t.Sets, t.Objects} {
		o.list(list)
	}
	o.number(len(t.Elements))
	for _, name := range slices.Sorted(maps.Keys(t.Elements)) {
		o.list([][]byte{[]byte(name)})
		o.list(t.Elements[name])
	}
	return o.n, o.w.Flush()
}

func boolean(b bool) int {
	if b {
		return 1
	}
	return 0
}

// An output is what a table is written to. A bufio.Writer keeps the first error to the end.
type output struct {
	w *bufio.Writer
	n int64 // bytes so far
}

func (o *output) number(n int) {
	o.w.Write(binary.NativeEndian.AppendUint32(o.w.AvailableBuffer(), uint32(n)))
	o.n += 4
}

func (o *output) list(list [][]byte) {
	o.number(len(list))
	for _, b := range list {
		o.number(len(b))
		o.w.Write(b)
		o.n += int64(len(b))
	}
}

// errKept says that a table that was written is not whole.
var errKept = errors.New("a table that was kept is not whole")

// ReadTable reads what WriteTo wrote; what it returns shares its memory. The generation is
// 0. An error says that it is something else, or cut off.
func ReadTable(b []byte) (*Table, error) {
	in := input{b: b}
	t := &Table{Exists: in.number() == 1, Flags: in.number(), Elements: map[string][][]byte{}}
	for _, list := range []*[][]byte{&t.Chains, &t.Rules, &t.Sets, &t.Objects} {
		*list = in.list()
	}
	for n := in.number(); n > 0 && !in.bad; n-- {
		name := in.list()
		if len(name) != 1 {
			return nil, errKept
		}
		t.Elements[string(name[0])] = in.list()
	}
	if in.bad || len(in.b) > 0 {
		return nil, errKept
	}
	return t, nil
}

// An input is the rest of what was written. Behind its end everything is empty.
type input struct {
	b   []byte
	bad bool
}

func (in *input) number() uint32 {
	if len(in.b) < 4 {
		in.b, in.bad = nil, true
		return 0
	}
	n := binary.NativeEndian.Uint32(in.b)
	in.b = in.b[4:]
	return n
}

func (in *input) list() [][]byte {
	n := int(in.number())
	if n > len(in.b)/4 { // each has its length
		in.b, in.bad = nil, true
		return nil
	}
	list := make([][]byte, n)
	for i := range list {
		size := int(in.number())
		if size > len(in.b) {
			in.b, in.bad = nil, true
			return nil
		}
		list[i], in.b = in.b[:size:size], in.b[size:]
	}
	return list
}
