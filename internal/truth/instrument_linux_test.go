package truth

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"portolan/internal/inventory"
	"portolan/internal/port"
)

// TestInstrument opens sockets of every kind itself, to see that the instrument sees them,
// and that it tells missing ones from invented ones.
func TestInstrument(t *testing.T) {
	gate(t, nil)
	inNamespaces(t, "")
}

// tryInstrument is the inner process of TestInstrument.
func tryInstrument(host *Host) (int, string) {
	open := func(network, address string, v6only int) error {
		config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
			var err error
			if v6only >= 0 {
				if outer := raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, v6only) }); outer != nil {
					return outer
				}
			}
			return err
		}}
		var err error
		if strings.HasPrefix(network, "udp") {
			_, err = config.ListenPacket(context.Background(), network, address)
		} else {
			_, err = config.Listen(context.Background(), network, address)
		}
		return err
	}
	for _, s := range []struct {
		network, address string
		v6only           int
	}{
		{"tcp4", "0.0.0.0:7001", -1}, {"tcp6", "[::]:7002", 0}, {"tcp6", "[::]:7003", 1}, {"tcp4", "127.0.0.1:7004", -1},
		{"udp4", "192.0.2.11:7005", -1}, {"udp6", "[::]:7006", 0}, {"udp6", "[::]:7007", 1}, {"udp6", "[2001:db8::10]:7008", 1},
	} {
		if err := open(s.network, s.address, s.v6only); err != nil {
			return differed, s.address + ": " + err.Error()
		}
	}
	// Neither an open connection nor UDP with a peer waits for others.
	for _, network := range []string{"tcp4", "udp4"} {
		if _, err := net.Dial(network, "127.0.0.1:7001"); err != nil {
			return differed, err.Error()
		}
	}
	sockets, err := Sockets()
	if err != nil {
		return cannot, err.Error()
	}
	var got []string
	for _, s := range sockets {
		got = append(got, s.String())
	}
	slices.Sort(got)
	want := []string{
		"tcp 0.0.0.0:7001", "tcp 127.0.0.1:7004", "tcp [::]:7002", "tcp [::]:7003 (v6only)",
		"udp 192.0.2.11:7005", "udp [2001:db8::10]:7008", "udp [::]:7006", "udp [::]:7007 (v6only)",
	}
	if !slices.Equal(got, want) {
		return differed, fmt.Sprintf("got  %q\nwant %q", got, want)
	}
	claims := []inventory.Claim{
		claim(port.TCP, 7001, 7001, "0.0.0.0"), claim(port.TCP, 7002, 7002, "*"), v6only(claim(port.TCP, 7003, 7003, "::")), claim(port.TCP, 7004, 7004, "127.0.0.1"),
		claim(port.UDP, 7005, 7005, "192.0.2.11"), claim(port.UDP, 7006, 7006, "::"), v6only(claim(port.UDP, 7007, 7007, "::")), claim(port.UDP, 7008, 7008, "2001:db8::10"),
	}
	if differences := Compare(host.Names, sockets, claims, Excuses{}); len(differences) > 0 {
		return differed, strings.Join(differences, "\n")
	}
	for i := range claims {
		// One claim less is a missing socket, one claim more an invented one.
		less := slices.Delete(slices.Clone(claims), i, i+1)
		if d := Compare(host.Names, sockets, less, Excuses{}); len(d) != 1 || !strings.HasPrefix(d[0], "missing: ") {
			return differed, fmt.Sprintf("without claim %d: %q", i, d)
		}
		other := claims[i]
		other.Ports = port.Range{First: other.Ports.First + 1000, Last: other.Ports.Last + 1000}
		if d := Compare(host.Names, sockets, append(slices.Clone(claims), other), Excuses{}); len(d) != 1 || !strings.HasPrefix(d[0], "invented: ") {
			return differed, fmt.Sprintf("with one more than claim %d: %q", i, d)
		}
	}
	return agreed, fmt.Sprint(got)
}
