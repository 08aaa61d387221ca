package host

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"portolan/internal/port"
	"portolan/internal/source"
)

// listed is listeners in a form that tests can write down.
func listed(list []Listener) []string {
	var out []string
	for _, x := range list {
		s := fmt.Sprintf("%s %s", x.Proto, netip.AddrPortFrom(x.Addr, x.Port))
		if x.V6Only {
			s += " v6only"
		}
		if x.Process != "" {
			s += " " + x.Process
		}
		out = append(out, s+" "+x.From)
	}
	return out
}

const procHead = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"

// The rows are those of Linux 6.18 on a little-endian machine.
const (
	procTCP = procHead +
		"   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 17452 1 0000000000000000 100 0 0 10 0\n" +
		"   1: 3500007F:0035 00000000:0000 0A 00000000:00000000 00:00000000 00000000   101        0 15 1 0000000000000000 100 0 0 10 5\n" +
		"   2: 0500000A:0016 0100000A:D431 01 00000000:00000000 02:0009F1C7 00000000     0        0 19 4 0000000000000000 20 4 31 10 -1\n"
	procTCP6 = procHead +
		"   0: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 20 1 0 100 0 0 10 0\n" +
		"   1: 0000000000000000FFFF00000500000A:1F90 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 21 1 0 100 0 0 10 0\n"
	procUDP = procHead +
		"  443: 00000000:13C4 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 30 2 0000000000000000 0\n" +
		"  444: 0500000A:9C40 08080808:0035 01 00000000:00000000 00:00000000 00000000     0        0 31 2 0000000000000000 0\n"
	procUDP6 = procHead +
		" 6000: 000080FE00000000FF57A6FE01020304:0222 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 32 2 0000000000000000 0\n"
)

func TestParseProcNet(t *testing.T) {
	for name, test := range map[string]struct {
		text  string
		proto port.Proto
		order binary.ByteOrder
		want  []string
	}{
		"tcp":           {procTCP, port.TCP, binary.LittleEndian, []string{"tcp 0.0.0.0:22 x", "tcp 127.0.0.53:53 x"}},
		"tcp6":          {procTCP6, port.TCP, binary.LittleEndian, []string{"tcp [::]:80 x", "tcp 10.0.0.5:8080 x"}},
		"udp":           {procUDP, port.UDP, binary.LittleEndian, []string{"udp 0.0.0.0:5060 x"}},
		"udp6":          {procUDP6, port.UDP, binary.LittleEndian, []string{"udp [fe80::fea6:57ff:403:201]:546 x"}},
		"big-endian":    {procHead + "0: 7F000001:0035 00000000:0000 0A 0:0 0:0 0 0 0 1 1\n", port.TCP, binary.BigEndian, []string{"tcp 127.0.0.1:53 x"}},
		"port 0":        {procHead + "0: 00000000:0000 00000000:0000 07 0:0 0:0 0 0 0 1 1\n", port.UDP, binary.LittleEndian, nil},
		"a short row":   {"0: 00000000:0016 00000000:0000 0A 0:0\n", port.TCP, binary.LittleEndian, nil},
		"broken rows":   {"0: 0:0016 00000000:0000 0A 0:0 0:0 0 0 0 1\n0: 00000000:zz 00000000:0000 0A 0:0 0:0 0 0 0 1\n0: 00000000:16 00000000:0000 0A 0:0 0:0 0 0 0 x\n", port.TCP, binary.LittleEndian, nil},
		"another table": {"Inter-|   Receive\n eth0: 1 2 3 4 5 6 7 8 9 10 11\n", port.TCP, binary.LittleEndian, nil},
	} {
		var got []Listener
		for _, s := range parseProcNet(source.New("x", []byte(test.text)), test.proto, test.order) {
			got = append(got, s.Listener)
		}
		if diff := cmp.Diff(test.want, listed(got)); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
	}
}

