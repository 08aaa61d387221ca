package inventory_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"pgregory.net/rapid"

	"portolan/internal/catalog"
	"portolan/internal/diag"
	"portolan/internal/inventory"
	"portolan/internal/port"
	"portolan/internal/source"
	"portolan/services"
)

// loaded is our catalog, of which each description is parsed once for all tests: reading a host
// changes none.
var loaded = sync.OnceValues(func() (*catalog.Catalog, error) {
	cat, _, err := catalog.Load(services.FS)
	return cat, err
})

func ours(t testing.TB) *catalog.Catalog {
	t.Helper()
	cat, err := loaded()
	if err != nil {
		t.Fatal(err)
	}
	return cat
}

// read builds the inventory of one media_server.conf.
func read(t testing.TB, text string) (*inventory.Inventory, diag.List) {
	t.Helper()
	tree := source.NewTree(fstest.MapFS{"etc/lumenvox/media_server.conf": {Data: []byte(text)}})
	inv, diags, err := inventory.Read(ours(t), tree, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	return inv, diags
}

func TestBindsOverlap(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"*", "127.0.0.1", true}, {"*", "::1", true}, {"::", "10.0.0.5", true}, {"0.0.0.0", "10.0.0.5", true}, {"0.0.0.0", "::1", false},
		{"0.0.0.0", "::", true}, {"127.0.0.1", "10.0.0.5", false}, {"10.0.0.5", "10.0.0.5", true}, {"::ffff:10.0.0.5", "10.0.0.5", true},
		{"0:0:0:0:0:0:0:1", "::1", true}, {"localhost", "127.0.0.1", true}, {"localhost", "::1", true}, {"localhost", "10.0.0.5", false},
		{"localhost", "0.0.0.0", true}, {"eth0", "eth0", true}, {"eth0", "eth1", false}, {"eth0", "*", true}, {"eth0", "0.0.0.0", true},
		{"eth0", "10.0.0.5", false}, {"LOCALHOST", "localhost", true},
		{"0.0.0.0", inventory.AnyV6, false}, {"10.0.0.5", inventory.AnyV6, false}, {"::1", inventory.AnyV6, true}, {"eth0", inventory.AnyV6, true},
	} {
		if got := inventory.BindsOverlap([]string{c.a}, []string{c.b}); got != c.want {
			t.Errorf("%s and %s: %v", c.a, c.b, got)
		}
		if got := inventory.BindsOverlap([]string{c.b}, []string{"192.0.2.1", c.a}); got != c.want && c.b != "*" && c.b != "::" && c.b != "0.0.0.0" {
			t.Errorf("%s and %s: %v", c.b, c.a, got)
		}
	}
	if inventory.BindsOverlap(nil, []string{"*"}) {
		t.Error("no address overlaps with nothing")
	}
}

