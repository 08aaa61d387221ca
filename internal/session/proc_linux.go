package session

import (
	"io/fs"
	"os"
	"path"

	"golang.org/x/sys/unix"
)

// Proc is /proc of this host, of which Find reads a file of each process. The runtime would ask for
// each of them whether it can wait for it, and sort the processes by their names.
func Proc() fs.FS { return newHostProc(4 << 10) }

func newHostProc(size int) *hostProc {
	return &hostProc{os.DirFS(procDir).(fs.ReadLinkFS), make([]byte, size)}
}

const procDir = "/proc"

type hostProc struct {
	fs.ReadLinkFS
	buffer []byte
}

func (h *hostProc) readInto(name string, limit int64) ([]byte, error) {
	fail := func(op string, err error) error { return &fs.PathError{Op: op, Path: name, Err: err} }
	fd, err := again(func() (int, error) { return unix.Open(path.Join(procDir, name), unix.O_RDONLY|unix.O_CLOEXEC, 0) })
	if err != nil {
		return nil, fail("open", err)
	}
	defer unix.Close(fd)
	for have := 0; ; {
		if have == len(h.buffer) {
			h.buffer = append(h.buffer, make([]byte, have)...)
		}
		n, err := again(func() (int, error) { return unix.Read(fd, h.buffer[have:]) })
		if err != nil {
			return nil, fail("read", err)
		}
		have += n
		if n == 0 || int64(have) > limit {
			return h.buffer[:min(int64(have), limit+1)], nil
		}
	}
}

// again does something that a signal interrupts until none does.
func again(do func() (int, error)) (int, error) {
	for {
		if n, err := do(); err != unix.EINTR {
			return n, err
		}
	}
}

func (h *hostProc) names() ([]string, error) {
	f, err := os.Open(procDir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Readdirnames(-1)
}
