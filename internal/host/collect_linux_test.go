package host

import (
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"portolan/internal/port"
)

// TestCollectListeners opens sockets and looks for them in what the kernel says: those
// that wait are there with the name of this program, and one that is connected is not.
func TestCollectListeners(t *testing.T) {
	raw, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	client, err := net.Dial("udp", udp.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()

	facts, diags, err := Collect(t.Context(), shipped(t))
	if err != nil || len(diags) > 0 || !slices.Equal(facts.Watched, port.Protos[:]) {
		t.Fatalf("watched %v, %v\n%s", facts.Watched, err, told(diags))
	}
	find := func(proto port.Proto, at string) (Listener, bool) {
		where := netip.MustParseAddrPort(at)
		i := slices.IndexFunc(facts.Listeners, func(x Listener) bool {
			return x.Proto == proto && netip.AddrPortFrom(x.Addr, x.Port) == where
		})
		if i < 0 {
			return Listener{}, false
		}
		return facts.Listeners[i], true
	}
	for _, want := range []struct {
		proto port.Proto
		at    string
	}{{port.TCP, tcp.Addr().String()}, {port.UDP, udp.LocalAddr().String()}} {
		got, ok := find(want.proto, want.at)
		if !ok || got.Process != strings.TrimSpace(string(raw)) || got.From != "proc/net/"+want.proto.String() {
			t.Errorf("%s %s: %+v %v", want.proto, want.at, got, ok)
		}
	}
	if got, ok := find(port.UDP, client.LocalAddr().String()); ok {
		t.Errorf("the connected socket is in the list: %+v", got)
	}
}

// TestNameProcesses holds the reading of /proc to what it finds in a copy: a process that
// is gone, one whose files are closed to us, a folder that is no process, and a socket that
// systemd keeps for another.
func TestNameProcesses(t *testing.T) {
	proc := t.TempDir()
	for _, dir := range []string{"1/fd", "7/fd", "8", "net", "9/fd"} {
		if err := os.MkdirAll(proc+"/"+dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for link, target := range map[string]string{"7/fd/0": "/dev/null", "7/fd/3": "socket:[5]", "1/fd/40": "socket:[5]", "1/fd/41": "socket:[7]", "9/fd/4": "socket:[6]"} {
		if err := os.Symlink(target, proc+"/"+link); err != nil {
			t.Fatal(err)
		}
	}
	for name, comm := range map[string]string{"1": "systemd", "7": "asterisk"} {
		if err := os.WriteFile(proc+"/"+name+"/comm", []byte(comm+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	sockets := []procSocket{{inode: 5}, {inode: 6}, {inode: 7}, {inode: 8}}
	nameProcesses(t.Context(), proc, sockets)
	if sockets[0].Process != "asterisk" || sockets[1].Process != "" || sockets[2].Process != "systemd" || sockets[3].Process != "" {
		t.Errorf("%+v", sockets)
	}
	nameProcesses(t.Context(), proc+"/missing", sockets)
}