// TestOrderAndCommentsChangeNothing: reordering sections and settings, and adding
// comments and blank lines, changes no claim but its places.
func TestOrderAndCommentsChangeNothing(t *testing.T) {
	settings := []string{
		"VERSION = 11.3.100", "rtp_server_port_base = default", "mrcp_server_port_base = 22000", "mrcp_server_resmax = 150",
		"sip_port = 5070", "rtsp_port = 0", "monitoring_port = default", "sre_ip = 10.0.0.9",
	}
	describe := func(t *rapid.T, text string) []string {
		tree := source.NewTree(fstest.MapFS{"etc/lumenvox/media_server.conf": {Data: []byte(text)}})
		cat, err := loaded()
		if err != nil {
			t.Fatal(err)
		}
		inv, _, err := inventory.Read(cat, tree, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for i := range inv.Claims {
			line, _, _ := strings.Cut(inv.Claims[i].Describe(), " L")
			out = append(out, line)
		}
		slices.Sort(out)
		return out
	}
	rapid.Check(t, func(t *rapid.T) {
		plain := "[GLOBAL]\n" + strings.Join(settings, "\n") + "\n[MRCP]\nx = 1\n"
		var b strings.Builder
		noise := func() {
			b.WriteString(rapid.SampledFrom([]string{"", "\n", "# rtp_server_port_base = 9\n", "#* Default Value: 1\r\n\r\n"}).Draw(t, "noise"))
		}
		noise()
		if rapid.Bool().Draw(t, "other first") {
			b.WriteString("[MRCP]\nx = 1\n")
		}
		b.WriteString("[GLOBAL]\n")
		for _, s := range rapid.Permutation(settings).Draw(t, "order") {
			noise()
			b.WriteString(s + rapid.SampledFrom([]string{"\n", "\r\n", "  \n"}).Draw(t, "end"))
		}
		if a, z := describe(t, plain), describe(t, b.String()); !slices.Equal(a, z) {
			t.Fatalf("got %q, want %q", z, a)
		}
	})
}

// TestFiveDifferentAnswers: missing, empty, the word default, 0 and invalid.
func TestFiveDifferentAnswers(t *testing.T) {
	for line, want := range map[string]string{
		"":                   "sip udp * 5060 default",
		"sip_port = default": "sip udp * 5060 default L3",
		"sip_port = DEFAULT": "sip udp * 5060 default L3",
		"sip_port = 5070":    "sip udp * 5070 config L3",
		"SIP_PORT = 5070":    "sip udp * 5070 config L3",
		"sip_port = 0":       "closed",
		"sip_port =":         "not known",
		"sip_port = x":       "not known",
		"sip_port = 65536":   "not known",
		"sip_port = -1":      "not known",
		"sip_port = @SIP@":   "not known",
	} {
		inv, diags := read(t, "[GLOBAL]\nVERSION = 12.1\n"+line+"\n")
		got := "closed"
		for i := range inv.Claims {
			if c := &inv.Claims[i]; c.Listen == "sip" && c.Proto == port.UDP {
				got = c.Describe()
			}
		}
		partial := inv.Files[0].Status == inventory.Partial
		if got == "closed" && partial {
			got = "not known"
			if len(diags) != 1 || diags[0].Span.Position().Line != 3 {
				t.Errorf("%q: findings %+v", line, diags)
			}
		}
		if got != want {
			t.Errorf("%q: %s, want %s", line, got, want)
		}
	}
}

func TestDuplicatesAreReported(t *testing.T) {
	_, diags := read(t, "[GLOBAL]\nVERSION = 12.1\nsip_port = 5060\nsip_port = 5070\n")
	if len(diags) != 1 || diags[0].Rule != "ambiguous-line" || diags[0].Span.Position().Line != 3 || len(diags[0].Related) != 1 {
		t.Errorf("findings %+v", diags)
	}
	if _, diags := read(t, "[GLOBAL]\nVERSION = 12.1\nsip_port = 5060\nsip_port = 5060\n"); len(diags) != 0 {
		t.Errorf("the same twice: %+v", diags)
	}
}

func TestNoVersionMeansNoGuess(t *testing.T) {
	inv, diags := read(t, "[GLOBAL]\nrtp_server_port_base = default\nmrcp_server_port_base = 20000\n")
	if inv.Files[0].Status != inventory.Partial || len(diags) != 1 || diags[0].Rule != "unknown-default" || !strings.Contains(diags[0].Notes[0], "does not say its version") {
		t.Errorf("%v, %+v", inv.Files, diags)
	}
}

func TestCompoundProvenance(t *testing.T) {
	inv, _ := read(t, "[GLOBAL]\nVERSION = 12.1\nrtp_server_port_base = 26000\nnum_channels = 300\n")
	for i := range inv.Claims {
		if c := &inv.Claims[i]; c.Listen == "rtp" {
			var lines []int
			for _, b := range c.Because {
				lines = append(lines, b.Span.Position().Line)
			}
			if !slices.Equal(lines, []int{3, 4}) || c.Setting != "rtp_server_port_base" || c.Ports != (port.Range{First: 26000, Last: 26599}) {
				t.Errorf("because of lines %v, setting %s, %s", lines, c.Setting, c.Ports)
			}
			return
		}
	}
	t.Error("no RTP")
}

// TestIncludesOfSSH: an Include that cannot be followed makes the default unknown.
func TestIncludesOfSSH(t *testing.T) {
	tree := source.NewTree(fstest.MapFS{
		"etc/ssh/sshd_config":                {Data: []byte("Include /etc/ssh/sshd_config.d/*.conf\n")},
		"etc/ssh/sshd_config.d/10-port.conf": {Data: []byte("Port 2222\n")},
	})
	inv, _, err := inventory.Read(ours(t), tree, "", nil)
	if err != nil || len(inv.Claims) != 1 || inv.Claims[0].Ports.First != 2222 || inv.Claims[0].Span.Name() != "etc/ssh/sshd_config.d/10-port.conf" {
		t.Errorf("%v, %+v", err, inv)
	}
	name := filepath.Join(t.TempDir(), "sshd_config")
	if err := os.WriteFile(name, []byte("Include /etc/ssh/sshd_config.d/*.conf\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	inv, diags, err := inventory.ReadPaths(ours(t), []string{name}, nil)
	if err != nil || len(inv.Claims) != 0 || inv.Files[0].Status != inventory.Partial || len(diags) != 2 || diags[0].Rule != "unknown-default" || diags[1].Rule != "unreadable-file" {
		t.Errorf("%v, %+v, %+v", err, inv, diags)
	}
}

// TestNamesOfSamples recognises files that are named alone by their name, its endings and,
// where any name is right, their folder.
func TestNamesOfSamples(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"chrony.conf.example7", "pool ntp.calls.example iburst\n", "chronyd"},
		{"chrony.conf7", "pool ntp.calls.example iburst\n", ""},
		{"memcached.sysconfig", "PORT=11300\nOPTIONS=\n", "memcached"},
		{"EXAMPLE.conf.def", "agentAddress udp:127.0.0.1:1161\n", "snmpd"},
		{"EXAMPLE.conf", "colour = green\n", ""},
		{"EXAMPLE.conf", "", ""},
		{"reference.conf", "jicofo { rest { port = 8889 } }\n", "jicofo"},
		{"reference.conf", "videobridge { ice { udp { port = 10001 } } }\n", "jitsi-videobridge"},
		{"reference.conf", "akka { loglevel = INFO }\n", ""},
		{"reference.conf", "\n", ""},
		{"basic.conf", "ServerType standalone\nPort 2121\n", "proftpd"},
		{"rsyslog.d/50-x.conf", "input(type=\"imtcp\" port=\"1514\")\n", "rsyslog"},
		{"other.d/50-x.conf", "input(type=\"imtcp\" port=\"1514\")\n", ""},
		// Nor does one that may be called anything where nothing looks into it.
		{"dnsmasq/lan.conf", "interface=virbr7\n", "dnsmasq"},
		{"other/lan.conf", "interface=virbr7\n", ""},
		{"xinetd.d/relay", "service relay\n{\n disable = yes\n}\n", "xinetd"},
		{"relay", "service relay\n{\n disable = yes\n}\n", ""},
	} {
		name := filepath.Join(t.TempDir(), filepath.FromSlash(c.name))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(c.text), 0o644); err != nil {
			t.Fatal(err)
		}
		inv, diags, err := inventory.ReadPaths(ours(t), []string{name}, nil)
		got := ""
		if err == nil {
			got = strings.Join(inv.Found, " ")
		} else if !errors.Is(err, inventory.ErrNothing) {
			t.Fatal(err)
		}
		if got != c.want || len(diags) > 0 {
			t.Errorf("%s %q: %q, want %q, %+v", c.name, c.text, got, c.want, diags)
		}
	}
}

