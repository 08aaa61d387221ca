package pilot

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"portolan/internal/kernel"
)

// errTrace is a process that cannot be traced here.
var errTrace = errors.New("processes cannot be traced")

// sending runs a command and changes what it sends on its way to the kernel, which answers what
// it then gets. It is all that the command says, with its exit code, and how many messages
// were changed. A change keeps the length.
func (p *place) sending(cmd *exec.Cmd, change func([]byte) []byte) (said string, code, changed int, err error) {
	runtime.LockOSThread() // whoever started it is the one who traces it
	defer runtime.UnlockOSThread()
	file, err := os.Create(filepath.Join(p.dir, "said"))
	if err != nil {
		return "", 0, 0, err
	}
	defer file.Close()
	cmd.Stdout, cmd.Stderr = file, file
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
	if err := cmd.Start(); err != nil {
		return "", 0, 0, fmt.Errorf("%w: %w", errTrace, err)
	}
	defer func() {
		if err != nil {
			_ = cmd.Process.Kill()
		}
	}()
	main, begun := cmd.Process.Pid, false
	for start := time.Now(); time.Since(start) < time.Minute; {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WALL, nil)
		switch {
		case err == syscall.EINTR:
			continue
		case err != nil:
			return "", 0, 0, err
		case pid == main && (status.Exited() || status.Signaled()):
			text, err := os.ReadFile(file.Name())
			return string(text), status.ExitStatus(), changed, err
		case !status.Stopped(): // a thread has ended
			continue
		}
		signal := 0
		switch stop := status.StopSignal(); {
		case !begun:
			begun = true
			if err := unix.PtraceSetOptions(pid, unix.PTRACE_O_TRACESYSGOOD|unix.PTRACE_O_TRACECLONE|unix.PTRACE_O_EXITKILL); err != nil {
				return "", 0, 0, fmt.Errorf("%w: %w", errTrace, err)
			}
		case stop == syscall.SIGTRAP|0x80:
			n, err := changeCall(pid, change)
			if errors.Is(err, unix.ESRCH) { // the process ends, and this thread with it
				continue
			}
			if err != nil {
				return "", 0, 0, err
			}
			changed += n
		case stop != syscall.SIGTRAP && stop != syscall.SIGSTOP: // the last one is how a thread begins
			signal = int(stop)
		}
		if err := unix.PtraceSyscall(pid, signal); err != nil && err != unix.ESRCH {
			return "", 0, 0, err
		}
	}
	return "", 0, 0, fmt.Errorf("%v does not end by itself", cmd.Args)
}

// callInfo is struct ptrace_syscall_info of include/uapi/linux/ptrace.h of Linux, at the begin
// of a call.
type callInfo struct {
	op        uint8
	_         [3]byte
	arch      uint32
	_, _      uint64
	nr        uint64
	arguments [6]uint64
}

const (
	getCallInfo = 0x420e // PTRACE_GET_SYSCALL_INFO
	callBegins  = 1      // PTRACE_SYSCALL_INFO_ENTRY
)

// changeCall changes what a stopped thread is about to send.
func changeCall(pid int, change func([]byte) []byte) (changed int, err error) {
	var info callInfo
	if _, _, code := unix.Syscall6(unix.SYS_PTRACE, getCallInfo, uintptr(pid), unsafe.Sizeof(info), uintptr(unsafe.Pointer(&info)), 0, 0); code != 0 {
		return 0, fmt.Errorf("%w: %w", errTrace, code)
	}
	if info.op != callBegins {
		return 0, nil
	}
	type piece struct{ at, size uint64 } // struct iovec
	var pieces []piece
	switch info.nr {
	case unix.SYS_SENDTO:
		pieces = []piece{{info.arguments[1], info.arguments[2]}}
	case unix.SYS_SENDMSG:
		header := make([]byte, unix.SizeofMsghdr) // struct msghdr: the pieces and their number are behind the address
		if _, err := unix.PtracePeekData(pid, uintptr(info.arguments[1]), header); err != nil {
			return 0, err
		}
		list := make([]byte, 16*binary.NativeEndian.Uint64(header[24:]))
		if _, err := unix.PtracePeekData(pid, uintptr(binary.NativeEndian.Uint64(header[16:])), list); err != nil {
			return 0, err
		}
		for ; len(list) > 0; list = list[16:] {
			pieces = append(pieces, piece{binary.NativeEndian.Uint64(list), binary.NativeEndian.Uint64(list[8:])})
		}
	}
	for _, p := range pieces {
		b := make([]byte, p.size)
		if p.size == 0 {
			continue
		}
		if _, err := unix.PtracePeekData(pid, uintptr(p.at), b); err != nil {
			return changed, err
		}
		after := change(b)
		if bytes.Equal(after, b) {
			continue
		}
		if len(after) != len(b) {
			return changed, errors.New("a change of another length")
		}
		if _, err = unix.PtracePokeData(pid, uintptr(p.at), after); err != nil {
			return changed, err
		}
		changed++
	}
	return changed, nil
}

