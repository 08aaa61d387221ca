package host

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"portolan/internal/port"
	"portolan/internal/source"
)

// The accepted and refused values in the tables below are what Linux 6.18 does when
// they are written to /proc/sys/net/ipv4.

func TestParseLocalPortRange(t *testing.T) {
	for in, want := range map[string]string{
		"32768\t60999\n": "32768-60999", "1024 65000": "1024-65000", "  3000    4000  ": "3000-4000", "2000 2000": "2000",
		"1024 65000 # c": "1024-65000", "2000 3000 4000": "2000-3000", "0x1000 0x2000": "4096-8192", "010000 20000": "4096-20000",
	} {
		if got, err := ParseLocalPortRange(in); err != nil || got.String() != want {
			t.Errorf("ParseLocalPortRange(%q) = %v, %v; want %s", in, got, err, want)
		}
	}
	for _, in := range []string{"", "abc", "5 4", "99999 1", "1 99999", "0 3000", "-5 9", "3000 -4", "3000 4000x", "3000x 4000", `"3000 4000"`,
		"1024,65000", "1024-65000", "2000", "1_0 2_0", "0b1 0b11", "0x 1", "+1 +2", "089 100"} {
		if got, err := ParseLocalPortRange(in); err == nil {
			t.Errorf("ParseLocalPortRange(%q) = %v, want an error", in, got)
		}
	}
}

func TestParseLocalReservedPorts(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "\n": "", "1,2-4,10-10": "1-4,10", "1,2,": "1-2", "0": "0", "0-65535": "0-65535", "010": "8", "0x10": "16", "35000-35399\n": "35000-35399",
	} {
		if got, err := ParseLocalReservedPorts(in); err != nil || got.String() != want {
			t.Errorf("ParseLocalReservedPorts(%q) = %v, %v; want %q", in, got, err, want)
		}
	}
	for _, in := range []string{"1, 2", "1 2", ",1", "5-4", "70000", "65536", "1 - 4", "1-4 # c", "a", "1,,2", "1-", "1,a", "1\t2", "-5", "1,2,,"} {
		if got, err := ParseLocalReservedPorts(in); err == nil {
			t.Errorf("ParseLocalReservedPorts(%q) = %v, want an error", in, got)
		}
	}
}

func TestParseUnprivilegedPortStart(t *testing.T) {
	for in, want := range map[string]int{"1024\n": 1024, "0": 0, "80 # x": 80, "80 90": 80} {
		if got, err := ParseUnprivilegedPortStart(in); err != nil || got != want {
			t.Errorf("ParseUnprivilegedPortStart(%q) = %v, %v; want %d", in, got, err, want)
		}
	}
	for _, in := range []string{"", " ", "-1", "abc", "65536"} {
		if got, err := ParseUnprivilegedPortStart(in); err == nil {
			t.Errorf("ParseUnprivilegedPortStart(%q) = %v, want an error", in, got)
		}
	}
}

func TestParseSysctlConf(t *testing.T) {
	text := "# a comment\n; another = 1\n\n" +
		"net.ipv4.ip_local_port_range = 1024 65000\r\n" +
		"  - net/ipv4/ip_local_port_range=2000\t3000  \n" +
		"net/ipv4/conf/eth0.100/forwarding = 1\n\n" +
		"-net.ipv4.ip_local_port_range\n" +
		"net.ipv4.ip_local_reserved_ports =\n" +
		"junk\n= 5\n" +
		"net.ipv4/ip_unprivileged_port_start = 1\nnet/ipv4.ip_unprivileged_port_start = 2\nnet.ipv4.ip_unprivileged_port_start = 80 =y"
	var got []string
	for _, s := range ParseSysctlConf(source.New("x", []byte(text))) {
		got = append(got, fmt.Sprintf("%s=%s at %d", s.Key, s.Value.Text(), s.Value.Position().Line))
	}
	want := []string{
		"net.ipv4.ip_local_port_range=1024 65000 at 4",
		"net.ipv4.ip_local_port_range=2000\t3000 at 5",
		"net.ipv4.ip_local_reserved_ports= at 9",
		"net.ipv4.ip_unprivileged_port_start=80 =y at 14",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestDotted(t *testing.T) {
	for in, want := range map[string]string{
		"net.ipv4.x": "net.ipv4.x", "net/ipv4/x": "net.ipv4.x", "net/ipv4/conf/eth0.100/x": "net.ipv4.conf.eth0/100.x",
		"net.ipv4.conf.eth0/100.x": "net.ipv4.conf.eth0/100.x", "": "", "x": "x",
	} {
		if got := dotted(in); got != want {
			t.Errorf("dotted(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestParseEnds(t *testing.T) {
	for _, in := range [][2]string{{"10000", "65535"}, {"65535", "10000"}} {
		if got, err := parseEnds(in[0], in[1]); err != nil || got != (port.Range{First: 10000, Last: 65535}) {
			t.Errorf("parseEnds(%q) = %v, %v", in, got, err)
		}
	}
	for _, in := range [][2]string{{"x", "1"}, {"1", ""}, {"1", "65536"}, {"-1", "5"}} {
		if got, err := parseEnds(in[0], in[1]); err == nil {
			t.Errorf("parseEnds(%q) = %v, want an error", in, got)
		}
	}
}

// TestLinuxValueOfPrint is the law that what the kernel prints is read as what it is.
func TestLinuxValueOfPrint(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		first := rapid.Uint16Min(1).Draw(t, "first")
		want := port.Range{First: first, Last: rapid.Uint16Min(first).Draw(t, "last")}
		if got, err := ParseLocalPortRange(fmt.Sprintf("%d\t%d\n", want.First, want.Last)); err != nil || got != want {
			t.Fatalf("range %v, %v; want %v", got, err, want)
		}
		set := port.Of(rapid.SliceOfN(rapid.Custom(func(t *rapid.T) port.Range {
			return port.Range{First: rapid.Uint16().Draw(t, "first"), Last: rapid.Uint16().Draw(t, "last")}
		}), 0, 6).Draw(t, "set")...)
		if got, err := ParseLocalReservedPorts(set.String() + "\n"); err != nil || !got.Equal(set) {
			t.Fatalf("set %v, %v; want %v", got, err, set)
		}
	})
}

func FuzzSysctl(f *testing.F) {
	f.Add([]byte("net.ipv4.ip_local_port_range = 32768 60999\n"))
	f.Add([]byte("-net/ipv4/ip_local_reserved_ports=1,2-4,0x10\n; c\n"))
	f.Add([]byte("net.ipv4.ip_unprivileged_port_start: 0"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		file := source.New("x", raw)
		for _, s := range append(ParseSysctlConf(file), ParseSysctlOutput(file)...) {
			value := s.Value.Text()
			if strings.ContainsAny(value, "\n") || value != strings.Trim(value, " \t\r") {
				t.Fatalf("value %q", value)
			}
			if r, err := ParseLocalPortRange(value); err == nil && (r.Len() == 0 || r.First == 0) {
				t.Fatalf("range %v of %q", r, value)
			}
			if set, err := ParseLocalReservedPorts(value); err == nil {
				if again, err := ParseLocalReservedPorts(set.String()); err != nil || !again.Equal(set) {
					t.Fatalf("set %v of %q", set, value)
				}
			}
			if n, err := ParseUnprivilegedPortStart(value); err == nil && (n < 0 || n > port.Max) {
				t.Fatalf("start %d of %q", n, value)
			}
		}
	})
}
