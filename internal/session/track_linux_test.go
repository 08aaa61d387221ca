package session_test

import (
	"errors"
	"net/netip"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"portolan/internal/kernel"
	"portolan/internal/port"
	"portolan/internal/session"
)

// TestTrack: a session that connection tracking was told of is one that exists from its first
// packet on, whoever sends it. Without that it is a new one.
func TestTrack(t *testing.T) {
	kernel.InNamespace(t, []string{"nft"}, func(t *testing.T) {
		link, err := kernel.NewLink()
		if err != nil {
			t.Fatal(err)
		}
		defer link.Close()
		for _, x := range []struct{ peer, local string }{{kernel.PeerV4.String(), kernel.HostV4.String()}, {"::ffff:" + kernel.PeerV4.String(), "::ffff:" + kernel.HostV4.String()}, {kernel.PeerV6.String(), kernel.HostV6.String()}} {
			peer, local := netip.MustParseAddr(x.peer), netip.MustParseAddr(x.local)
			for from, told := range map[uint16]bool{40000: true, 40001: false} {
				if _, err := kernel.Run(`table inet t
delete table inet t
table inet t {
	counter known { }
	counter unknown { }
	chain i {
		type filter hook input priority 0
		tcp dport 22 ct state established counter name known
		tcp dport 22 ct state != established counter name unknown
	}
}`, "nft", "-f", "-"); err != nil {
					t.Fatal(err)
				}
				s := session.Session{Proto: port.TCP, Peer: netip.AddrPortFrom(peer, from), Local: netip.AddrPortFrom(local, 22)}
				for range 2 { // it may be known already
					if !told {
						break
					}
					err := session.Track(s)
					if errors.Is(err, unix.EOPNOTSUPP) {
						kernel.Cannot(t, err.Error())
					}
					if err != nil {
						t.Fatal(err)
					}
				}
				to, of := local.Unmap(), peer.Unmap()
				segment := kernel.TCP(from, 22, 1, kernel.ACK)
				if err := link.Inject(kernel.HostInterface, kernel.Packet(unix.IPPROTO_TCP, of, to, segment)); err != nil {
					t.Fatal(err)
				}
				want := "known"
				if !told {
					want = "unknown"
				}
				out, err := kernel.Run("", "nft", "list", "counter", "inet", "t", want)
				if err != nil || !strings.Contains(out, "packets 1 ") {
					t.Errorf("%s, told %v: %s, %v", peer, told, out, err)
				}
			}
		}
	})
	for _, s := range []session.Session{{}, {Proto: port.UDP, Peer: netip.AddrPortFrom(kernel.PeerV4, 1), Local: netip.AddrPortFrom(kernel.HostV4, 22)},
		{Proto: port.TCP, Peer: netip.AddrPortFrom(kernel.PeerV4, 1), Local: netip.AddrPortFrom(kernel.HostV6, 22)}} {
		if err := session.Track(s); err == nil || errors.Is(err, os.ErrPermission) {
			t.Errorf("%v: %v", s, err)
		}
	}
}
