package apply

import (
	"bytes"
	"slices"
	"testing"

	wire "github.com/mdlayher/netlink"
)

// TestPieces: whatever is sent from where it is and whatever is copied, the kernel gets one message
// behind another, in few pieces.
func TestPieces(t *testing.T) {
	for _, many := range []int{0, 1, manyPieces, manyPieces + 1} {
		messages := []wire.Message{{}}
		for i := range many {
			messages = append(messages, wire.Message{Data: bytes.Repeat([]byte{byte(i)}, largePiece+i%5)}, wire.Message{Data: []byte("small")[:i%5]})
		}
		got := pieces(messages, 7)
		var want []byte
		for i, m := range messages {
			m.Header.Length, m.Header.Sequence = uint32(16+len(m.Data)), uint32(7+i)
			b, err := m.MarshalBinary()
			if err != nil { // the library wants the length to be aligned, and the kernel does not
				m.Header.Length = uint32(16 + align(len(m.Data)))
				if b, err = m.MarshalBinary(); err != nil {
					t.Fatal(err)
				}
				b[0], b[1], b[2], b[3] = byte(16+len(m.Data)), byte((16+len(m.Data))>>8), byte((16+len(m.Data))>>16), 0
			}
			want = append(want, b...)
		}
		if all := slices.Concat(got...); !bytes.Equal(all, want) || len(got) > 1024 {
			t.Errorf("%d large ones: %d bytes instead of %d, in %d pieces", many, len(all), len(want), len(got))
		}
	}
}
