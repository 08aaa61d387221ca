package inventory_test

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"portolan/internal/catalog"
	"portolan/internal/inventory"
	"portolan/internal/source"
	"portolan/services"
)

// host is a tree of files; a text that begins with "-> " is a link.
func host(files map[string]string) *source.Tree {
	m := fstest.MapFS{}
	for name, text := range files {
		if target, link := strings.CutPrefix(text, "-> "); link {
			m[name] = &fstest.MapFile{Data: []byte(target), Mode: fs.ModeSymlink}
		} else {
			m[name] = &fstest.MapFile{Data: []byte(text)}
		}
	}
	return source.NewTree(m)
}

// claimsOf are the claims of a host, each with its instance and file.
func claimsOf(t *testing.T, cat *catalog.Catalog, files map[string]string) []string {
	t.Helper()
	inv, diags, err := inventory.Read(cat, host(files), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range diags {
		t.Logf("%s: %s", d.Span, d.Message)
	}
	var out []string
	for i := range inv.Claims {
		c := &inv.Claims[i]
		out = append(out, strings.TrimSpace(c.Instance+" "+c.Describe()+" "+c.Span.Name()))
	}
	slices.Sort(out)
	return out
}

const exec = "[Service]\nExecStart=/usr/bin/memcached -l 192.0.2.1 -U 0 -p "

// TestUnits: systemd loads one unit of a name, adds its drop-ins in order, and none that
// is masked.
func TestUnits(t *testing.T) {
	const vendor, local, own = "usr/lib/systemd/system/memcached.service", "etc/systemd/system/memcached.service", "run/systemd/system/memcached.service"
	for _, c := range []struct {
		name  string
		files map[string]string
		want  []string
	}{
		{"the vendor's", map[string]string{vendor: exec + "1001"}, []string{"memcached tcp 192.0.2.1 1001 config L2 " + vendor}},
		{"shadowed", map[string]string{vendor: exec + "1001", own: exec + "1002", local: exec + "1003"}, []string{"memcached tcp 192.0.2.1 1003 config L2 " + local}},
		{"the runtime's before the vendor's", map[string]string{vendor: exec + "1001", own: exec + "1002"}, []string{"memcached tcp 192.0.2.1 1002 config L2 " + own}},
		{"masked", map[string]string{vendor: exec + "1001", local: "-> /dev/null"}, nil},
		{"masked by nothing in it", map[string]string{vendor: exec + "1001", local: ""}, nil},
		{"a link to a unit elsewhere", map[string]string{"opt/memcached.service": exec + "1004", local: "-> ../../../opt/memcached.service"}, []string{"memcached tcp 192.0.2.1 1004 config L2 " + local}},
		{"drop-ins", map[string]string{
			vendor:                        exec + "1001",
			vendor + ".d/50-port.conf":    exec + "1005",
			local + ".d/20-other.conf":    exec + "1006",
			local + ".d/50-port.conf.off": exec + "1007",
		}, []string{"memcached tcp 192.0.2.1 1005 config L2 " + vendor + ".d/50-port.conf"}},
		{"a drop-in that hides another", map[string]string{
			vendor:                     exec + "1001",
			vendor + ".d/50-port.conf": exec + "1005",
			local + ".d/50-port.conf":  "[Service]\nNice=1\n",
		}, []string{"memcached tcp 192.0.2.1 1001 config L2 " + vendor}},
		{"a drop-in that is masked", map[string]string{
			vendor:                     exec + "1001",
			vendor + ".d/50-port.conf": exec + "1005",
			local + ".d/50-port.conf":  "-> /dev/null",
		}, []string{"memcached tcp 192.0.2.1 1001 config L2 " + vendor}},
		{"a drop-in for a template and its instance", map[string]string{
			"etc/systemd/system/memcached@a.service":               exec + "1001",
			"etc/systemd/system/memcached@.service.d/10-port.conf": exec + "1008",
			"etc/systemd/system/service.d/05-all.conf":             exec + "1009",
		}, []string{"memcached tcp 192.0.2.1 1008 config L2 etc/systemd/system/memcached@.service.d/10-port.conf"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.files["etc/ssh/sshd_config"] = "Port 0\n" // something is always found
			got := slices.DeleteFunc(claimsOf(t, ours(t), c.files), func(s string) bool { return strings.HasPrefix(s, "ssh ") })
			if !slices.Equal(got, c.want) {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

// TestSockets: a socket unit is looked up by its name, whichever link leads to it, and an
// empty value in a drop-in forgets what the unit says.
func TestSockets(t *testing.T) {
	got := claimsOf(t, ours(t), map[string]string{
		"usr/lib/systemd/system/a.socket":                    "[Socket]\nListenStream=1001\n",
		"usr/lib/systemd/system/b.socket":                    "[Socket]\nListenStream=1002\n",
		"usr/lib/systemd/system/never.socket":                "[Socket]\nListenStream=1003\n",
		"etc/systemd/system/sockets.target.wants/a.socket":   "-> /usr/lib/systemd/system/a.socket",
		"etc/systemd/system/sockets.target.wants/b.socket":   "-> /usr/lib/systemd/system/b.socket",
		"etc/systemd/system/b.socket.d/override.conf":        "[Socket]\nListenStream=\nListenStream=192.0.2.3:1004\n",
		"etc/systemd/system/sockets.target.wants/off.socket": "-> /usr/lib/systemd/system/off.socket",
		"usr/lib/systemd/system/off.socket":                  "[Socket]\nListenStream=1005\n",
		"etc/systemd/system/off.socket":                      "-> /dev/null",
	})
	var ports []string
	for _, c := range got {
		f := strings.Fields(c)
		ports = append(ports, strings.Join(f[1:5], " "))
	}
	if want := []string{"stream tcp :: 1001", "stream tcp 192.0.2.3 1004"}; !slices.Equal(ports, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// layeredCatalog describes a service with layers and a unit.
func layeredCatalog(t *testing.T) *catalog.Catalog {
	t.Helper()
	cat, diags, err := catalog.Load(services.FS, fstest.MapFS{"acme.hcl": {Data: []byte(`
service "acme" {
  title     = "Acme"
  platforms = ["linux"]
  file "conf" {
    format = "ini"
    layers = ["conf.d/*.conf", "/var/lib/acme/{1}/auto.conf"]
    paths  = { linux = ["/etc/acme/*/acme.conf"] }
  }
  file "env" {
    format = "env"
    paths  = { linux = ["/etc/default/acme*"] }
  }
  file "unit" {
    format = "systemd"
    units  = ["acme*.service"]
  }
  listen "x" {
    purpose  = "x"
    protocol = ["tcp"]
    port     = port(first(flag(words(value(file("unit"), "Service/ExecStart"), "systemd"), "-p"), value(file("env"), "PORT"), setting("a", "port")), null)
    exposure = "internal"
  }
  test "both files" {
    files  = { conf = "[a]\nport = 1\n", env = "PORT=2\n" }
    expect = ["x tcp * 2 config L1"]
  }
}
`)}})
	if err != nil || len(diags) > 0 {
		t.Fatal(err, diags)
	}
	runTests(t, cat.Find("acme"))
	return cat
}

func TestLayersAndInstances(t *testing.T) {
	cat := layeredCatalog(t)
	for _, c := range []struct {
		name  string
		files map[string]string
		want  []string
	}{
		{"layers in order, and each with its own folder", map[string]string{
			"etc/acme/1/acme.conf":         "[a]\nport = 11\n",
			"etc/acme/1/conf.d/b.conf":     "[a]\nport = 12\n",
			"etc/acme/1/conf.d/a.conf":     "[a]\nport = 13\n",
			"etc/acme/2/acme.conf":         "[a]\nport = 21\n",
			"etc/acme/2/conf.d/z.conf":     "[a]\nport = 22\n",
			"etc/acme/2/conf.d/q.conf/x":   "[a]\nport = 99\n", // a folder is no layer
			"var/lib/acme/2/auto.conf":     "[a]\nport = 23\n",
			"var/lib/acme/3/auto.conf":     "[a]\nport = 33\n",
			"etc/acme/2/conf.d/z.conf.bak": "[a]\nport = 24\n",
		}, []string{
			"etc/acme/1/acme.conf x tcp * 12 config L2 etc/acme/1/conf.d/b.conf",
			"etc/acme/2/acme.conf x tcp * 23 config L2 var/lib/acme/2/auto.conf",
		}},
		{"a unit goes with the file that it names", map[string]string{
			"etc/acme/1/acme.conf":                "[a]\nport = 11\n",
			"etc/acme/10/acme.conf":               "[a]\nport = 21\n",
			"etc/systemd/system/acme-ten.service": "[Service]\nExecStart=/usr/bin/acme -c /etc/acme/10/acme.conf -p 25\n",
		}, []string{
			"etc/acme/1/acme.conf x tcp * 11 config L2 etc/acme/1/acme.conf",
			"etc/acme/10/acme.conf x tcp * 25 config L2 etc/systemd/system/acme-ten.service",
		}},
		{"units without a file are two programs, each with its environment", map[string]string{
			"etc/systemd/system/acme-a.service": "[Service]\nEnvironmentFile=-/etc/default/acme-a\nExecStart=/usr/bin/acme\n",
			"etc/systemd/system/acme-b.service": "[Service]\nEnvironmentFile=-/etc/default/acme-b\nExecStart=/usr/bin/acme\n",
			"etc/default/acme-a":                "PORT=31\n",
			"etc/default/acme-b":                "PORT=32\n",
		}, []string{
			"etc/default/acme-a x tcp * 31 config L1 etc/default/acme-a",
			"etc/default/acme-b x tcp * 32 config L1 etc/default/acme-b",
		}},
		{"one unit for a template goes with all", map[string]string{
			"etc/acme/1/acme.conf":             "[a]\nport = 11\n",
			"etc/acme/2/acme.conf":             "[a]\nport = 21\n",
			"etc/systemd/system/acme@.service": "[Service]\nExecStart=/usr/bin/acme -c /etc/acme/%i/acme.conf\n",
		}, []string{
			"etc/acme/1/acme.conf x tcp * 11 config L2 etc/acme/1/acme.conf",
			"etc/acme/2/acme.conf x tcp * 21 config L2 etc/acme/2/acme.conf",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := claimsOf(t, cat, c.files); !slices.Equal(got, c.want) {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

// TestSourceAndChosenPorts: the local ports of a connection are kept, and a port that the
// system chooses is said and not made up.
func TestSourceAndChosenPorts(t *testing.T) {
	cat, found, err := catalog.Load(services.FS, fstest.MapFS{"acme.hcl": {Data: []byte(`
service "acme" {
  title     = "Acme"
  platforms = ["linux"]
  file "conf" {
    format = "ini"
    paths  = { linux = ["/etc/acme.conf"] }
  }
  listen "x" {
    purpose  = "X"
    protocol = ["udp"]
    port     = port(setting("a", "port"), 0)
    zero     = "chosen"
    exposure = "public"
  }
  connect "y" {
    purpose  = "Y"
    protocol = ["udp"]
    port     = 53
    peer     = "192.0.2.53"
    source   = [number(setting("a", "from"), 1024), 65535]
  }
}
`)}})
	if err != nil || len(found) > 0 {
		t.Fatal(err, found)
	}
	inv, diags, err := inventory.Read(cat, host(map[string]string{"etc/acme.conf": "[a]\nport = 0\nfrom = 40000\n"}), "", nil)
	if err != nil || len(inv.Claims) != 1 || inv.Files[0].Status != inventory.Partial {
		t.Fatalf("%v %+v", err, inv)
	}
	if got := inv.Claims[0].Describe(); got != "y udp -> 192.0.2.53 53 default from 40000-65535" {
		t.Errorf("the connection is %q", got)
	}
	if len(diags) != 1 || diags[0].Rule != "os-chosen-port" || diags[0].Span.String() != "etc/acme.conf:2:8" || diags[0].Help != "set port to a port of your choice" {
		t.Errorf("the findings are %+v", diags)
	}
	var b strings.Builder
	if err := inventory.WriteJSON(&b, inv); err != nil || !strings.Contains(b.String(), `"source_first": 40000`) || !strings.Contains(b.String(), `"source_last": 65535`) {
		t.Errorf("%v: %s", err, b.String())
	}
}

// TestCarriers: a unit of a program with its own description is that program's alone.
func TestCarriers(t *testing.T) {
	unit := "[Service]\nExecStart=/usr/bin/%s --web.listen-address=192.0.2.8:9191\n"
	got := claimsOf(t, ours(t), map[string]string{
		"etc/systemd/system/prometheus.service":   fmt.Sprintf(unit, "prometheus"),
		"etc/systemd/system/sip_exporter.service": fmt.Sprintf(unit, "sip_exporter"),
	})
	if want := []string{
		"metrics tcp 192.0.2.8 9191 config L2 etc/systemd/system/sip_exporter.service",
		"web tcp 192.0.2.8 9191 config L2 etc/systemd/system/prometheus.service",
	}; !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// TestOverridesOfServices: what conf.d and ALTER SYSTEM say wins.
func TestOverridesOfServices(t *testing.T) {
	got := claimsOf(t, ours(t), map[string]string{
		"etc/postgresql/15/main/postgresql.conf":          "port = 5433\n",
		"var/lib/postgresql/15/main/postgresql.auto.conf": "port = '5434'\n",
		"etc/postgresql/16/main/postgresql.conf":          "port = 5435\n",
		"etc/rabbitmq/rabbitmq.conf":                      "listeners.tcp.default = 5673\n",
		"etc/rabbitmq/conf.d/10-port.conf":                "listeners.tcp.default = 5674\n",
		"etc/wazo-confd/config.yml":                       "rest_api:\n  port: 9487\nprovd: {}\n",
		"etc/wazo-confd/conf.d/50-port.yml":               "rest_api:\n  port: 9488\n",
	})
	for _, want := range []string{"postgresql tcp localhost 5434 config L1", "postgresql tcp localhost 5435 config L1", "api tcp 127.0.0.1 9488 config L2", "5674 config L1 etc/rabbitmq/conf.d/10-port.conf"} {
		if !slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, want) }) {
			t.Errorf("no claim %q in %q", want, got)
		}
	}
	for _, overridden := range []string{" 5433 ", " 5673 ", " 9487 "} {
		if slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, overridden) }) {
			t.Errorf("%s is overridden, and in %q", overridden, got)
		}
	}
}

// TestDanglingUnit: an alias of another program's unit that is gone is nobody's.
func TestDanglingUnit(t *testing.T) {
	inv, diags, err := inventory.Read(ours(t), host(map[string]string{
		"etc/systemd/system/dbus-org.example.service": "-> gone.service",
		"etc/redis/redis.conf":                        "port 6390\n",
	}), "", nil)
	if err != nil || len(diags) > 0 || len(inv.Files) != 1 {
		t.Errorf("%v, %v, %+v", err, diags, inv)
	}
}
