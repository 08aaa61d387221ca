package host

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"portolan/internal/port"
	"portolan/internal/source"
)

// The settings of Linux that decide about ports
// (https://www.kernel.org/doc/Documentation/networking/ip-sysctl.rst).
const (
	localPortRange       = "net.ipv4.ip_local_port_range"
	localReservedPorts   = "net.ipv4.ip_local_reserved_ports"
	unprivilegedPortHead = "net.ipv4.ip_unprivileged_port_start"
)

// linuxKeys are the settings read on Linux.
var linuxKeys = [...]string{localPortRange, localReservedPorts, unprivilegedPortHead, conntrackHelper}

// portEnds is a pair of settings that bounds the ephemeral ports of a Unix.
type portEnds struct {
	first, last string
	protos      []port.Proto
	families    []Family
	// systems have settings of these names, as in Platform.OS; the first is the one that
	// the names alone point to.
	systems []string
}

// unixEnds are the names under which the Unix systems besides Linux keep the range. Of
// those that sysctl prints, only NetBSD's have a pair for each family; the "high" and
// "low" ranges beside them are used by programs that ask for them, so they are not read
// (https://github.com/apple-oss-distributions/xnu/blob/e3723e1f1/bsd/netinet/in_pcb.c
// lines 231-255; sys/netinet/in.h and sys/netinet6/in6.h of OpenBSD and NetBSD). Solaris
// and HP-UX print theirs with ndd, Solaris 11 with ipadm; AIX with no
// (https://docs.oracle.com/cd/E82638_01/cwsol/setting-udp-and-tcp-kernel-parameters-manually.html,
// https://docs.oracle.com/cd/E96517_01/cwaix/setting-udp-tcp-kernel-parameters.html).
var unixEnds = [...]portEnds{
	{"net.inet.ip.portrange.first", "net.inet.ip.portrange.last", port.Protos[:], []Family{V4, V6}, []string{"freebsd", "darwin"}},
	{"net.inet.ip.portfirst", "net.inet.ip.portlast", port.Protos[:], []Family{V4, V6}, []string{"openbsd"}},
	{"net.inet.ip.anonportmin", "net.inet.ip.anonportmax", port.Protos[:], []Family{V4}, []string{"netbsd"}},
	{"net.inet6.ip6.anonportmin", "net.inet6.ip6.anonportmax", port.Protos[:], []Family{V6}, []string{"netbsd"}},
	{"tcp_smallest_anon_port", "tcp_largest_anon_port", []port.Proto{port.TCP}, []Family{V4, V6}, []string{"solaris", "hp-ux"}},
	{"udp_smallest_anon_port", "udp_largest_anon_port", []port.Proto{port.UDP}, []Family{V4, V6}, []string{"solaris", "hp-ux"}},
	{"tcp_ephemeral_low", "tcp_ephemeral_high", []port.Proto{port.TCP}, []Family{V4, V6}, []string{"aix"}},
	{"udp_ephemeral_low", "udp_ephemeral_high", []port.Proto{port.UDP}, []Family{V4, V6}, []string{"aix"}},
}

// badDynamic are OpenBSD's lists of ports that its kernel does not hand out, one for each
// protocol: decimal numbers with commas or blanks between
// (https://github.com/openbsd/src/blob/0187bdeef7a7/sbin/sysctl/sysctl.c, parse_baddynamic).
var badDynamic = [...]struct {
	key   string
	proto port.Proto
}{
	{"net.inet.tcp.baddynamic", port.TCP},
	{"net.inet.udp.baddynamic", port.UDP},
}

// systemsOf are the systems that have a setting, as in Platform.OS; none for a name that
// is not read.
func systemsOf(key string) []string {
	if slices.Contains(linuxKeys[:], key) {
		return []string{"linux"}
	}
	for _, e := range unixEnds {
		if key == e.first || key == e.last {
			return e.systems
		}
	}
	for _, b := range badDynamic {
		if key == b.key {
			return []string{"openbsd"}
		}
	}
	if key == osType {
		return []string{"freebsd", "openbsd", "netbsd", "darwin"}
	}
	return nil
}

// osType is the setting that tells macOS ("Darwin") from FreeBSD.
const osType = "kern.ostype"

// A Setting is a kernel setting and the value that a line gives it.
type Setting struct {
	Key   string      // with dots, "net.ipv4.ip_local_port_range"
	Value source.Span // without blanks around; empty when nothing is written
}

// ParseSysctlConf reads the assignments of a file in the format of sysctl.conf(5) and
// sysctl.d(5), in their order. Only the settings that say something about ports are
// kept. Lines that assign nothing are skipped: comments, exclusions ("-key"), and what
// sysctl itself refuses. Patterns in keys are not expanded.
func ParseSysctlConf(f *source.File) []Setting {
	var out []Setting
	for start, end := range lines(f.Text) {
		text := f.Text[start:end]
		cut := bytes.IndexByte(text, '=')
		if text[0] == '#' || text[0] == ';' || cut < 0 {
			continue
		}
		written := bytes.TrimSpace(bytes.TrimPrefix(text[:cut], []byte("-"))) // "-" ignores errors
		if len(written) > maxKey {
			continue
		}
		if key := dotted(string(written)); systemsOf(key) != nil {
			value := trim(f.Text, start+cut+1, end)
			out = append(out, Setting{key, f.Span(value[0], value[1])})
		}
	}
	return out
}

// maxKey is longer than every setting we know, in bytes.
const maxKey = 100

// dotted is a key with dots between its parts. When the first separator is a slash,
// dots are literal, and slashes stand for them otherwise (sysctl.d(5)).
func dotted(key string) string {
	if i := strings.IndexAny(key, "./"); i < 0 || key[i] == '.' {
		return key
	}
	return strings.Map(func(r rune) rune {
		switch r {
		case '/':
			return '.'
		case '.':
			return '/'
		}
		return r
	}, key)
}

// ParseSysctlOutput reads what the command sysctl prints: "key = value" on Linux and
// NetBSD, "key: value" on FreeBSD and macOS, "key=value" on OpenBSD; and what the command
// no of AIX prints, "key = value". Only the settings
// that say something about ports are kept, in their order.
func ParseSysctlOutput(f *source.File) []Setting {
	var out []Setting
	for start, end := range lines(f.Text) {
		text := f.Text[start:end]
		cut := bytes.IndexAny(text, "=:")
		if cut < 0 {
			continue
		}
		key := string(bytes.TrimSpace(text[:min(cut, maxKey)]))
		if systemsOf(key) == nil {
			continue
		}
		value := trim(f.Text, start+cut+1, end)
		out = append(out, Setting{key, f.Span(value[0], value[1])})
	}
	return out
}

// last is the assignment of key that counts, because each one replaces those before.
func last(settings []Setting, key string) (Setting, bool) {
	for _, s := range slices.Backward(settings) {
		if s.Key == key {
			return s, true
		}
	}
	return Setting{}, false
}

// ParseLocalPortRange reads a value of Linux's net.ipv4.ip_local_port_range: two port
// numbers with blanks between, both inclusive. Text behind the second number is
// ignored, and numbers may be octal or hexadecimal, because the kernel has it so
// (seen on Linux 6.18).
func ParseLocalPortRange(value string) (port.Range, error) {
	fields := strings.Fields(value)
	if len(fields) < 2 {
		return port.Range{}, fmt.Errorf("%s is not two port numbers", quote(value))
	}
	first, err := kernelPort(fields[0])
	if err != nil {
		return port.Range{}, err
	}
	end, err := kernelPort(fields[1])
	if err != nil {
		return port.Range{}, err
	}
	if first > end {
		return port.Range{}, fmt.Errorf("%s ends before it begins", quote(value))
	}
	if first == 0 {
		return port.Range{}, errors.New("port 0 cannot be handed out")
	}
	return port.Range{First: first, Last: end}, nil
}

// ParseLocalReservedPorts reads a value of Linux's net.ipv4.ip_local_reserved_ports, a
// list such as "1,2-4,10-10" or nothing at all. Blanks inside the list are an error:
// the kernel refuses them and keeps the list it had (seen on Linux 6.18).
func ParseLocalReservedPorts(value string) (port.Set, error) {
	value = strings.TrimSuffix(strings.TrimSpace(value), ",") // one comma at the end is accepted
	if value == "" {
		return port.Set{}, nil
	}
	if i := strings.IndexAny(value, " \t"); i >= 0 {
		return port.Set{}, fmt.Errorf("the kernel refuses blanks in a list of ports, as in %s", quote(value[max(0, i-6):]))
	}
	var ranges []port.Range
	for item := range strings.SplitSeq(value, ",") {
		lo, hi, dash := strings.Cut(item, "-")
		first, err := kernelPort(lo)
		if err != nil {
			return port.Set{}, err
		}
		end := first
		if dash {
			if end, err = kernelPort(hi); err != nil {
				return port.Set{}, err
			}
		}
		if first > end {
			return port.Set{}, fmt.Errorf("%s ends before it begins", quote(item))
		}
		ranges = append(ranges, port.Range{First: first, Last: end})
	}
	return port.Of(ranges...), nil
}

// ParseUnprivilegedPortStart reads a value of Linux's
// net.ipv4.ip_unprivileged_port_start, the first port that needs no privilege. Text
// behind the number is ignored as the kernel does.
func ParseUnprivilegedPortStart(value string) (int, error) {
	fields := strings.Fields(value)
	if len(fields) == 0 {
		return 0, errors.New("it is empty")
	}
	n, err := kernelPort(fields[0])
	return int(n), err
}

// kernelPort reads a number as the kernel reads what is written to a setting: "0x"
// means hexadecimal and a leading "0" octal.
func kernelPort(s string) (uint16, error) {
	digits, base := s, 10
	switch {
	case strings.HasPrefix(s, "0x"), strings.HasPrefix(s, "0X"):
		digits, base = s[2:], 16
	case len(s) > 1 && s[0] == '0':
		digits, base = s[1:], 8
	}
	n, err := strconv.ParseUint(digits, base, 16)
	if err != nil {
		return 0, fmt.Errorf("%s is not a port number from 0 to %d", quote(s), port.Max)
	}
	return uint16(n), nil
}

// parseEnds reads the two ends of a range. They may come in either order: a BSD kernel
// counts down when the first is the higher one.
func parseEnds(first, end string) (port.Range, error) {
	a, err := strconv.ParseUint(first, 10, 16)
	if err != nil {
		return port.Range{}, fmt.Errorf("%s is not a port number from 0 to %d", quote(first), port.Max)
	}
	b, err := strconv.ParseUint(end, 10, 16)
	if err != nil {
		return port.Range{}, fmt.Errorf("%s is not a port number from 0 to %d", quote(end), port.Max)
	}
	return port.Range{First: uint16(min(a, b)), Last: uint16(max(a, b))}, nil
}

// parseBadDynamic reads one of OpenBSD's lists.
func parseBadDynamic(value string) (port.Set, error) {
	list := strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' })
	return port.Parse(strings.Join(list, ","))
}