// TestNamesOfPorts takes the number of a service name from the host's own list, by protocol
// and by other names, and not from elsewhere.
func TestNamesOfPorts(t *testing.T) {
	entry := "service relay\n{\n socket_type = stream\n}\n"
	for services, want := range map[string]string{
		"relay 7001/tcp\n": "7001",
		"relay 7001/udp # a comment\nrelay\t7002/tcp":  "7002",
		"calls 7003/tcp other relay\nrelay 7004/tcp":   "7003",
		"relays 7005/tcp\n# relay 7006/tcp\nrelay 7\n": "",
	} {
		tree := source.NewTree(fstest.MapFS{
			"etc/xinetd.conf": {Data: []byte("includedir /etc/xinetd.d\n")}, "etc/xinetd.d/relay": {Data: []byte(entry)}, "etc/services": {Data: []byte(services)},
		})
		inv, _, err := inventory.Read(ours(t), tree, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for i := range inv.Claims {
			c := &inv.Claims[i]
			got += c.Nominal()
			if c.Origin != inventory.Config || c.Span.Name() != "etc/xinetd.d/relay" || c.Span.Position().Line != 1 || c.Because[len(c.Because)-1].Span.Name() != "etc/services" {
				t.Errorf("%q: %+v", services, c)
			}
		}
		if got != want || (want == "") != (inv.Files[0].Status == inventory.Partial) {
			t.Errorf("%q: %q, want %q, %s", services, got, want, inv.Files[0].Status)
		}
	}
}

// TestVariablesInOptions: an option whose value is a variable is there, so its default is
// not taken.
func TestVariablesInOptions(t *testing.T) {
	for _, unit := range []string{"--web.listen-address=:${PORT}", "--web.listen-address ${ADDRESS}", "--web.listen-address=${ADDRESS} --log.level=info"} {
		f := source.New("prometheus.service", []byte("[Service]\nExecStart=/usr/bin/prometheus "+unit+"\n"))
		inv, diags, err := inventory.ReadFiles(ours(t).Find("prometheus"), map[string]*source.File{"unit": f}, nil)
		if err != nil || len(inv.Claims) > 0 || inv.Files[0].Status != inventory.Partial || len(diags) != 1 || diags[0].Span.Position().Line != 2 {
			t.Errorf("%s: %v, %+v, %+v", unit, err, inv, diags)
		}
	}
}

func TestNamesOfMailPorts(t *testing.T) {
	for services, want := range map[string]string{"": "25", "smtp 2525/tcp\n": "2525", "smtp 2525/udp\nmail 2526/tcp smtp\n": "2526"} {
		inv, _, err := inventory.Read(ours(t), source.NewTree(fstest.MapFS{
			"etc/postfix/master.cf": {Data: []byte("smtp inet n - y - - smtpd\n")}, "etc/services": {Data: []byte(services)},
		}), "", nil)
		if err != nil || len(inv.Claims) != 1 || inv.Claims[0].Nominal() != want || inv.Claims[0].Span.Position().Line != 1 {
			t.Errorf("%q: %v, %+v", services, err, inv)
		}
	}
}

// TestFilesOfTwoServices gives a file that two services read to one of them, and to the one
// that somebody names.
func TestFilesOfTwoServices(t *testing.T) {
	for text, want := range map[string][3]string{
		"[mysqld]\nport = 3307\n":            {"mysql", "mysql 3307", "mariadb 3307"},
		"[mysqld]\nport = 3307\n[mariadb]\n": {"mariadb", "mysql 3307", "mariadb 3307"},
		"[client-server]\nport = 3307\n":     {"mariadb", "", ""},
		"[client]\nport = 3307\n":            {"mysql", "", ""},
	} {
		name := filepath.Join(t.TempDir(), "my.cnf")
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		for i, arg := range []string{name, "mysql=" + name, "mariadb=" + name} {
			inv, diags, err := inventory.ReadPaths(ours(t), []string{arg}, nil)
			if err != nil || len(diags) > 0 {
				t.Fatal(err, diags)
			}
			got := inv.Found[0]
			if i > 0 {
				got = ""
				for k := range inv.Claims {
					got = inv.Claims[k].Service + " " + inv.Claims[k].Nominal()
				}
			}
			if got != want[i] || len(inv.Files) != 1 {
				t.Errorf("%q, %s: %q, want %q, %v", text, arg, got, want[i], inv.Files)
			}
		}
	}
}

// TestVariablesOfUnits: a variable in a command line is no template, hides only its own
// word, and is where the finding points.
func TestVariablesOfUnits(t *testing.T) {
	f := source.New("memcached.service", []byte("[Service]\nExecStart=/usr/bin/memcached -U 11301 -p ${PORT}\n"))
	inv, diags, err := inventory.ReadFiles(ours(t).Find("memcached"), map[string]*source.File{"unit": f}, nil)
	if err != nil || len(inv.Claims) != 1 || inv.Claims[0].Nominal() != "11301" || inv.Files[0].Status != inventory.Partial {
		t.Errorf("%v, %+v", err, inv)
	}
	if len(diags) != 1 || diags[0].Rule != "unknown-default" || diags[0].Span.Text() != "${PORT}" {
		t.Errorf("%+v", diags)
	}
}

func TestNothingFound(t *testing.T) {
	if _, _, err := inventory.Read(ours(t), source.NewTree(fstest.MapFS{"etc/hosts": {}}), "", nil); !errors.Is(err, inventory.ErrNothing) {
		t.Errorf("%v", err)
	}
}

func TestWindowsPathsInAnyCase(t *testing.T) {
	for _, name := range []string{
		"Program Files/LumenVox/config/media_server.conf", "program files/LUMENVOX/Config/LvMediaServer.config", "C/Program Files/Lumenvox/config/media_server.conf",
	} {
		inv, _, err := inventory.Read(ours(t), source.NewTree(fstest.MapFS{name: {Data: []byte("[GLOBAL]\r\nVERSION = 12.1\r\n")}}), "", nil)
		if err != nil || inv.OS != "windows" || len(inv.Files) != 1 || inv.Files[0].Name != name {
			t.Errorf("%s: %v, %+v", name, err, inv)
		}
	}
}

// FuzzMediaServer: whatever the bytes, claims have real ports and places inside the
// file, and the JSON form is JSON.
func FuzzMediaServer(f *testing.F) {
	for _, seed := range []string{
		"[GLOBAL]\nVERSION = 11.3.100\nrtp_server_port_base = default\nnum_channels = 99999999999\n",
		"[GLOBAL]\nVERSION = 12\nrtp_server_port_base=65530\nmrcp_server_resmax=5000\nsip_port= 5060abc\n",
		"[global]\nversion=9\nsre_ip={{ x }}\nsips_port=\"5061\"\n",
	} {
		f.Add([]byte(seed))
	}
	cat := ours(f)
	service := cat.Find("lumenvox-media-server")
	f.Fuzz(func(t *testing.T, raw []byte) {
		file := source.New("media_server.conf", raw)
		inv, diags, err := inventory.ReadFiles(service, map[string]*source.File{service.Files[0].Role: file}, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := range inv.Claims {
			c := &inv.Claims[i]
			if c.NominalFirst < 1 || c.NominalLast < c.NominalFirst || c.Ports.Len() == 0 && c.NominalFirst <= port.Max || c.Span.File == nil || len(c.Because) == 0 {
				t.Fatalf("claim %+v", c)
			}
			if c.Span.HasLine() && c.Span.File != file {
				t.Fatalf("claim in %s", c.Span)
			}
		}
		for _, d := range diags {
			if d.Rule == catalog.Rule {
				t.Fatalf("the description fails: %s %s", d.Message, d.Help)
			}
		}
		var b bytes.Buffer
		if err := inventory.WriteJSON(&b, inv); err != nil || !json.Valid(b.Bytes()) {
			t.Fatal(err)
		}
		b.Reset()
		if err := inventory.WriteText(&b, inv); err != nil || bytes.ContainsAny(b.Bytes(), "\x1b\r\x00") {
			t.Fatal("control characters in the table", err)
		}
	})
}

// TestInstances: files of one kind are instances, told apart by the main file; what a main
// file includes is part of it.
func TestInstances(t *testing.T) {
	tree := source.NewTree(fstest.MapFS{
		"etc/lumenvox/media_server.conf":     {Data: []byte("[GLOBAL]\nVERSION = 12.1\n")},
		"etc/lumenvox/mediaserver.conf":      {Data: []byte("[GLOBAL]\nVERSION = 12.1\nsip_port = 5070\n")},
		"etc/ssh/sshd_config":                {Data: []byte("Include /etc/ssh/sshd_config.d/*.conf\nPort 22\n")},
		"etc/ssh/sshd_config.d/10-port.conf": {Data: []byte("Port 2222\n")},
	})
	inv, _, err := inventory.Read(ours(t), tree, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, c := range inv.Claims {
		seen[c.Service+"["+c.Instance+"]"] = true
	}
	for _, want := range []string{"lumenvox-media-server[etc/lumenvox/media_server.conf]", "lumenvox-media-server[etc/lumenvox/mediaserver.conf]", "sshd[]"} {
		if !seen[want] {
			t.Errorf("no instance %s in %v", want, seen)
		}
	}
	if len(seen) != 3 {
		t.Errorf("instances are %v", seen)
	}
}

// TestBackwards: a range that ends before it begins is a finding, and neither off nor
// turned around.
func TestBackwards(t *testing.T) {
	inv, diags, err := inventory.Read(ours(t), host(map[string]string{"etc/turnserver.conf": "min-port=60000\nmax-port=50000\n"}), "", nil)
	if err != nil || len(diags) != 1 || diags[0].Rule != "out-of-range-value" || diags[0].Span.String() != "etc/turnserver.conf:2:10" ||
		!strings.Contains(diags[0].Message, "ends at 50000, before it begins at 60000") {
		t.Errorf("%v %+v", err, diags)
	}
	for _, d := range inv.Disabled {
		if strings.HasPrefix(d.Listen, "relay") {
			t.Errorf("%s is off because of %+v", d.Listen, d.Because)
		}
	}
}

// TestEmptyListSwitchesOff: a list without an item is the reason that nothing listens.
func TestEmptyListSwitchesOff(t *testing.T) {
	inv, _, err := inventory.Read(ours(t), host(map[string]string{"etc/dovecot/dovecot.conf": "protocols =\n"}), "", nil)
	if err != nil || len(inv.Claims) > 0 {
		t.Fatal(err, inv)
	}
	for _, d := range inv.Disabled {
		if d.Listen == "imap" && len(d.Because) == 1 && d.Because[0].Text == "protocols = " && d.Because[0].Span.Position().Line == 1 {
			return
		}
	}
	t.Errorf("IMAP is not off because of the list: %+v", inv.Disabled)
}
