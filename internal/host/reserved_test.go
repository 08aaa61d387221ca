package host

import (
	"fmt"
	"strings"
	"testing"
)

// TestReservedAt finds the place of the list of reserved ports in the files of a host: the
// line that counts at boot, where somebody wrote it into etc, or a name behind all lines.
func TestReservedAt(t *testing.T) {
	const set = "net.ipv4.ip_local_reserved_ports = "
	for name, test := range map[string]struct {
		files map[string]string
		want  string
	}{
		"nobody":              {map[string]string{"etc/hosts": ""}, "new etc/sysctl.d/60-portolan-reserved-ports.conf, reserved , counts true"},
		"a line in etc":       {map[string]string{"etc/sysctl.d/10-a.conf": "x = 1\n" + set + "80,90-91 \n"}, `"80,90-91" at etc/sysctl.d/10-a.conf:2, reserved 80,90-91, counts true`},
		"an empty list":       {map[string]string{"etc/sysctl.conf": set + "\n"}, `"" at etc/sysctl.conf:1, reserved , counts true`},
		"the last of several": {map[string]string{"etc/sysctl.d/1.conf": set + "1\n" + set + "2\n", "usr/lib/sysctl.d/0.conf": set + "3\n"}, `"2" at etc/sysctl.d/1.conf:2, reserved 2, counts true`},
		"a package":           {map[string]string{"etc/hosts": "", "usr/lib/sysctl.d/50-x.conf": set + "3\n"}, "new etc/sysctl.d/60-portolan-reserved-ports.conf, reserved 3, counts true"},
		"a package behind":    {map[string]string{"etc/sysctl.d/1.conf": set + "1\n", "usr/lib/sysctl.d/70-x.conf": set + "3\n"}, "new etc/sysctl.d/99-portolan-reserved-ports.conf, reserved 3, counts true"},
		"a package far behind": {map[string]string{"etc/hosts": "", "usr/lib/sysctl.d/99-x.conf": set + "3\n"},
			"new etc/sysctl.d/zz-portolan-reserved-ports.conf, reserved 3, counts true"},
		"no name is behind": {map[string]string{"usr/lib/sysctl.d/zzz.conf": set + "3\n"}, "none"},
		"a name is taken": {map[string]string{"etc/hosts": "", "usr/lib/sysctl.d/60-portolan-reserved-ports.conf": "x = 1\n"},
			"new etc/sysctl.d/99-portolan-reserved-ports.conf, reserved , counts true"},
		"a name is taken by a link to nothing": {map[string]string{"etc/sysctl.d/60-portolan-reserved-ports.conf": "-> /nowhere"},
			"new etc/sysctl.d/99-portolan-reserved-ports.conf, reserved , counts true"},
		"a link out of etc": {map[string]string{"etc/sysctl.d/10-a.conf": "-> ../../usr/share/a", "usr/share/a": set + "7\n"},
			"new etc/sysctl.d/60-portolan-reserved-ports.conf, reserved 7, counts true"},
		"a link in etc":                {map[string]string{"etc/sysctl.d/10-a.conf": "-> ../a", "etc/a": set + "7\n"}, `"7" at etc/sysctl.d/10-a.conf:1, reserved 7, counts true`},
		"a list that is refused":       {map[string]string{"etc/sysctl.d/10-a.conf": set + "7, 8\n"}, "none"},
		"a file that cannot be read":   {map[string]string{"etc/sysctl.d/10-a.conf/x": ""}, "none"},
		"the running system has none":  {map[string]string{"etc/hosts": "", "proc/sys/net/ipv4/ip_local_reserved_ports": "\n"}, "new etc/sysctl.d/60-portolan-reserved-ports.conf, reserved , counts false"},
		"the running system has one":   {map[string]string{"etc/sysctl.conf": set + "5", "proc/sys/net/ipv4/ip_local_reserved_ports": "5\n"}, `"5" at etc/sysctl.conf:1, reserved 5, counts false`},
		"a capture has one":            {map[string]string{"etc/hosts": "", "portolan/s": set + "5\n"}, "new etc/sysctl.d/60-portolan-reserved-ports.conf, reserved , counts false"},
		"the running system is broken": {map[string]string{"etc/sysctl.conf": set + "5", "proc/sys/net/ipv4/ip_local_reserved_ports": "x\n"}, `"5" at etc/sysctl.conf:1, reserved 5, counts true`},
		"another system":               {map[string]string{"etc/os-release": "ID=freebsd\n", "etc/sysctl.conf": set + "5\n"}, "none"},
	} {
		t.Run(name, func(t *testing.T) {
			facts, _, err := Load(tree(test.files), shipped(t))
			if err != nil {
				t.Fatal(err)
			}
			got := "none"
			if at := facts.ReservedAt; at != nil {
				got = fmt.Sprintf("%q at %s", at.Value.Text(), at.Value.Place())
				if at.New != nil {
					got = "new " + at.New.Name
				}
				got += fmt.Sprintf(", reserved %s, counts %v", at.Ports, at.Counts)
			}
			if got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

// TestManyShadowed bounds what is said of lines that later ones replace.
func TestManyShadowed(t *testing.T) {
	var b strings.Builder
	for i := range 50_000 {
		fmt.Fprintf(&b, "net.ipv4.ip_local_reserved_ports = %d\n", i+1)
	}
	facts, _, err := Load(tree(map[string]string{"etc/sysctl.d/1.conf": b.String()}), shipped(t))
	if err != nil || len(facts.Shadowed) != 100 || facts.Shadowed[0].Lost.String() != "1" {
		t.Errorf("%d, %v", len(facts.Shadowed), err)
	}
}

// TestManyCaptures bounds the sockets of all captures together.
func TestManyCaptures(t *testing.T) {
	var b strings.Builder
	for i := range 30_000 {
		fmt.Fprintf(&b, "udp UNCONN 0 0 10.0.%d.%d:%d 0.0.0.0:*\n", i>>8, i&255, i+1)
	}
	files := map[string]string{"etc/hosts": ""}
	for i := range 5 {
		files[fmt.Sprintf("portolan/%d", i)] = strings.ReplaceAll(b.String(), "10.0", fmt.Sprintf("10.%d", i))
	}
	facts, _, err := Load(tree(files), shipped(t))
	if err != nil || len(facts.Listeners) != maxListeners {
		t.Errorf("%d, %v", len(facts.Listeners), err)
	}
}

// TestEphemeralSpan points at the line that tunes the range, also where the running system
// says the same.
func TestEphemeralSpan(t *testing.T) {
	const tuned = "net.ipv4.ip_local_port_range = 1024 65000\n"
	for name, test := range map[string]struct {
		files   map[string]string
		span    string
		untuned string
	}{
		"nobody":                {map[string]string{"etc/hosts": ""}, "", "0"},
		"a line":                {map[string]string{"etc/sysctl.d/1.conf": tuned}, "etc/sysctl.d/1.conf:1", "32768-60999"},
		"the running system":    {map[string]string{"proc/sys/net/ipv4/ip_local_port_range": "1024\t65000\n", "etc/sysctl.d/1.conf": tuned}, "etc/sysctl.d/1.conf:1", "32768-60999"},
		"the system has others": {map[string]string{"proc/sys/net/ipv4/ip_local_port_range": "1025\t65000\n", "etc/sysctl.d/1.conf": tuned}, "proc/sys/net/ipv4/ip_local_port_range:1", "32768-60999"},
		"FreeBSD":               {map[string]string{"etc/os-release": "ID=freebsd\n", "portolan/s": "net.inet.ip.portrange.first: 5000\nnet.inet.ip.portrange.last: 65535\n"}, "portolan/s:1", "10000-65535"},
		"Windows": {map[string]string{"portolan/ipv4.txt": "Protocol tcp Dynamic Port Range\n-------\nStart Port: 1024\nNumber of Ports: 13977\n"},
			"portolan/ipv4.txt:3", "49152-65535"},
	} {
		facts, _, err := Load(tree(test.files), shipped(t))
		if err != nil {
			t.Fatal(err)
		}
		if e := facts.Ephemeral[0]; e.Span.Place() != test.span || e.Untuned.String() != test.untuned {
			t.Errorf("%s: %s, instead of %s", name, e.Span.Place(), e.Untuned)
		}
	}
}