// without asks for an expression that no kernel has instead of one.
func without(name string) func([]byte) []byte {
	attribute := func(name string) []byte { // NFTA_EXPR_NAME
		return append([]byte{byte(5 + len(name)), 0, 1, 0}, name+"\x00"...)
	}
	return func(b []byte) []byte {
		return bytes.ReplaceAll(b, attribute(name), attribute(strings.Repeat("z", len(name))))
	}
}

// TestLacking: a kernel that lacks something is named with what it lacks, before anything is
// changed. What the program asks for on its way is put in the place of what no kernel has, so
// that this kernel answers as one that lacks it.
func TestLacking(t *testing.T) {
	kernel.Beside(t)
	inNamespace(t, func(t *testing.T, p *place) {
		old := p.policy("a", variant(variants[0].holes))
		p.do(p.apply(old))
		for _, c := range []struct{ name, holes, says string }{
			{"ct", "", "connection tracking in rules (nft_ct)"},
			{"limit", `web: limit = "10/second per source"`, "(nft_limit)"},
			{"connlimit", `web: connections = "10"`, "(nft_connlimit)"},
			{"notrack", `media: notrack = true`, "(nft_ct)"},
			{"log", `log: `, "(nft_log)"},
		} {
			// Another port makes other rules of all kinds.
			policy := p.policy("lacks-"+c.name, variant(strings.TrimPrefix(c.holes+` | sip-ports: , "5099/udp"`, " | ")))
			if c.name == "ct" {
				_, err := kernel.Run("", "nft", "delete", "table", "inet", "portolan")
				p.must(err)
			}
			for _, cmd := range []*exec.Cmd{p.apply(policy), p.arm(policy, armedFor)} {
				p.unchanged(func() {
					said, code, changed, err := p.sending(cmd, without(c.name))
					if errors.Is(err, errTrace) {
						kernel.Cannot(t, err.Error())
					}
					p.must(err)
					if changed == 0 {
						t.Fatalf("%s: it is not asked for", c.name)
					}
					if code != 3 || !strings.Contains(said, "the kernel does not have ") || !strings.Contains(said, c.says) {
						t.Errorf("%s: exit code %d\n%s", c.name, code, said)
					}
				})
			}
			if c.name == "ct" {
				p.do(p.apply(old))
			}
			p.must(p.tidy(old))
		}

		// A kernel with netlink, and without nf_tables.
		nothing := func(b []byte) []byte {
			if len(b) < unix.SizeofNlMsghdr || binary.NativeEndian.Uint16(b[4:])>>8 != unix.NFNL_SUBSYS_NFTABLES {
				return b
			}
			b = bytes.Clone(b)
			binary.NativeEndian.PutUint16(b[4:], binary.NativeEndian.Uint16(b[4:])&0xff|0x3f<<8) // no subsystem has this number
			return b
		}
		for _, cmd := range []*exec.Cmd{p.apply(old), p.arm(old, armedFor), p.confirm(), p.back(), p.changing("apply", "--boot", "--yes"), p.changing("status")} {
			p.unchanged(func() {
				said, code, changed, err := p.sending(cmd, nothing)
				p.must(err)
				if code != 3 || changed == 0 || !strings.Contains(said, "nf_tables") {
					t.Errorf("%v: exit code %d, %d messages changed\n%s", cmd.Args, code, changed, said)
				}
			})
		}
		p.must(p.tidy(old))
	})
}
