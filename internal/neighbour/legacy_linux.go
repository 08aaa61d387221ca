package neighbour

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What to ask, and of what size the answer is (include/uapi/linux/netfilter_ipv4/ip_tables.h;
// those of IPv6 are the same).
const (
	getInfo    = 64 // IPT_SO_GET_INFO
	getEntries = 65 // IPT_SO_GET_ENTRIES
	infoSize   = 32 + 4 + 5*4 + 5*4 + 4 + 4
)

// aligned says whether the kernel aligns 64-bit numbers in structures to 8 bytes.
const aligned = runtime.GOARCH != "386"

// entriesHead is the size of struct ipt_get_entries before the rules: a name and a number.
func entriesHead() int {
	if aligned {
		return 40
	}
	return 36
}

// maxRules bounds the rules of a table in bytes, and attempts how often they are read when they
// change meanwhile.
const (
	maxRules = 256 << 20
	attempts = 10
)

// ReadLegacy reads the tables of legacy iptables of the network namespace of the calling
// thread. It needs CAP_NET_ADMIN, and to read /proc/net/ip_tables_names, which is root's.
//
// Only tables in that list are asked for: asking for another one would make the kernel load
// its module and set the table up. No such list means that there is no such iptables.
func ReadLegacy() ([]Legacy, error) {
	runtime.LockOSThread() // the list and the sockets are to be of one namespace
	defer runtime.UnlockOSThread()
	var out []Legacy
	for _, six := range []bool{false, true} {
		list := "/proc/thread-self/net/ip_tables_names"
		if six {
			list = "/proc/thread-self/net/ip6_tables_names"
		}
		raw, err := os.ReadFile(list)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("looking for legacy iptables: %w", err)
		}
		for _, table := range strings.Fields(string(raw)) {
			l, err := readLegacy(six, table)
			if err != nil {
				return nil, fmt.Errorf("reading table %s of legacy iptables: %w", table, err)
			}
			out = append(out, *l)
		}
	}
	return out, nil
}

func readLegacy(six bool, table string) (*Legacy, error) {
	domain, level := unix.AF_INET, unix.IPPROTO_IP
	if six {
		domain, level = unix.AF_INET6, unix.IPPROTO_IPV6
	}
	if len(table) >= 32 {
		return nil, fmt.Errorf("a name of %d bytes", len(table))
	}
	// Every socket of the family will do, so no right to raw ones is needed.
	socket, err := unix.Socket(domain, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(socket)
	for range attempts {
		info := make([]byte, infoSize)
		copy(info, table)
		if err := getsockopt(socket, level, getInfo, info); err != nil {
			return nil, err
		}
		number := func(at int) uint32 { return binary.NativeEndian.Uint32(info[at:]) }
		l := &Legacy{IPv6: six, Table: table, Hooks: number(32)}
		for h := range l.Entry {
			l.Entry[h], l.Underflow[h] = number(36+4*h), number(56+4*h)
		}
		size := number(80)
		if size > maxRules {
			return nil, fmt.Errorf("%d bytes of rules, more than the %d that are read", size, maxRules)
		}
		answer := make([]byte, entriesHead()+int(size))
		copy(answer, table)
		binary.NativeEndian.PutUint32(answer[32:], size)
		err := getsockopt(socket, level, getEntries, answer)
		if err == nil {
			// Rules of the same size may have taken their place meanwhile.
			again := make([]byte, infoSize)
			copy(again, table)
			if err = getsockopt(socket, level, getInfo, again); err == nil && string(again) != string(info) {
				err = unix.EAGAIN
			}
		}
		if err == nil {
			l.Rules = answer[entriesHead():]
			return l, nil
		}
		if !errors.Is(err, unix.EAGAIN) {
			return nil, err
		}
	}
	return nil, errors.New("it does not stand still for long enough to be read")
}

func getsockopt(socket, level, name int, b []byte) error {
	size := uint32(len(b))
	_, _, code := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(socket), uintptr(level), uintptr(name), uintptr(unsafe.Pointer(&b[0])), uintptr(unsafe.Pointer(&size)), 0)
	if code != 0 {
		return code
	}
	if int(size) != len(b) {
		return fmt.Errorf("an answer of %d bytes instead of %d", size, len(b))
	}
	return nil
}
