package host

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"portolan/internal/port"
	"portolan/internal/source"
)

// utf16le is s as PowerShell 5 stores what ">" redirects.
func utf16le(s string) string {
	out := []byte{0xFF, 0xFE}
	for _, u := range utf16.Encode([]rune(s)) {
		out = binary.LittleEndian.AppendUint16(out, u)
	}
	return string(out)
}

// described is a capture in a form that tests can write down.
func described(c Capture) []string {
	var out []string
	for _, d := range c.Dynamic {
		out = append(out, fmt.Sprintf("dynamic %v v%d %v line %d", d.Proto, d.Family, d.Ports, d.Span.Position().Line))
	}
	for _, x := range c.Excluded {
		star := ""
		if x.Administered {
			star = " *"
		}
		out = append(out, fmt.Sprintf("excluded %v v%d %v%s line %d", x.Proto, x.Family, x.Ports, star, x.Span.Position().Line))
	}
	for _, s := range c.Settings {
		out = append(out, fmt.Sprintf("%s = %q", s.Key, s.Value.Text()))
	}
	return out
}

const englishExcluded = `
Protocol tcp Port Exclusion Ranges

Start Port    End Port
----------    --------
      5357        5357
     50000       50059     *
     50060       50159

* - Administered port exclusions.

`

func TestParseCapture(t *testing.T) {
	const (
		tcp = "Protocol tcp Dynamic Port Range\r\n---------------------------------\r\nStart Port      : 49152\r\nNumber of Ports : 16384\r\n"
		udp = "Protocol udp Dynamic Port Range\r\n---------------------------------\r\nStart Port      : 1024\r\nNumber of Ports : 64511\r\n"
	)
	for name, test := range map[string]struct {
		file, text string
		want       []string
	}{
		"english":                 {"tcp4.txt", "\r\n" + tcp + "\r\n", []string{"dynamic tcp v0 49152-65535 line 4"}},
		"family of the file name": {"netsh_int_ipv6_dyn.txt", tcp, []string{"dynamic tcp v6 49152-65535 line 3"}},
		"german": {"x-ipv4.txt", "\nProtokoll tcp Dynamischer Portbereich\n---------------------------------\nStartport       : 49152\nAnzahl von Ports: 16384\n",
			[]string{"dynamic tcp v4 49152-65535 line 4"}},
		"french in an OEM code page": {"x", "\nProtocole udp Plage de ports dynamique\n---------------------------------\nPort de d\x82marrage   : 1025\nNombre de ports     : 58976\n",
			[]string{"dynamic udp v0 1025-60000 line 4"}},
		"chinese": {"x", "\n协议 tcp 动态端口范围\n---------------------------------\n启动端口        : 1024\n端口数          : 13977\n",
			[]string{"dynamic tcp v0 1024-15000 line 4"}},
		"chinese, no blanks, wide colons": {"x", "协议tcp动态端口范围\n---------------------------------\n启动端口：1024\n端口数：13977\n",
			[]string{"dynamic tcp v0 1024-15000 line 3"}},
		"chinese in UTF-16": {"x", utf16le("协议 udp 动态端口范围\r\n---------------------------------\r\n启动端口        : 51001\r\n端口数          : 5000\r\n"),
			[]string{"dynamic udp v0 51001-56000 line 3"}},
		"japanese": {"x", "\nプロトコル tcp の動的ポートの範囲\n---------------------------------\n開始ポート     : 49152\nポート数       : 16384\n",
			[]string{"dynamic tcp v0 49152-65535 line 4"}},
		"japanese in Shift_JIS": {"x", "\x83v\x83\x8d\x83g\x83R\x83\x8b udp \x82\xcc\x93\xae\x93I\n---------------------------------\n\x8aJ\x8en\x83|\x81[\x83g     : 49152\n\x83|\x81[\x83g\x90\x94       : 16384\n",
			[]string{"dynamic udp v0 49152-65535 line 3"}},
		"spanish": {"x", "\nIntervalo de puertos dinámicos de protocolo udp\n---------------------------------\nPuerto de inicio    : 6005\nNúmero de puertos   : 59530\n",
			[]string{"dynamic udp v0 6005-65534 line 4"}},
		"line ends of a redirect": {"x", strings.ReplaceAll(tcp, "\r\n", "\r\r\n"), []string{"dynamic tcp v0 49152-65535 line 3"}},

		"excluded": {"x", englishExcluded, []string{
			"excluded tcp v0 5357 line 6", "excluded tcp v0 50000-50059 * line 7", "excluded tcp v0 50060-50159 line 8"}},
		"excluded, chinese": {"ipv4", "\n协议 tcp 端口排除范围\n\n开始端口    结束端口\n----------    --------\n      5357        5357\n     50000       50059     *\n\n* - 管理的端口排除。\n",
			[]string{"excluded tcp v4 5357 line 6", "excluded tcp v4 50000-50059 * line 7"}},
		"excluded, french in an OEM code page": {"x", "\nProtocole udp Plages d'exclusion de ports\n\nPort de d\x82but   Port de fin\n----------    --------\n     25002       25101\n\n* - Exclusions de ports administr\x82s.\n",
			[]string{"excluded udp v0 25002-25101 line 6"}},
		"excluded, spanish": {"x", "Protocolo udp Intervalos de exclusión de puertos\n\nPuerto de inicio    Puerto final\n----------    --------\n     25102       25201\n",
			[]string{"excluded udp v0 25102-25201 line 5"}},
		"nothing excluded": {"x", "\nProtocol udp Port Exclusion Ranges\n\nStart Port    End Port\n----------    --------\n\n* - Administered port exclusions.\n", nil},

		"a transcript": {"all.txt", "C:\\>netsh int ipv4 show dynamicport tcp\r\n\r\n" + tcp + "\r\nC:\\>netsh int ipv6 show dynamicport udp\r\n\r\n" + udp +
			"\r\nPS C:\\> netsh int ipv4 show excludedportrange protocol=tcp\r\n" + englishExcluded,
			[]string{"dynamic tcp v4 49152-65535 line 5", "dynamic udp v6 1024-65534 line 12",
				"excluded tcp v4 5357 line 21", "excluded tcp v4 50000-50059 * line 22", "excluded tcp v4 50060-50159 line 23"}},
		"no command lines between": {"all.txt", tcp + udp, []string{"dynamic tcp v0 49152-65535 line 3", "dynamic udp v0 1024-65534 line 7"}},
		"protocol of the command line, shortened words": {"x", "netsh interface ipv6>sh dyn udp\n\n????\n-----------\n?: 2000\n?: 1000\n",
			[]string{"dynamic udp v6 2000-2999 line 5"}},
		"protocol of the file name": {"udp.txt", "????\n-----------\n?: 2000\n?: 1000\n", []string{"dynamic udp v0 2000-2999 line 3"}},

		"sysctl of Linux":   {"x", "$ sysctl -a\nkernel.ostype = Linux\nnet.ipv4.ip_local_port_range = 32768\t60999\nnet.ipv4.ip_local_reserved_ports = \n", []string{`net.ipv4.ip_local_port_range = "32768\t60999"`, `net.ipv4.ip_local_reserved_ports = ""`}},
		"sysctl of FreeBSD": {"x", "net.inet.ip.portrange.randomized: 1\nnet.inet.ip.portrange.last: 65535\nnet.inet.ip.portrange.first: 10000\n", []string{`net.inet.ip.portrange.last = "65535"`, `net.inet.ip.portrange.first = "10000"`}},
		"sysctl of OpenBSD": {"x", "net.inet.ip.portfirst=1024\nnet.inet.ip.portlast=49151\n", []string{`net.inet.ip.portfirst = "1024"`, `net.inet.ip.portlast = "49151"`}},

		"no of AIX": {"x", "           strthresh = 85\n   tcp_ephemeral_high = 65500\n   tcp_ephemeral_low = 9000\nudp_ephemeral_high= 65535\n udp_ephemeral_low = 32768\n",
			[]string{`tcp_ephemeral_high = "65500"`, `tcp_ephemeral_low = "9000"`, `udp_ephemeral_high = "65535"`, `udp_ephemeral_low = "32768"`}},
		"no of AIX that sets": {"x", "# no -p -o tcp_ephemeral_low=9000 -o tcp_ephemeral_high=65500\ntcp_ephemeral_low = 32768\n", []string{`tcp_ephemeral_low = "32768"`}},
		"ipadm of Solaris 11": {"x", "# ipadm show-prop -p smallest_anon_port,largest_anon_port tcp\n" +
			"PROTO PROPERTY              PERM CURRENT      PERSISTENT   DEFAULT      POSSIBLE\n" +
			"tcp   smallest-anon-port    rw   9000         9000         32768        1024-65535\n" +
			"tcp   largest-anon-port     rw   65500        --           65535        32768-65535\n" +
			"sctp  largest-anon-port     rw   65500        --           65535        32768-65535\n",
			[]string{`tcp_smallest_anon_port = "9000"`, `tcp_largest_anon_port = "65500"`}},
		"ipadm in its parsable form":          {"x", "udp:smallest_anon_port:rw:32768::32768:1024-65535\nudp:largest_anon_port:65535\n", []string{`udp_smallest_anon_port = "32768"`, `udp_largest_anon_port = "65535"`}},
		"ipadm with the protocol of the name": {"ipadm-udp.txt", "smallest_anon_port:32768\n", []string{`udp_smallest_anon_port = "32768"`}},
		"ndd": {"x", "# ndd /dev/tcp tcp_smallest_anon_port tcp_largest_anon_port\n9000\n\n65500\n# /usr/sbin/ndd -get /dev/udp udp_smallest_anon_port\n32768\n# ndd -set /dev/tcp tcp_smallest_anon_port 1024\n7\n",
			[]string{`tcp_smallest_anon_port = "9000"`, `tcp_largest_anon_port = "65500"`, `udp_smallest_anon_port = "32768"`}},
		"sysctl of OpenBSD with its list": {"x", "net.inet.ip.portfirst=1024\nnet.inet.udp.baddynamic=623,664,5060\n", []string{`net.inet.ip.portfirst = "1024"`, `net.inet.udp.baddynamic = "623,664,5060"`}},
		"sysctl of macOS":                 {"x", "net.inet.ip.portrange.lowfirst: 1023\nnet.inet.ip.portrange.first: 49152\nnet.inet.ip.portrange.hilast: 65535\n", []string{`net.inet.ip.portrange.first = "49152"`}},
		"sysctl of NetBSD":                {"x", "net.inet.ip.anonportmin = 49152\nnet.inet6.ip6.anonportmax = 65535\n", []string{`net.inet.ip.anonportmin = "49152"`, `net.inet6.ip6.anonportmax = "65535"`}},
	} {
		t.Run(name, func(t *testing.T) {
			c, diags := ParseCapture(source.New(test.file, []byte(test.text)))
			if len(diags) > 0 {
				t.Errorf("findings: %v", diags)
			}
			if c.Netsh == (len(c.Settings) > 0) {
				t.Errorf("Netsh = %v with %d settings", c.Netsh, len(c.Settings))
			}
			if diff := cmp.Diff(test.want, described(c)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestParseCaptureReports(t *testing.T) {
	const head = "Protocol tcp Dynamic Port Range\n---------------\n"
	for name, test := range map[string]struct {
		text string
		want string // rule, severity, place and message, joined by line ends
		keep int    // ranges that are read nevertheless
	}{
		"empty":   {"", "broken-fact error x: the captured output is empty, so the command failed", 0},
		"blank":   {" \r\n\r\n", "broken-fact error x: the captured output is empty, so the command failed", 0},
		"unknown": {"hello\n", "unknown-capture warning x: this is no output of a command that portolan knows", 0},
		"YAML":    {"---\nport: 80\nname: x\n", "unknown-capture warning x: this is no output of a command that portolan knows", 0},
		"a table": {"Name  Value\n----  -----\none   1\n", "unknown-capture warning x: this is no output of a command that portolan knows", 0},
		"TCP parameters": {"TCP Global Parameters\n----------\nReceive-Side Scaling State : enabled\nInitial RTO : 1000\n",
			"unknown-capture warning x: this is no output of a command that portolan knows", 0},
		"no output": {"C:\\>netsh int ipv4 show dynamicport tcp\n\nC:\\>netsh int ipv4 show dynamicport udp\n" + strings.ReplaceAll(head, "tcp", "udp") + "a: 2000\nb: 500\n",
			"broken-fact error x:1: the command has no output, so it failed", 1},
		"no protocol":    {"---------\na: 2000\nb: 500\n", "broken-fact warning x:2: nothing says whether these ports are of tcp or of udp, so they are ignored", 0},
		"both protocols": {"tcp or udp\n---------- --------\n 1 2\n 3 4\n", "broken-fact warning x:3: nothing says whether these ports are of tcp or of udp, so they are ignored", 0},
		"one number":     {head + "a: 2000\n", "broken-fact warning x:3: a dynamic port range is exactly two numbers, the first port and how many there are", 0},
		"three":          {head + "a: 2000\nb: 500\nc: 7\n", "broken-fact warning x:3: a dynamic port range is exactly two numbers, the first port and how many there are", 0},
		"past 65535":     {head + "a: 60000\nb: 16384\n", "broken-fact warning x:3: 16384 ports from port 60000 on are not a range within 1 to 65535", 0},
		"huge":           {head + "a: 99999999999999999999\nb: 1\n", "broken-fact warning x:3: 1 ports from port more than 65535 on are not a range within 1 to 65535", 0},
		"no ports":       {head + "a: 60000\nb: 0\n", "broken-fact warning x:3: 0 ports from port 60000 on are not a range within 1 to 65535", 0},
		"broken rows": {"tcp\n----- -----\n 5 4\n 1 70000\n 0 9\n 7\n 1 2 x\n 100 200\n", "" +
			`broken-fact warning x:3: "5 4" is not a row of excluded ports such as 50000 50059 *, so it is ignored` + "\n" +
			`broken-fact warning x:4: "1 70000" is not a row of excluded ports such as 50000 50059 *, so it is ignored` + "\n" +
			`broken-fact warning x:5: "0 9" is not a row of excluded ports such as 50000 50059 *, so it is ignored` + "\n" +
			`broken-fact warning x:6: "7" is not a row of excluded ports such as 50000 50059 *, so it is ignored` + "\n" +
			`broken-fact warning x:7: "1 2 x" is not a row of excluded ports such as 50000 50059 *, so it is ignored`, 1},
	} {
		t.Run(name, func(t *testing.T) {
			c, diags := ParseCapture(source.New("x", []byte(test.text)))
			if diff := cmp.Diff(test.want, told(diags)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if n := len(c.Dynamic) + len(c.Excluded); n != test.keep {
				t.Errorf("%d ranges are read, want %d", n, test.keep)
			}
		})
	}
}

func TestParseCaptureFindingsAreBounded(t *testing.T) {
	text := "tcp\n----- -----\n" + strings.Repeat("9 1\n", 5000)
	_, diags := ParseCapture(source.New("x", []byte(text)))
	if len(diags) != maxFindings+1 || diags[maxFindings].Message != "4980 more lines of this file are broken" {
		t.Errorf("%d findings, the last one %q", len(diags), diags[len(diags)-1].Message)
	}
}

func TestParseCaptureRangesAreBounded(t *testing.T) {
	text := "tcp\n----- -----\n" + strings.Repeat("1 2\n", maxRanges+5)
	c, diags := ParseCapture(source.New("x", []byte(text)))
	if got := told(diags); len(c.Excluded) != maxRanges || got != "broken-fact warning x:10003: only the first 10000 ranges of a file are read" {
		t.Errorf("%d rows\n%s", len(c.Excluded), got)
	}
}

// TestCaptureOfPrint is the law that what netsh would print for a range is read as that
// range.
func TestCaptureOfPrint(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		first := rapid.IntRange(1, port.Max).Draw(t, "first")
		end := rapid.IntRange(first, port.Max).Draw(t, "last")
		proto := rapid.SampledFrom(port.Protos[:]).Draw(t, "proto")
		star := rapid.SampledFrom([]string{"", "     *"}).Draw(t, "star")
		label := rapid.StringMatching(`[^\r\n:：*0-9-]{0,12}`)
		eol := rapid.SampledFrom([]string{"\n", "\r\n"}).Draw(t, "eol")
		encode := rapid.SampledFrom([]func(string) string{func(s string) string { return s }, utf16le}).Draw(t, "encoding")
		text := strings.Join([]string{
			"netsh int ipv6 show dynamicport " + proto.String(), "",
			"X " + proto.String() + " Y", "-----------------",
			"a" + label.Draw(t, "label 1") + fmt.Sprintf(": %d", first), "b" + label.Draw(t, "label 2") + fmt.Sprintf(" : %d", end-first+1), "",
			"X " + proto.String() + " Z", "", "A  B", "------   -----", fmt.Sprintf("%10d  %10d%s", first, end, star), "", "* - x", "",
		}, eol)
		want := port.Range{First: uint16(first), Last: uint16(end)}
		c, diags := ParseCapture(source.New("x", []byte(encode(text))))
		if len(diags) > 0 || len(c.Dynamic) != 1 || len(c.Excluded) != 1 {
			t.Fatalf("%q: %v %v", text, c, told(diags))
		}
		d, x := c.Dynamic[0], c.Excluded[0]
		if d.Ports != want || d.Proto != proto || d.Family != V6 || x.Ports != want || x.Proto != proto || x.Administered != (star != "") {
			t.Fatalf("%q: %v", text, described(c))
		}
	})
}

func FuzzParseCapture(f *testing.F) {
	f.Add("ipv4.txt", []byte(englishExcluded))
	f.Add("x", []byte("netsh int ipv4 show dynamicport tcp\nProtocol tcp Dynamic Port Range\n----------\nStart Port : 49152\nNumber of Ports : 16384\n"))
	f.Add("udp", []byte(utf16le("a\n-----\n：1\n：2\n")))
	f.Add("x", []byte("net.inet.ip.portrange.first: 10000\nnet.ipv4.ip_local_port_range = 1 2\n"))
	f.Add("x", []byte("tcp   smallest-anon-port    rw   9000  9000  32768  1024-65535\nudp:largest_anon_port:65535\n"))
	f.Add("x", []byte("# ndd /dev/tcp tcp_smallest_anon_port tcp_largest_anon_port\n9000\n65500\n"))
	f.Add("x", []byte("  tcp_ephemeral_low = 9000\n  tcp_ephemeral_high = 65500\nnet.inet.tcp.baddynamic=1,2 3\n"))
	f.Add("x", []byte(udpJSON))
	f.Add("x", []byte(utf16le(tcpJSON)))
	f.Add("x", []byte(tcpList))
	f.Add("x", []byte(ssText))
	f.Add("x", []byte(netstatText))
	f.Fuzz(func(t *testing.T, name string, raw []byte) {
		file := source.New(name, raw)
		c, diags := ParseCapture(file)
		if len(diags) > maxFindings+1 {
			t.Fatalf("%d findings", len(diags))
		}
		for _, d := range c.Dynamic {
			if d.Ports.Len() == 0 || d.Ports.First == 0 || d.Proto != port.TCP && d.Proto != port.UDP || !d.Span.HasLine() {
				t.Fatalf("%+v", d)
			}
		}
		for _, x := range c.Excluded {
			if x.Ports.Len() == 0 || x.Ports.First == 0 || x.Proto != port.TCP && x.Proto != port.UDP || !x.Span.HasLine() {
				t.Fatalf("%+v", x)
			}
		}
		if len(diags) == 0 && c.isEmpty() {
			t.Fatal("nothing was read and nothing is said about it")
		}
		for _, d := range c.Reuse {
			if d.Ports.Len() == 0 || d.Ports.First == 0 || d.Proto != port.TCP || !d.Span.HasLine() {
				t.Fatalf("%+v", d)
			}
		}
		for _, x := range c.Listeners {
			if x.Port == 0 || !x.Addr.IsValid() || !slices.Contains(c.Watched, x.Proto) || x.From == "" {
				t.Fatalf("%+v", x)
			}
		}
		facts := Facts{UnprivilegedStart: -1}
		facts.windows(c)
		facts.unix(c.Settings)
		for _, p := range port.Protos {
			facts.EphemeralPorts(p)
		}
	})
}
