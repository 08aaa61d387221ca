package session

import (
	"encoding/binary"
	"fmt"
	"io/fs"
	"net/netip"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"portolan/internal/addr"
	"portolan/internal/port"
	"portolan/internal/ruleset"
)

// compare compares addresses as values.
var compare = cmp.Options{cmpopts.EquateEmpty(), cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b }), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })}

func end(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

// hexEnd is an end as /proc/net has it.
func hexEnd(s string, six bool) string {
	a := end(s)
	raw := a.Addr().AsSlice()
	if six {
		b := a.Addr().As16()
		raw = b[:]
	}
	text := ""
	for i := 0; i < len(raw); i += 4 {
		text += fmt.Sprintf("%08X", binary.NativeEndian.Uint32(raw[i:]))
	}
	return fmt.Sprintf("%s:%04X", text, a.Port())
}

// row is a row of a table.
func row(local, peer, state string, inode int, six bool) string {
	return fmt.Sprintf("   0: %s %s %s 00000000:00000000 00:00000000 00000000     0        0 %d 1 0 100 0 0 10 0\n", hexEnd(local, six), hexEnd(peer, six), state, inode)
}

// A process of a made-up /proc.
type process struct {
	name, title, environ string
	parent               int
	sockets              []int
}

func proc(files map[string]string, list map[int]process) fstest.MapFS {
	out := fstest.MapFS{}
	for name, text := range files {
		out[name] = &fstest.MapFile{Data: []byte(text)}
	}
	for pid, p := range list {
		at := fmt.Sprintf("%d/", pid)
		out[at+"comm"] = &fstest.MapFile{Data: []byte(p.name + "\n")}
		out[at+"cmdline"] = &fstest.MapFile{Data: []byte(p.title + "\x00\x00")}
		out[at+"environ"] = &fstest.MapFile{Data: []byte(p.environ)}
		out[at+"stat"] = &fstest.MapFile{Data: fmt.Appendf(nil, "%d (%s) S %d 1 1 0", pid, p.name, p.parent)}
		out[at+"fd/0"] = &fstest.MapFile{Data: []byte("/dev/null"), Mode: fs.ModeSymlink}
		for i, inode := range p.sockets {
			out[fmt.Sprintf("%sfd/%d", at, i+3)] = &fstest.MapFile{Data: fmt.Appendf(nil, "socket:[%d]", inode), Mode: fs.ModeSymlink}
		}
	}
	return out
}

var interfaces = []Interface{
	{"lo", []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::1")}},
	{"eth0", []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("fe80::1")}},
	{"eth1", []netip.Addr{netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("fe80::1")}},
}

// host is a host with several administrators.
func host() fstest.MapFS {
	tcp := "  sl  local_address rem_address   st\n" +
		row("0.0.0.0:22", "0.0.0.0:0", "0A", 1, false) +
		row("192.0.2.1:22", "10.0.0.5:40000", "01", 11, false) + // the own one
		row("198.51.100.1:22", "10.0.0.6:40001", "01", 12, false) +
		row("192.0.2.1:22", "203.0.113.66:666", "01", 13, false) + // tries passwords
		row("127.0.0.1:43210", "127.0.0.1:5432", "01", 14, false) + // forwarded
		row("192.0.2.1:80", "10.0.0.7:40002", "01", 15, false) + // of a web server
		row("192.0.2.1:22", "10.0.0.8:40003", "06", 0, false) + // closing
		row("127.0.0.1:22", "127.0.0.1:50000", "01", 16, false)
	tcp6 := "  sl\n" + row("[::]:22", "[::]:0", "0A", 2, true) +
		row("192.0.2.1:22", "10.0.0.9:40004", "01", 21, true) + // mapped
		row("[2001:db8::1]:22", "[2001:db8:5::9]:40005", "01", 22, true) +
		row("[fe80::1]:22", "[fe80::9]:40006", "01", 23, true) +
		row("[2001:db8::1]:22", "[2001:db8::1]:40007", "01", 24, true) // to itself
	udp := "  sl\n" + row("0.0.0.0:60001", "0.0.0.0:0", "07", 31, false) + row("0.0.0.0:68", "0.0.0.0:0", "07", 32, false)
	return proc(map[string]string{"net/tcp": tcp, "net/tcp6": tcp6, "net/udp": udp}, map[int]process{
		1:   {name: "systemd"},
		50:  {name: "sshd", title: "sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups", parent: 1, sockets: []int{1, 2}},
		60:  {name: "sshd", title: "sshd: ann [priv]", parent: 50, sockets: []int{11}},
		61:  {name: "sshd", title: "sshd: ann@pts/0", parent: 60, sockets: []int{14, 11}},
		62:  {name: "bash", parent: 61, environ: "A=1\x00SSH_CONNECTION=10.0.0.5 40000 192.0.2.1 22\x00"},
		63:  {name: "su do) x", parent: 62, environ: "A=1\x00"},
		64:  {name: "portolan", parent: 63},
		70:  {name: "sshd-session", title: "sshd-session: bob@notty", parent: 50, sockets: []int{12, 12}},
		80:  {name: "sshd-session", title: "sshd-session: root [priv]", parent: 50, sockets: []int{13}},
		81:  {name: "sshd-auth", title: "sshd-auth: root [net]", parent: 80, sockets: []int{13}},
		90:  {name: "nginx", parent: 1, sockets: []int{15}},
		91:  {name: "dropbear", parent: 1, sockets: []int{16}},
		100: {name: "sshd", title: "sshd: eve@pts/1", parent: 50, sockets: []int{21, 22, 23, 24}},
		110: {name: "mosh-server", parent: 1, environ: "SSH_CONNECTION=10.0.0.11 40008 198.51.100.1 22\x00", sockets: []int{31}},
	})
}

func TestFind(t *testing.T) {
	socket := func(name string, pid int) string { return fmt.Sprintf("socket of %s, process %d", name, pid) }
	tcp := func(s Session) Session {
		s.Proto, s.Live = port.TCP, true
		return s
	}
	want := []Session{
		tcp(Session{Peer: end("10.0.0.5:40000"), Local: end("192.0.2.1:22"), Interface: "eth0", Process: "sshd", PID: 60, LoggedIn: true, Own: true,
			From: []string{socket("sshd", 60), socket("sshd", 61), "SSH_CONNECTION of process 62"}}),
		tcp(Session{Peer: end("10.0.0.6:40001"), Local: end("198.51.100.1:22"), Interface: "eth1", Process: "sshd-session", PID: 70, LoggedIn: true, From: []string{socket("sshd-session", 70)}}),
		tcp(Session{Peer: end("10.0.0.9:40004"), Local: end("192.0.2.1:22"), Interface: "eth0", Process: "sshd", PID: 100, LoggedIn: true, From: []string{socket("sshd", 100)}}),
		{Proto: port.UDP, Peer: end("10.0.0.11:0"), Local: end("198.51.100.1:60001"), Interface: "eth1", Process: "mosh-server", PID: 110, Live: true, LoggedIn: true, From: []string{socket("mosh-server", 110)}},
		tcp(Session{Peer: end("127.0.0.1:50000"), Local: end("127.0.0.1:22"), Interface: "lo", Process: "dropbear", PID: 91, LoggedIn: true, From: []string{socket("dropbear", 91)}}),
		tcp(Session{Peer: end("203.0.113.66:666"), Local: end("192.0.2.1:22"), Interface: "eth0", Process: "sshd-session", PID: 80, From: []string{socket("sshd-session", 80), socket("sshd-auth", 81)}}),
		tcp(Session{Peer: end("[2001:db8::1]:40007"), Local: end("[2001:db8::1]:22"), Interface: "lo", Process: "sshd", PID: 100, LoggedIn: true, From: []string{socket("sshd", 100)}}),
		tcp(Session{Peer: end("[2001:db8:5::9]:40005"), Local: end("[2001:db8::1]:22"), Interface: "eth0", Process: "sshd", PID: 100, LoggedIn: true, From: []string{socket("sshd", 100)}}),
		tcp(Session{Peer: end("[fe80::9]:40006"), Local: end("[fe80::1]:22"), Process: "sshd", PID: 100, LoggedIn: true, From: []string{socket("sshd", 100)}}),
	}
	got, err := Find(host(), func(string) string { return "" }, 64, interfaces)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got.Sessions, compare); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	if len(got.Hidden) > 0 {
		t.Errorf("hidden: %v", got.Hidden)
	}
}

// one is the session that the environment tells of.
func one(t *testing.T, fsys fs.FS, variable string) Session {
	t.Helper()
	found, err := Find(fsys, func(name string) string { return map[string]string{"SSH_CONNECTION": variable}[name] }, 64, interfaces)
	if err != nil || len(found.Sessions) == 0 {
		t.Fatalf("%+v, %v", found, err)
	}
	return found.Sessions[0]
}

func TestFindByEnvironment(t *testing.T) {
	// A zone tells the interface of an address that two of them have.
	var got Session
	want := Session{Proto: port.TCP, Peer: end("[fe80::9%eth1]:40006"), Local: end("[fe80::1%eth1]:22"), Interface: "eth1", Process: "sshd", PID: 100, Live: true, LoggedIn: true, Own: true,
		From: []string{"socket of sshd, process 100", "SSH_CONNECTION"}}
	found, err := Find(host(), func(string) string { return "fe80::9%eth1 40006 fe80::1%eth1 22" }, 64, interfaces)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range found.Sessions {
		if s.Own && s.PID == 100 {
			got = s
		}
	}
	if d := cmp.Diff(want, got, compare); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	// One that has ended, and a system that has no /proc.
	for name, fsys := range map[string]fs.FS{"ended": proc(map[string]string{"net/tcp": "  sl\n"}, nil), "no proc": fstest.MapFS{}} {
		want := Session{Proto: port.TCP, Peer: end("10.0.0.5:40000"), Local: end("192.0.2.1:22"), Interface: "eth0", LoggedIn: true, Own: true, From: []string{"SSH_CONNECTION"}}
		if d := cmp.Diff(want, one(t, fsys, "10.0.0.5 40000 192.0.2.1 22"), compare); d != "" {
			t.Errorf("%s: -want +got\n%s", name, d)
		}
	}
}

// denied is a /proc whose processes keep their descriptors to themselves.
type denied struct{ fstest.MapFS }

func (d denied) ReadDir(name string) ([]fs.DirEntry, error) {
	if strings.HasSuffix(name, "/fd") {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}
	return d.MapFS.ReadDir(name)
}

func TestHidden(t *testing.T) {
	found, err := Find(denied{host()}, func(string) string { return "" }, 64, interfaces)
	if err != nil || len(found.Sessions) != 1 || !found.Sessions[0].Own || found.Sessions[0].PID != 0 {
		t.Errorf("%+v, %v", found, err)
	}
	if d := cmp.Diff([]int{50, 60, 61, 70, 80, 81, 91, 100, 110}, found.Hidden); d != "" {
		t.Error(d)
	}
}

func TestParseConnection(t *testing.T) {
	for in, want := range map[string]Connection{
		"10.0.0.5 40000 192.0.2.1 22":                 {end("10.0.0.5:40000"), end("192.0.2.1:22")},
		"2001:db8::5 40000 2001:db8::1 22":            {end("[2001:db8::5]:40000"), end("[2001:db8::1]:22")},
		"::ffff:10.0.0.5 40000 ::ffff:192.0.2.1 2222": {end("10.0.0.5:40000"), end("192.0.2.1:2222")},
		"fe80::5%eth0 40000 fe80::1%eth0 22":          {end("[fe80::5%eth0]:40000"), end("[fe80::1%eth0]:22")},
		"":                                            {},
		"UNKNOWN 65535 UNKNOWN 65535":                 {},
		"10.0.0.5 40000 192.0.2.1":                    {},
		"10.0.0.5 0 192.0.2.1 22":                     {},
		"10.0.0.5 40000 192.0.2.1 65536":              {},
		"10.0.0.5 -1 192.0.2.1 22":                    {},
		"host 40000 192.0.2.1 22":                     {},
		"10.0.0.5 40000 192.0.2.1 22 x":               {},
	} {
		got, ok := ParseConnection(in)
		if got != want || ok != (want != Connection{}) {
			t.Errorf("%q: %v, %v, want %v", in, got, ok, want)
		}
	}
}

func TestPackets(t *testing.T) {
	words := func(s Session) (out []string) {
		for _, p := range Packets(s) {
			out = append(out, fmt.Sprintf("%s %s %s %s %d %d>%d: %s", p.Direction, p.Interface, p.State, p.Peer, p.Proto, p.SourcePort, p.Port, p.Words))
		}
		return out
	}
	cases := []struct {
		s    Session
		want []string
	}{
		{Session{Proto: port.TCP, Peer: end("10.0.0.5:40000"), Local: end("192.0.2.1:22"), Interface: "eth0"}, []string{
			"in eth0 established 10.0.0.5 6 40000>22: what the peer of the session sends",
			"in eth0 new 10.0.0.5 6 40000>22: what the peer of the session sends, when connection tracking sees the session for the first time",
			"out eth0 established 10.0.0.5 6 22>40000: what this host answers in the session",
			"in eth0 new 10.0.0.5 6 50000>22: the next login from the same address",
		}},
		{Session{Proto: port.TCP, Peer: end("[fe80::5%eth0]:50000"), Local: end("[fe80::1%eth0]:22"), Interface: "eth0"}, []string{
			"in eth0 established fe80::5 6 50000>22: what the peer of the session sends",
			"in eth0 new fe80::5 6 50000>22: what the peer of the session sends, when connection tracking sees the session for the first time",
			"out eth0 established fe80::5 6 22>50000: what this host answers in the session",
			"in eth0 new fe80::5 6 50001>22: the next login from the same address",
		}},
		{Session{Proto: port.UDP, Peer: end("10.0.0.5:0"), Local: end("192.0.2.1:60001"), Interface: "eth0"}, []string{
			"in eth0 established 10.0.0.5 17 50000>60001: what the peer of the session sends",
			"in eth0 new 10.0.0.5 17 50000>60001: what the peer of the session sends, when connection tracking sees the session for the first time",
			"out eth0 established 10.0.0.5 17 60001>50000: what this host answers in the session",
		}},
		{Session{Proto: port.UDP, Local: end("0.0.0.0:60001")}, nil},
	}
	for _, c := range cases {
		if d := cmp.Diff(c.want, words(c.s)); d != "" {
			t.Errorf("%s: -want +got\n%s", c.s, d)
		}
	}
	// What a ruleset that lets the peer in accepts, it accepts of every packet.
	accept := ruleset.Any()
	accept.Peers = addr.Of(netip.MustParsePrefix("10.0.0.0/8"))
	rs := &ruleset.Ruleset{
		Input:  ruleset.Chain{Default: ruleset.Drop, Rules: []ruleset.Rule{{Match: accept, Effect: ruleset.Effect{Verdict: ruleset.Accept}}}},
		Output: ruleset.Chain{Default: ruleset.Drop, Rules: []ruleset.Rule{{Match: accept, Effect: ruleset.Effect{Verdict: ruleset.Accept}}}},
	}
	for i, c := range cases {
		for _, p := range Packets(c.s) {
			if got := rs.Decide(p.Packet).Verdict() == ruleset.Accept; got != (i != 1) {
				t.Errorf("%s, %s: accepted %v", c.s, p.Words, got)
			}
		}
	}
}

func TestString(t *testing.T) {
	for want, s := range map[string]Session{
		"10.0.0.5:40000 to 192.0.2.1:22 (sshd, process 7)":          {Peer: end("10.0.0.5:40000"), Local: end("192.0.2.1:22"), Process: "sshd", PID: 7},
		"10.0.0.5 to 192.0.2.1:60001 (mosh-server, process 8)":      {Peer: end("10.0.0.5:0"), Local: end("192.0.2.1:60001"), Process: "mosh-server", PID: 8},
		"an unknown peer to 0.0.0.0:60001 (mosh-server, process 8)": {Local: end("0.0.0.0:60001"), Process: "mosh-server", PID: 8},
		"[2001:db8::5]:40000 to [2001:db8::1]:22":                   {Peer: end("[2001:db8::5]:40000"), Local: end("[2001:db8::1]:22")},
	} {
		if got := s.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestCompare(t *testing.T) {
	s := Session{Proto: port.TCP, Peer: end("[fe80::5%eth0]:40000"), Local: end("[fe80::1%eth0]:22")}
	change := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	at := func(seconds int, l *Life) Snapshot {
		out := Snapshot{At: change.Add(time.Duration(seconds) * time.Second), lives: map[Connection]Life{}}
		if l != nil {
			out.lives[Connection{end("[fe80::5]:40000"), end("[fe80::1]:22")}] = *l
		}
		return out
	}
	quiet := Life{SinceHeard: time.Hour, BytesAnswered: 10, BytesHeard: 20}
	cases := []struct {
		name          string
		before, after *Life
		want          Answer
		why           string
	}{
		{"never there", nil, nil, Unknown, "it was not there before the change"},
		{"new", nil, &quiet, Unknown, "it was not there before the change"},
		{"gone", &quiet, nil, Cut, "it is gone: it was closed or broken off"},
		{"idle", &quiet, &quiet, Idle, "nobody has sent since"},
		{"heard just before", &quiet, &Life{SinceHeard: 2995 * time.Millisecond, BytesAnswered: 10, BytesHeard: 25}, Idle, "nobody has sent since"},
		{"answered", &quiet, &Life{SinceHeard: time.Second, BytesAnswered: 15, BytesHeard: 20}, Alive, "the peer has acknowledged what this host sent"},
		{"answered, and more is on its way", &quiet, &Life{SinceHeard: time.Second, BytesAnswered: 15, BytesHeard: 20, Unanswered: 2}, Alive, "the peer has acknowledged what this host sent"},
		{"answered after loss", &quiet, &Life{SinceHeard: time.Second, BytesAnswered: 15, BytesHeard: 20, Unanswered: 2, Again: 1}, Alive, "the peer has acknowledged what this host sent"},
		{"kept alive", &quiet, &Life{SinceHeard: time.Second, BytesAnswered: 10, BytesHeard: 20}, Alive, "the peer has sent something"},
		{"waiting", &quiet, &Life{SinceHeard: time.Hour, BytesAnswered: 10, BytesHeard: 20, Unanswered: 1}, Waiting, "what this host sent is not answered yet"},
		{"one way alone", &quiet, &Life{SinceHeard: time.Second, BytesAnswered: 10, BytesHeard: 25, Unanswered: 1}, Waiting, "what this host sent is not answered yet"},
		{"sent again once", &quiet, &Life{SinceHeard: time.Hour, BytesAnswered: 10, BytesHeard: 20, Unanswered: 1, Again: 1}, Waiting, "what this host sent is not answered yet"},
		{"sent again twice", &quiet, &Life{SinceHeard: time.Hour, BytesAnswered: 10, BytesHeard: 20, Unanswered: 1, Again: 2}, Cut, "what this host sent was sent again 2 times, and nothing was answered"},
		{"one way, and sent again", &quiet, &Life{SinceHeard: time.Second, BytesAnswered: 10, BytesHeard: 25, Unanswered: 1, Again: 3}, Cut, "what this host sent was sent again 3 times, and nothing was answered"},
		{"hung already", &Life{BytesAnswered: 10, Unanswered: 1, Again: 9}, &Life{SinceHeard: time.Hour, BytesAnswered: 10, Unanswered: 1, Again: 9}, Waiting, "what this host sent is not answered yet"},
	}
	for _, c := range cases {
		a, why := Compare(s, at(-1, c.before), at(3, c.after), change)
		if a != c.want || why != c.why {
			t.Errorf("%s: %s, %q, want %s, %q", c.name, a, why, c.want, c.why)
		}
	}
	if a, _ := Compare(Session{Proto: port.UDP}, at(-1, &quiet), at(3, &quiet), change); a != Unknown {
		t.Errorf("datagrams: %s", a)
	}
}

func FuzzParseConnection(f *testing.F) {
	f.Add("10.0.0.5 40000 192.0.2.1 22")
	f.Add("fe80::5%eth0 40000 ::ffff:192.0.2.1 22")
	f.Fuzz(func(t *testing.T, s string) {
		c, ok := ParseConnection(s)
		if !ok {
			return
		}
		again := fmt.Sprintf("%s %d %s %d", c.Peer.Addr(), c.Peer.Port(), c.Local.Addr(), c.Local.Port())
		if d, ok := ParseConnection(again); !ok && !strings.ContainsAny(c.Peer.Addr().Zone()+c.Local.Addr().Zone(), " \t\n\v\f\r\u0085\u00a0") || ok && d != c {
			t.Errorf("%q is %v, but %q is %v", s, c, again, d)
		}
		Packets(Session{Proto: port.TCP, Peer: c.Peer, Local: c.Local})
	})
}

func FuzzTables(f *testing.F) {
	f.Add([]byte(row("192.0.2.1:22", "10.0.0.5:40000", "01", 11, false)+row("[2001:db8::1]:22", "[::]:0", "0A", 12, true)), []byte("7 (a) b) S 5 1"), []byte("SSH_CONNECTION=1.1.1.1 1 2.2.2.2 2\x00"))
	f.Fuzz(func(t *testing.T, table, stat, environ []byte) {
		for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
			into := map[uint64]Connection{}
			parseTable(table, tcpEstablished, order, into)
			for inode, c := range into {
				if inode == 0 || c.Local.Port() == 0 || !c.Local.Addr().IsValid() || c.Local.Addr().Is4In6() || !c.Peer.Addr().IsValid() {
					t.Errorf("inode %d: %v", inode, c)
				}
			}
		}
		fsys := fstest.MapFS{
			"net/tcp": {Data: table}, "net/udp6": {Data: table}, "64/stat": {Data: stat}, "64/environ": {Data: environ}, "5/environ": {Data: environ}, "5/comm": {Data: []byte("sshd")},
			"5/fd/3": {Data: []byte("socket:[11]"), Mode: fs.ModeSymlink},
		}
		found, err := Find(fsys, func(string) string { return "" }, 64, interfaces)
		if err != nil {
			t.Error(err)
		}
		for _, s := range found.Sessions {
			if s.String() == "" || len(s.From) == 0 {
				t.Errorf("%+v", s)
			}
		}
	})
}

func FuzzLife(f *testing.F) {
	b := make([]byte, messageSize+4+infoSize)
	b[0] = familyV4
	binary.NativeEndian.PutUint16(b[messageSize:], 4+infoSize)
	binary.NativeEndian.PutUint16(b[messageSize+2:], infoAttr)
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		if c, l, ok := parseLife(b); ok && (!c.Peer.IsValid() || l.SinceHeard < 0 || l.Again < 0) {
			t.Errorf("%v, %+v", c, l)
		}
	})
}