// TestProcNetOfPrint is the law that the address and the port which the kernel prints are
// read as what they are, in both orders of bytes.
func TestProcNetOfPrint(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		raw := rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "address")
		if rapid.Bool().Draw(t, "v4") {
			raw = raw[:4]
		}
		number := rapid.Uint16Min(1).Draw(t, "port")
		order := rapid.SampledFrom([]binary.ByteOrder{binary.LittleEndian, binary.BigEndian}).Draw(t, "order")
		var address strings.Builder
		for at := 0; at < len(raw); at += 4 {
			fmt.Fprintf(&address, "%08X", order.Uint32(raw[at:]))
		}
		text := fmt.Sprintf("  1: %s:%04X %0*X:0000 0A 0:0 00:0 0 0 0 77 1\n", &address, number, 2*len(raw), 0)
		got := parseProcNet(source.New("x", []byte(text)), port.TCP, order)
		want, _ := netip.AddrFromSlice(raw)
		if len(got) != 1 || got[0].Addr != want.Unmap() || got[0].Port != number || got[0].inode != 77 {
			t.Fatalf("%s%v, want %v %d", text, got, want, number)
		}
	})
}

const ssText = `Netid State  Recv-Q Send-Q      Local Address:Port  Peer Address:Port Process
udp   UNCONN 0      0       127.0.0.53%lo:53         0.0.0.0:*    users:(("systemd-resolve",pid=610,fd=13))
udp   UNCONN 0      0             0.0.0.0:5060       0.0.0.0:*    users:(("asterisk",pid=9,fd=20),("x",pid=1,fd=2))
udp   ESTAB  0      0            10.0.0.5:40000      8.8.8.8:53   users:(("asterisk",pid=9,fd=21))
udp   UNCONN 0      0    [fe80::1]%eth0:546              [::]:*
tcp   LISTEN 0      128                 *:8080             *:*    users:(("java",pid=2,fd=3))
tcp   LISTEN 0      128              [::]:22            [::]:*    users:(("sshd",pid=4,fd=5))
tcp   ESTAB  0      0            10.0.0.5:22        10.0.0.1:50000
`

// netstatText is netstat -ano of a German Windows.
const netstatText = "\r\nAktive Verbindungen\r\n\r\n" +
	"  Proto  Lokale Adresse         Remoteadresse          Status           PID\r\n" +
	"  TCP    0.0.0.0:135            0.0.0.0:0              ABH\x99REN         1044\r\n" +
	"  TCP    10.0.0.5:50112         10.0.0.9:443           HERGESTELLT     8\r\n" +
	"  TCP    [::]:445               [::]:0                 ABH\x99REN         4\r\n" +
	"  UDP    0.0.0.0:5060           *:*                                    3024\r\n" +
	"  UDP    [::1]:1900             *:*                                    55\r\n"

func TestParseSockets(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		want []string
	}{
		"ss": {ssText, []string{"udp 127.0.0.53:53 systemd-resolve x:2", "udp 0.0.0.0:5060 asterisk x:3", "udp [fe80::1]:546 x:5",
			"tcp [::]:8080 java x:6", "tcp [::]:22 v6only sshd x:7", "tcp udp"}},
		"ss of TCP alone": {"State  Recv-Q Send-Q Local Address:Port Peer Address:Port Process\nLISTEN 0 128 0.0.0.0:22 0.0.0.0:* users:((\"sshd\",pid=812,fd=3))\n",
			[]string{"tcp 0.0.0.0:22 sshd x:2", "tcp"}},
		"netstat of Linux": {"Proto Recv-Q Send-Q Local Address           Foreign Address         State       PID/Program name\n" +
			"tcp        0      0 127.0.0.1:631           0.0.0.0:*               LISTEN      633/cupsd\n" +
			"tcp        0      0 10.0.0.5:22             10.0.0.1:40000          ESTABLISHED 7/sshd: root\n" +
			"tcp6       0      0 :::80                   :::*                    LISTEN      9/nginx: master\n" +
			"udp        0      0 0.0.0.0:68              0.0.0.0:*                           720/dhclient\n",
			[]string{"tcp 127.0.0.1:631 cupsd x:2", "tcp [::]:80 nginx x:4", "udp 0.0.0.0:68 dhclient x:5", "tcp udp"}},
		"netstat of Windows": {netstatText, []string{"tcp 0.0.0.0:135 x:5", "tcp [::]:445 v6only x:7", "udp 0.0.0.0:5060 x:8", "udp [::1]:1900 x:9", "tcp udp"}},
		"netstat of a BSD": {"Active Internet connections (including servers)\nProto Recv-Q Send-Q Local Address          Foreign Address        (state)\n" +
			"tcp4       0      0 10.0.0.5.22            10.0.0.1.50000         ESTABLISHED\n" +
			"tcp46      0      0 *.80                   *.*                    LISTEN\n" +
			"tcp4       0      0 *.22                   *.*                    LISTEN\n" +
			"udp6       0      0 fe80::1%lo0.123        *.*\n",
			[]string{"tcp [::]:80 x:4", "tcp 0.0.0.0:22 x:5", "udp [fe80::1]:123 x:6", "tcp udp"}},
		"all connected":  {"tcp ESTAB 0 0 10.0.0.5:22 10.0.0.1:50000\n", []string{"tcp"}},
		"names of ports": {"tcp LISTEN 0 0 *:ssh *:*\n", []string{""}},
		"a service list": {"tcp 22/tcp ssh\nudp 0 0 1.2 3.4\n", []string{""}},
	} {
		list, watched := parseSockets(source.New("x", []byte(test.text)))
		var protos []string
		for _, p := range watched {
			protos = append(protos, p.String())
		}
		if diff := cmp.Diff(test.want, append(listed(list), strings.Join(protos, " "))); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
	}
}

func TestLoadListeners(t *testing.T) {
	tables := map[string]string{"etc/hosts": "", "proc/net/tcp": procTCP, "proc/net/tcp6": procTCP6, "proc/net/udp": procUDP, "proc/net/udp6": procUDP6}
	without := func(name string, more ...string) map[string]string {
		files := map[string]string{}
		for n, text := range tables {
			if n != name {
				files[n] = text
			}
		}
		for i := 0; i+1 < len(more); i += 2 {
			files[more[i]] = more[i+1]
		}
		return files
	}
	for name, test := range map[string]struct {
		files map[string]string
		want  []string
	}{
		"nothing": {map[string]string{"etc/hosts": ""}, []string{"[]"}},
		"the tables of the kernel": {tables, []string{"tcp 0.0.0.0:22 proc/net/tcp", "tcp 127.0.0.53:53 proc/net/tcp", "tcp [::]:80 proc/net/tcp6",
			"udp [fe80::fea6:57ff:403:201]:546 proc/net/udp6", "udp 0.0.0.0:5060 proc/net/udp", "tcp 10.0.0.5:8080 proc/net/tcp6", "[tcp udp]"}},
		"a table was not copied": {without("proc/net/tcp6"), []string{"udp [fe80::fea6:57ff:403:201]:546 proc/net/udp6", "udp 0.0.0.0:5060 proc/net/udp", "[udp]"}},
		"a capture comes before a table": {without("", "portolan/ss", "LISTEN 0 5 *:99 *:* users:((\"x\",pid=1,fd=2))\n"), []string{
			"tcp [::]:99 x portolan/ss:1", "udp [fe80::fea6:57ff:403:201]:546 proc/net/udp6", "udp 0.0.0.0:5060 proc/net/udp", "[tcp udp]"}},
		"two captures": {map[string]string{"etc/hosts": "", "portolan/a": "LISTEN 0 5 *:99 *:*\n", "portolan/b": "LISTEN 0 5 *:99 *:*\n"}, []string{"tcp [::]:99 portolan/a:1", "[tcp]"}},
	} {
		facts, diags, err := Load(tree(test.files), shipped(t))
		if err != nil || len(diags) > 0 {
			t.Fatal(diags, err)
		}
		if diff := cmp.Diff(test.want, append(listed(facts.Listeners), fmt.Sprint(facts.Watched))); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
	}
}

func FuzzParseProcNet(f *testing.F) {
	for _, text := range []string{procTCP, procTCP6, procUDP, procUDP6} {
		f.Add([]byte(text), true)
	}
	f.Fuzz(func(t *testing.T, raw []byte, udp bool) {
		proto := port.TCP
		if udp {
			proto = port.UDP
		}
		for _, s := range parseProcNet(source.New("x", raw), proto, binary.LittleEndian) {
			if s.Port == 0 || !s.Addr.IsValid() || s.Proto != proto || s.From != "x" {
				t.Fatalf("%+v", s)
			}
		}
	})
}
