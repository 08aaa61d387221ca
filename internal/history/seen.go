package history

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
	"os"
)

// The file of what the kernel had at a moment, and its name while it is written.
const (
	seenName      = "kernel.seen"
	freshSeenName = "seen.tmp"
)

// SetSeen remembers what the kernel had at a moment, in the place of what it had before. It need not
// outlive a crash, because no moment comes again behind one: so nothing waits for the disk. A
// moment and a note are one line each. After an error nothing is remembered, or what was before. One
// goroutine may do this while another one has the writer do something else.
func (w *Writer) SetSeen(moment, note string, data io.WriterTo) error {
	err := w.fill(freshSeenName, seenName, false, func(f *os.File) error {
		sum := crc32.New(castagnoli())
		to := io.MultiWriter(f, sum)
		_, err := io.WriteString(to, moment+"\n"+note+"\n")
		if err == nil {
			_, err = data.WriteTo(to)
		}
		if err == nil {
			_, err = f.Write(binary.BigEndian.AppendUint32(nil, sum.Sum32()))
		}
		return err
	})
	if err != nil {
		return err
	}
	return w.place(freshSeenName, seenName)
}

// Seen is what the kernel had at a moment, with a note. The data is nil unless SetSeen has remembered
// just that, and it is whole.
func (s *Store) Seen(moment string) (note string, data []byte) {
	d, err := s.open()
	if err != nil {
		return "", nil
	}
	defer d.root.Close()
	f, err := d.openSame(seenName, os.O_RDONLY)
	if err != nil {
		return "", nil
	}
	defer f.Close()
	info, err := f.Stat()
	head := make([]byte, len(moment)+1)
	if err != nil || info.Size() > maxFile || info.Size() < int64(len(head)+crc32.Size) {
		return "", nil
	}
	// Most that is there is of another moment, and need not be read.
	if _, err := io.ReadFull(f, head); err != nil || string(head) != moment+"\n" {
		return "", nil
	}
	rest := make([]byte, info.Size()-int64(len(head)))
	if _, err := io.ReadFull(f, rest); err != nil {
		return "", nil
	}
	end := len(rest) - crc32.Size
	sum := crc32.Update(crc32.Checksum(head, castagnoli()), castagnoli(), rest[:end])
	line, data, ok := bytes.Cut(rest[:end:end], []byte("\n"))
	if !ok || binary.BigEndian.Uint32(rest[end:]) != sum {
		return "", nil
	}
	return string(line), data
}

// castagnoli is the polynomial that processors have an instruction for.
func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }
