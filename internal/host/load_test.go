package host

import (
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"portolan/internal/diag"
	"portolan/internal/port"
	"portolan/internal/source"
)

// told is findings as text, one a line.
func told(list diag.List) string {
	var out []string
	for _, d := range list {
		at := d.Span.Place()
		if at != "" {
			at += ": "
		}
		out = append(out, fmt.Sprintf("%s %s %s%s", d.Rule, d.Severity, at, d.Message))
	}
	return strings.Join(out, "\n")
}

func shipped(t testing.TB) Platforms {
	t.Helper()
	p, diags, err := LoadPlatforms(os.DirFS("../../policies"), "platforms.hcl")
	if err != nil || len(diags) > 0 {
		t.Fatalf("%v\n%s", err, told(diags))
	}
	return p
}

// tree is a host of the given files; "-> x" is a link to x.
func tree(files map[string]string) *source.Tree {
	m := fstest.MapFS{}
	for name, text := range files {
		if target, ok := strings.CutPrefix(text, "-> "); ok {
			m[name] = &fstest.MapFile{Mode: fs.ModeSymlink | 0o777, Data: []byte(target)}
		} else {
			m[name] = &fstest.MapFile{Data: []byte(text)}
		}
	}
	return source.NewTree(m)
}

// summary is facts as text: the platform, ranges that all protocols and families share
// in one line, and what else there is.
func summary(f Facts) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s from %s, unprivileged from %d\n", f.Platform, f.From, f.UnprivilegedStart)
	shared := len(f.Ephemeral) == 4 && !slices.ContainsFunc(f.Ephemeral, func(e Ephemeral) bool {
		return e.Ports != f.Ephemeral[0].Ports || e.From != f.Ephemeral[0].From
	})
	for i, e := range f.Ephemeral {
		switch {
		case !shared:
			fmt.Fprintf(&b, "%s v%d %s from %s\n", e.Proto, e.Family, e.Ports, e.From)
		case i == 0:
			fmt.Fprintf(&b, "all %s from %s\n", e.Ports, e.From)
		}
	}
	for _, x := range f.Shadowed {
		fmt.Fprintf(&b, "shadowed %s by %s\n", x.Span.Place(), x.By.Place())
	}
	for _, r := range f.Reserved {
		proto := ""
		if r.Proto != 0 {
			proto = r.Proto.String() + " "
		}
		fmt.Fprintf(&b, "reserved %s%s from %s\n", proto, r.Ports, r.From)
	}
	for _, x := range f.Excluded {
		fmt.Fprintf(&b, "excluded %s v%d %s %v from %s\n", x.Proto, x.Family, x.Ports, x.Administered, x.From)
	}
	return b.String()
}

func TestLoad(t *testing.T) {
	platforms := shipped(t)
	builtIn := map[string]string{}
	for _, id := range platforms.IDs() {
		p, _ := platforms.Lookup(id)
		builtIn[id] = p.Ephemeral[0].From
	}
	netBSD, _ := platforms.Facts("netbsd")
	builtInOf := func(id string, proto port.Proto) string {
		facts, _ := platforms.Facts(id)
		i := slices.IndexFunc(facts.Ephemeral, func(e Ephemeral) bool { return e.Proto == proto })
		return facts.Ephemeral[i].From
	}
	const dynamicTCP = "Protocol tcp Dynamic Port Range\n-------\nStart Port: 1024\nNumber of Ports: 13977\n"
	windowsDefault := func(proto string, family int) string {
		p, _ := platforms.Lookup("windows")
		for _, e := range p.Ephemeral {
			if e.Proto.String() == proto && int(e.Family) == family {
				return fmt.Sprintf("%s v%d 49152-65535 from %s\n", proto, family, e.From)
			}
		}
		return ""
	}
	for name, test := range map[string]struct {
		files map[string]string
		want  string
		diags string
	}{
		"nothing":      {map[string]string{"readme": "x"}, " from built-in, unprivileged from -1\n", ""},
		"a folder etc": {map[string]string{"etc/hosts": ""}, "linux from built-in, unprivileged from 1024\nall 32768-60999 from " + builtIn["linux"] + "\n", ""},
		"live values before all others": {
			map[string]string{
				"proc/sys/net/ipv4/ip_local_port_range":        "32768\t60999\n",
				"proc/sys/net/ipv4/ip_local_reserved_ports":    "35000-35399,40000\n",
				"proc/sys/net/ipv4/ip_unprivileged_port_start": "80\n",
				"etc/sysctl.d/10-net.conf":                     "net.ipv4.ip_local_port_range = 1024 65000\n",
				"portolan/sysctl.txt":                          "net.ipv4.ip_local_port_range = 9000 65500\n",
			},
			"linux from files, unprivileged from 80\nall 32768-60999 from proc/sys/net/ipv4/ip_local_port_range:1\n" +
				"reserved 35000-35399,40000 from proc/sys/net/ipv4/ip_local_reserved_ports:1\n", "",
		},
		"captured values before those of the boot": {
			map[string]string{
				"etc/sysctl.d/10-net.conf": "net.ipv4.ip_local_port_range = 1024 65000\nnet.ipv4.ip_local_reserved_ports = 5060\n",
				"portolan/sysctl.txt":      "$ sysctl -a\nnet.ipv4.ip_local_port_range = 9000\t65500\n",
			},
			"linux from files, unprivileged from 1024\nall 9000-65500 from portolan/sysctl.txt:2\nreserved 5060 from etc/sysctl.d/10-net.conf:2\n", "",
		},
		"the folder of a file does not matter, its name does": {
			map[string]string{
				"etc/sysctl.d/10-a.conf":     "net.ipv4.ip_local_port_range = 10000 10001\n",
				"usr/lib/sysctl.d/50-b.conf": "\nnet.ipv4.ip_local_port_range = 20000 20001\nnet.ipv4.ip_local_port_range = 21000 21001\n",
				"run/sysctl.d/30-c.conf":     "net.ipv4.ip_local_port_range = 30000 30001\n",
				"etc/sysctl.d/99.disabled":   "net.ipv4.ip_local_port_range = 40000 40001\n",
			},
			"linux from files, unprivileged from 1024\nall 21000-21001 from usr/lib/sysctl.d/50-b.conf:3\nshadowed etc/sysctl.d/10-a.conf:1 by usr/lib/sysctl.d/50-b.conf:3\n", "",
		},
		"etc hides run hides usr/local/lib hides usr/lib": {
			map[string]string{
				"etc/sysctl.d/1.conf":           "net.ipv4.ip_local_port_range = 10000 10001\n",
				"run/sysctl.d/1.conf":           "net.ipv4.ip_local_port_range = 20000 20001\nnet.ipv4.ip_local_reserved_ports = 1\n",
				"run/sysctl.d/2.conf":           "net.ipv4.ip_local_port_range = 21000 21001\n",
				"usr/local/lib/sysctl.d/2.conf": "net.ipv4.ip_local_reserved_ports = 2\n",
				"usr/local/lib/sysctl.d/3.conf": "net.ipv4.ip_local_port_range = 30000 30001\n",
				"usr/lib/sysctl.d/3.conf":       "net.ipv4.ip_local_reserved_ports = 3\n",
			},
			"linux from files, unprivileged from 1024\nall 30000-30001 from usr/local/lib/sysctl.d/3.conf:1\nshadowed etc/sysctl.d/1.conf:1 by usr/local/lib/sysctl.d/3.conf:1\n", "",
		},
		"a link to nothing hides": {
			map[string]string{
				"etc/sysctl.d/1.conf":        "-> /dev/null",
				"usr/lib/sysctl.d/1.conf":    "net.ipv4.ip_local_port_range = 30000 30001\n",
				"usr/lib/sysctl.d/link.conf": "-> ../../../etc/real",
				"etc/real":                   "net.ipv4.ip_local_port_range = 7000 8000\n",
			},
			"linux from files, unprivileged from 1024\nall 7000-8000 from usr/lib/sysctl.d/link.conf:1\n", "",
		},
		"etc/sysctl.conf is last": {
			map[string]string{
				"etc/sysctl.d/zz.conf": "net.ipv4.ip_local_port_range = 10000 10001\n",
				"etc/sysctl.conf":      "net/ipv4/ip_local_port_range = 15000 16001\n",
			},
			"linux from files, unprivileged from 1024\nall 15000-16001 from etc/sysctl.conf:1\nshadowed etc/sysctl.d/zz.conf:1 by etc/sysctl.conf:1\n", "",
		},
		"a file that a link names twice takes nothing back": {
			map[string]string{
				"etc/sysctl.d/99-sysctl.conf": "-> ../sysctl.conf",
				"etc/sysctl.conf":             "net.ipv4.ip_local_port_range = 10000 10001\nnet.ipv4.ip_local_port_range = 15000 16001\n",
			},
			"linux from files, unprivileged from 1024\nall 15000-16001 from etc/sysctl.conf:2\nshadowed etc/sysctl.conf:1 by etc/sysctl.conf:2\n", "",
		},
		"a line that says the same, or more, takes nothing back": {
			map[string]string{
				"proc/sys/net/ipv4/ip_local_port_range":        "10000 10001",
				"etc/sysctl.d/1.conf":                          "net.ipv4.ip_local_port_range = 15000 16001\nnet.ipv4.ip_unprivileged_port_start = 80\n",
				"etc/sysctl.d/2.conf":                          "net.ipv4.ip_local_port_range = 15000\t16001\nnet.ipv4.ip_unprivileged_port_start = x\n",
				"proc/sys/net/ipv4/ip_unprivileged_port_start": "1024",
			},
			"linux from files, unprivileged from 1024\nall 10000-10001 from proc/sys/net/ipv4/ip_local_port_range:1\n", "",
		},
		"the list of a later file does not add to that of an earlier one, also where the kernel has both for now": {
			map[string]string{
				"proc/sys/net/ipv4/ip_local_port_range":     "10000 10001",
				"etc/sysctl.d/1.conf":                       "net.ipv4.ip_local_reserved_ports = 5,6\n",
				"etc/sysctl.d/2.conf":                       "net.ipv4.ip_local_reserved_ports = 7\n",
				"etc/sysctl.d/3.conf":                       "net.ipv4.ip_local_reserved_ports = 5-6\n",
				"proc/sys/net/ipv4/ip_local_reserved_ports": "5-7",
			},
			"linux from files, unprivileged from 1024\nall 10000-10001 from proc/sys/net/ipv4/ip_local_port_range:1\nshadowed etc/sysctl.d/2.conf:1 by etc/sysctl.d/3.conf:1\nreserved 5-7 from proc/sys/net/ipv4/ip_local_reserved_ports:1\n", "",
		},
		"broken values": {
			map[string]string{
				"proc/sys/net/ipv4/ip_local_port_range": "",
				"etc/sysctl.d/1.conf":                   "net.ipv4.ip_local_port_range = 10000 10001\n",
				"etc/sysctl.d/2.conf":                   "net.ipv4.ip_local_port_range = 5 4\nnet.ipv4.ip_local_reserved_ports = 35000, 35001\nnet.ipv4.ip_unprivileged_port_start = x\n",
			},
			"linux from built-in, unprivileged from 1024\nall 32768-60999 from " + builtIn["linux"] + "\n",
			`broken-fact warning etc/sysctl.d/2.conf:3: net.ipv4.ip_unprivileged_port_start: "x" is not a port number from 0 to 65535; the built-in default is used instead` + "\n" +
				`broken-fact warning etc/sysctl.d/2.conf:2: net.ipv4.ip_local_reserved_ports: the kernel refuses blanks in a list of ports, as in "35000, 35001"; an empty list is used instead` + "\n" +
				`broken-fact warning proc/sys/net/ipv4/ip_local_port_range: net.ipv4.ip_local_port_range: "" is not two port numbers; 32768-60999, the ` + builtIn["linux"] + `, is used instead` + "\n" +
				`broken-fact warning etc/sysctl.d/2.conf:1: net.ipv4.ip_local_port_range: "5 4" ends before it begins; 32768-60999, the ` + builtIn["linux"] + `, is used instead`,
		},
		"a broken live value": {
			map[string]string{
				"proc/sys/net/ipv4/ip_local_port_range": "abc",
				"etc/sysctl.d/1.conf":                   "net.ipv4.ip_local_port_range = 10000 10001\n",
			},
			"linux from files, unprivileged from 1024\nall 10000-10001 from etc/sysctl.d/1.conf:1\n",
			`broken-fact warning proc/sys/net/ipv4/ip_local_port_range:1: net.ipv4.ip_local_port_range: "abc" is not two port numbers; the value from etc/sysctl.d/1.conf:1 is used instead`,
		},
		"a range that the kernel refuses": {
			map[string]string{"etc/sysctl.conf": "net.ipv4.ip_local_port_range = 1000 65000\n"},
			"linux from files, unprivileged from 1024\nall 1000-65000 from etc/sysctl.conf:1\n",
			"broken-fact warning etc/sysctl.conf:1: net.ipv4.ip_local_port_range begins below net.ipv4.ip_unprivileged_port_start, which is 1024: current kernels refuse it and keep the range they had",
		},
		"FreeBSD by its os-release": {
			map[string]string{"etc/os-release": "NAME=FreeBSD\nID=freebsd\n"},
			"freebsd from built-in, unprivileged from -1\nall 10000-65535 from " + builtIn["freebsd"] + "\n", "",
		},
		"a distribution by its os-release": {
			map[string]string{"etc/os-release": "NAME=Debian\nID=debian\n", "Program Files/x": ""},
			"linux from built-in, unprivileged from 1024\nall 32768-60999 from " + builtIn["linux"] + "\n", "",
		},
		"macOS": {
			map[string]string{"System/Library/CoreServices/x": "", "etc/hosts": "", "portolan/s": "net.inet.ip.portrange.first: 16384\nnet.inet.ip.portrange.last: 65535\n"},
			"macos from files, unprivileged from -1\nall 16384-65535 from portolan/s:1\n", "",
		},
		"NetBSD by its settings": {
			map[string]string{"portolan/s": "net.inet.ip.anonportmin = 50000\nnet.inet.ip.anonportmax = 60000\nnet.inet6.ip6.anonportmin = 51000\n"},
			"netbsd from files, unprivileged from -1\n" +
				"tcp v4 50000-60000 from portolan/s:1\ntcp v6 49152-65535 from " + netBSD.Ephemeral[1].From + "\n" +
				"udp v4 50000-60000 from portolan/s:1\nudp v6 49152-65535 from " + netBSD.Ephemeral[1].From + "\n",
			"broken-fact warning portolan/s:3: net.inet6.ip6.anonportmin and net.inet6.ip6.anonportmax are needed, both; the built-in default is used instead",
		},
		"Windows by its folders": {
			map[string]string{"c/WINDOWS/system32/x": ""},
			"windows-server from built-in, unprivileged from -1\n" + windowsDefault("tcp", 4) + windowsDefault("tcp", 6) + windowsDefault("udp", 4) + windowsDefault("udp", 6), "",
		},
		"Windows by its captures": {
			map[string]string{"portolan/ipv4.txt": dynamicTCP, "portolan/excl-udp-ipv4.txt": "udp\n----- -----\n25002 25101\n50000 50059 *\n50000 50059 *\n"},
			"windows-server from files, unprivileged from -1\ntcp v4 1024-15000 from portolan/ipv4.txt:3\n" +
				windowsDefault("tcp", 6) + windowsDefault("udp", 4) + windowsDefault("udp", 6) +
				"excluded udp v4 25002-25101 false from portolan/excl-udp-ipv4.txt:3\nexcluded udp v4 50000-50059 true from portolan/excl-udp-ipv4.txt:4\n", "",
		},
		"a family that nothing tells gives way to one that is told": {
			map[string]string{"Program Files/x": "", "portolan/a": dynamicTCP, "portolan/b-ipv6": strings.Replace(dynamicTCP, "13977", "1000", 1)},
			"windows-server from files, unprivileged from -1\ntcp v4 1024-15000 from portolan/a:3\ntcp v6 1024-2023 from portolan/b-ipv6:3\n" +
				windowsDefault("udp", 4) + windowsDefault("udp", 6), "",
		},
		"captures that disagree": {
			map[string]string{"Program Files/x": "", "portolan/a": dynamicTCP, "portolan/b": strings.Replace(dynamicTCP, "1024", "2000", 1)},
			"windows-server from files, unprivileged from -1\ntcp v4 1024-15000 from portolan/a:3\ntcp v4 2000-15976 from portolan/b:3\n" +
				"tcp v6 1024-15000 from portolan/a:3\ntcp v6 2000-15976 from portolan/b:3\n" + windowsDefault("udp", 4) + windowsDefault("udp", 6),
			"broken-fact warning portolan/b:3: two captures of the dynamic tcp ports of an IP version that nothing tells disagree, 1024-15000 and 2000-15976: both are used",
		},
		"Windows by PowerShell: UDP as netsh has it, profiles of TCP, and ports that TCP takes again": {
			map[string]string{"portolan/tcp.json": tcpJSON, "portolan/udp.json": utf16le(udpJSON)},
			"windows-server from files, unprivileged from -1\n" +
				"tcp v4 1024-65534 from portolan/tcp.json:18\ntcp v4 10000-59999 from portolan/tcp.json:13\ntcp v4 49152-65535 from portolan/tcp.json:11\n" +
				"tcp v6 1024-65534 from portolan/tcp.json:18\ntcp v6 10000-59999 from portolan/tcp.json:13\ntcp v6 49152-65535 from portolan/tcp.json:11\n" +
				"udp v4 6005-65534 from portolan/udp.json:8\nudp v6 6005-65534 from portolan/udp.json:8\n", "",
		},
		"netsh knows the family, so it comes first": {
			map[string]string{"portolan/ipv4": dynamicTCP, "portolan/tcp.json": tcpJSON},
			"windows-server from files, unprivileged from -1\n" +
				"tcp v4 1024-15000 from portolan/ipv4:3\ntcp v4 10000-59999 from portolan/tcp.json:13\n" +
				"tcp v6 1024-65534 from portolan/tcp.json:18\ntcp v6 10000-59999 from portolan/tcp.json:13\ntcp v6 49152-65535 from portolan/tcp.json:11\n" +
				windowsDefault("udp", 4) + windowsDefault("udp", 6), "",
		},
		"Solaris by ipadm": {
			map[string]string{"portolan/x": "tcp smallest_anon_port rw 9000 -- 32768 -\ntcp largest_anon_port rw 65500 -- 65535 -\nudp smallest_anon_port rw ? -- 32768 -\nudp largest_anon_port rw 65500 -- 65535 -\n"},
			"solaris from files, unprivileged from -1\ntcp v4 9000-65500 from portolan/x:1\ntcp v6 9000-65500 from portolan/x:1\n" +
				"udp v4 32768-65535 from " + builtInOf("solaris", port.UDP) + "\nudp v6 32768-65535 from " + builtInOf("solaris", port.UDP) + "\n",
			`broken-fact warning portolan/x:3: "?" is not a port number from 0 to 65535; the built-in default is used instead`,
		},
		"AIX by no": {
			map[string]string{"portolan/no": "tcp_ephemeral_low = 9000\ntcp_ephemeral_high = 65500\nudp_ephemeral_low = 9000\nudp_ephemeral_high = 65500\n"},
			"aix from files, unprivileged from -1\ntcp v4 9000-65500 from portolan/no:1\ntcp v6 9000-65500 from portolan/no:1\nudp v4 9000-65500 from portolan/no:3\nudp v6 9000-65500 from portolan/no:3\n", "",
		},
		"OpenBSD spares ports of one protocol": {
			map[string]string{"bsd": "", "portolan/sysctl": "net.inet.udp.baddynamic=623,5060\nnet.inet.tcp.baddynamic=x\n"},
			"openbsd from files, unprivileged from -1\nall 1024-49151 from " + builtIn["openbsd"] + "\nreserved udp 623,5060 from portolan/sysctl:1\n",
			`broken-fact warning portolan/sysctl:2: net.inet.tcp.baddynamic: "x" is not a port number; an empty list is used instead`,
		},
		"settings of another Unix": {
			map[string]string{"bin/freebsd-version": "", "portolan/no": "tcp_ephemeral_low = 9000\ntcp_ephemeral_high = 65500\n"},
			"freebsd from built-in, unprivileged from -1\nall 10000-65535 from " + builtIn["freebsd"] + "\n",
			"broken-fact warning portolan/no: tcp_ephemeral_low is no setting of FreeBSD, so it is ignored",
		},
		"captures of another system": {
			map[string]string{"etc/os-release": "ID=debian\n", "portolan/a": dynamicTCP, "portolan/b": "net.inet.ip.portfirst=1024\n", "portolan/c": "?"},
			"linux from built-in, unprivileged from 1024\nall 32768-60999 from " + builtIn["linux"] + "\n",
			"unknown-capture warning portolan/c: this is no output of a command that portolan knows\n" +
				"broken-fact warning portolan/a: netsh is no command of Linux 4.2 and later, so its output is ignored\n" +
				"broken-fact warning portolan/b: net.inet.ip.portfirst is no setting of Linux 4.2 and later, so it is ignored",
		},
		"a folder of captures": {
			map[string]string{"etc/hosts": "", "portolan/sub/x": "", "portolan/empty": ""},
			"linux from built-in, unprivileged from 1024\nall 32768-60999 from " + builtIn["linux"] + "\n",
			"broken-fact error portolan/empty: the captured output is empty, so the command failed\n" +
				"broken-fact warning portolan/sub: cannot be read: it is a folder, not a regular file",
		},
	} {
		t.Run(name, func(t *testing.T) {
			facts, diags, err := Load(tree(test.files), platforms)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, summary(facts)); diff != "" {
				t.Errorf("facts (-want +got)\n%s", diff)
			}
			if diff := cmp.Diff(test.diags, told(diags)); diff != "" {
				t.Errorf("findings (-want +got)\n%s", diff)
			}
		})
	}
}

// TestLoadTunedHosts holds the ranges that products set when they are installed, by the
// files and the output they are met in. Each of them reaches over 20000 and 25000.
func TestLoadTunedHosts(t *testing.T) {
	netsh := func(start, count string) map[string]string {
		files := map[string]string{}
		for _, proto := range []string{"tcp", "udp"} {
			for _, family := range []string{"ipv4", "ipv6"} {
				files["portolan/dynamicport-"+family+"-"+proto+".txt"] = "\nProtocol " + proto + " Dynamic Port Range\n---------------------------------\n" +
					"Start Port      : " + start + "\nNumber of Ports : " + count + "\n\n"
			}
		}
		return files
	}
	linux := func(name, value string) map[string]string {
		return map[string]string{"etc/os-release": "ID=ol\n", name: "fs.file-max = 6815744\nnet.ipv4.ip_local_port_range = " + value + "\n"}
	}
	for name, test := range map[string]struct {
		files    map[string]string
		platform string
		want     string
	}{
		// https://docs.oracle.com/en/database/oracle/oracle-database/26/xeinl/requirements/server-component-kernel-parameter-requirements.html
		"Oracle Database": {linux("etc/sysctl.d/97-oracle-database-sysctl.conf", "9000 65500"), "linux", "9000-65500"},
		// https://github.com/Azure/SAP-on-Azure-Scripts-and-Utilities/issues/42
		"SAP HANA": {linux("etc/sysctl.d/90-sap.conf", "9000 65499"), "linux", "9000-65499"},
		// https://github.com/kubernetes/kops/issues/6342
		"kops": {linux("etc/sysctl.d/99-k8s-general.conf", "10240 65535"), "linux", "10240-65535"},
		// https://github.com/crowbar/barclamp-network/pull/215
		"crowbar": {linux("etc/sysctl.conf", "1024 65000"), "linux", "1024-65000"},
		// https://learn.microsoft.com/troubleshoot/windows-server/networking/default-dynamic-port-range-tcpip-chang
		"Exchange 2007": {netsh("1025", "58976"), "windows-server", "1025-60000"},
		// http://www.1ask2.com/Exchange2010/aPower/StaticPortCAS.html
		"Exchange 2010": {netsh("6005", "59530"), "windows-server", "6005-65534"},
		// https://github.com/actions/runner-images/pull/1442
		"Visual Studio": {netsh("1024", "64511"), "windows-server", "1024-65534"},
	} {
		facts, diags, err := Load(tree(test.files), shipped(t))
		if err != nil || len(diags) > 0 || facts.Platform != test.platform {
			t.Errorf("%s: %q %v\n%s", name, facts.Platform, err, told(diags))
		}
		for _, proto := range port.Protos {
			if got := facts.EphemeralPorts(proto).String(); got != test.want {
				t.Errorf("%s: %s %s, want %s", name, proto, got, test.want)
			}
		}
	}
}

func TestLoadOfNoTree(t *testing.T) {
	broken := source.NewTree(os.DirFS(t.TempDir() + "/missing/\x00"))
	if _, _, err := Load(broken, Platforms{}); err == nil {
		t.Error("want an error")
	}
}

// TestLoadWindowsHost holds the captures of the shipped Windows host together with the
// conflict that they are there for.
func TestLoadWindowsHost(t *testing.T) {
	root, err := source.OpenTree("../../testdata/hosts/win-ivr")
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	facts, diags, err := Load(root, shipped(t))
	if err != nil || len(diags) > 0 || facts.Platform != "windows-server" {
		t.Fatalf("%q %v\n%s", facts.Platform, err, told(diags))
	}
	for _, e := range facts.Ephemeral {
		if !strings.HasPrefix(e.From, "portolan/dynamicport-ipv") || e.Ports.String() != "49152-65535" {
			t.Errorf("%v", e)
		}
	}
	hit := 0
	for _, x := range facts.Excluded {
		if x.Proto == port.UDP && !x.Administered && x.Ports.Overlaps(port.Range{First: 25000, Last: 25399}) {
			hit++
		}
	}
	if hit != 4 {
		t.Errorf("%d excluded blocks lie over 25000-25399/udp, want 4", hit)
	}
	if got := facts.EphemeralPorts(port.UDP).String(); got != "49152-65535" {
		t.Errorf("udp %s", got) // IPv6 has no exclusion over 50000-50059
	}
}

func TestCollect(t *testing.T) {
	facts, diags, err := Collect(t.Context(), shipped(t))
	if err != nil || len(diags) > 0 {
		t.Fatalf("%v\n%s", err, told(diags))
	}
	for _, p := range port.Protos {
		if facts.EphemeralPorts(p).IsEmpty() {
			t.Errorf("no ephemeral ports of %s", p)
		}
	}
	if _, ok := shipped(t).Lookup(facts.Platform); !ok {
		t.Errorf("platform %q", facts.Platform)
	}
}
