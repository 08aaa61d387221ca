package host

import (
	"bytes"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"portolan/internal/port"
	"portolan/internal/source"
)

// portSets compares port sets by what they hold.
var portSets = cmp.Comparer(port.Set.Equal)

// addresses compares addresses by what they are.
var addresses = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

func TestJSON(t *testing.T) {
	f := Facts{
		Platform: "linux", Title: "Linux 4.2 and later", From: "this machine", UnprivilegedStart: 1024,
		Ephemeral: []Ephemeral{{Proto: port.TCP, Family: V4, Ports: port.Range{First: 32768, Last: 60999}, Setting: "net.ipv4.ip_local_port_range", From: "proc/x:1"}},
		Reserved:  []Reserved{{0, port.Of(port.Range{First: 35000, Last: 35399}, port.Single(5060)), "net.ipv4.ip_local_reserved_ports", "proc/y:1"}},
		Excluded:  []Excluded{{port.UDP, V6, port.Single(5357), true, "a&b:6"}},

		NomadPorts: NomadPorts{port.Of(port.Range{First: 20000, Last: 32000}), "etc/nomad.d/a.hcl:3"},
		Helpers:    []Helper{{"sip", port.UDP, port.Of(port.Single(5060)), false, true, "proc/h:1"}},
		Watched:    []port.Proto{port.TCP},
		Listeners:  []Listener{{port.TCP, netip.IPv6Unspecified(), true, 22, "sshd", "portolan/ss:3"}},
		Names:      []PortName{{port.TCP, 22, "ssh", "etc/services:5"}},
	}
	const want = `{
  "version": 1,
  "platform": "linux",
  "title": "Linux 4.2 and later",
  "from": "this machine",
  "unprivileged_start": 1024,
  "ephemeral": [
    {
      "protocol": "tcp",
      "family": 4,
      "first": 32768,
      "last": 60999,
      "setting": "net.ipv4.ip_local_port_range",
      "from": "proc/x:1"
    }
  ],
  "reserved": [
    {
      "ports": [
        "5060",
        "35000-35399"
      ],
      "setting": "net.ipv4.ip_local_reserved_ports",
      "from": "proc/y:1"
    }
  ],
  "excluded": [
    {
      "protocol": "udp",
      "family": 6,
      "first": 5357,
      "last": 5357,
      "administered": true,
      "from": "a&b:6"
    }
  ],
  "nomad_ports": {
    "ports": [
      "20000-32000"
    ],
    "from": "etc/nomad.d/a.hcl:3"
  },
  "conntrack_helpers": [
    {
      "name": "sip",
      "protocol": "udp",
      "ports": [
        "5060"
      ],
      "nat": false,
      "automatic": true,
      "from": "proc/h:1"
    }
  ],
  "watched": [
    "tcp"
  ],
  "listeners": [
    {
      "protocol": "tcp",
      "address": "::",
      "v6only": true,
      "port": 22,
      "process": "sshd",
      "from": "portolan/ss:3"
    }
  ],
  "names": [
    "22/tcp ssh etc/services:5"
  ]
}
`
	got, err := f.JSON()
	if err != nil || string(got) != want {
		t.Errorf("%v\n%s", err, cmp.Diff(want, string(got)))
	}
	back, err := ParseJSON(source.New("f.json", got))
	if err != nil || !cmp.Equal(f, back, portSets, addresses) {
		t.Errorf("%v\n%s", err, cmp.Diff(f, back, portSets, addresses))
	}
	if _, err := ParseJSON(source.New("f.json", []byte(utf16le(string(got))))); err != nil {
		t.Errorf("as PowerShell redirects it: %v", err)
	}
}

func TestParseJSONErrors(t *testing.T) {
	entry := func(s string) string { return `{"version": 1, "ephemeral": [` + s + `]}` }
	for in, want := range map[string]string{
		"":                    "f: unexpected end of JSON input; these are not facts of a host: write them with portolan host",
		"{\n  \"version\"\n}": "f:3:1: invalid character '}' after object key; these are not facts of a host: write them with portolan host",
		"[]":                  "f:1:1: the file has a value of the wrong kind, array",
		"{}":                  `f: the field "version" is missing: these are not facts of a host as portolan host writes them`,
		`{"version": 2}`:      "f: facts of version 2 are not understood: write them again with a portolan of this version, which knows version 1",
		`{"version": "1"}`:    "f:1:15: version has a value of the wrong kind, string",
		`{"version": 1} x`:    "f:1:16: invalid character 'x' after top-level value; these are not facts of a host: write them with portolan host",
		`{"version": 1, "unprivileged_start": 65536}`:                                   "f: unprivileged_start is 65536: use a port from 0 to 65535, or -1 when it is not known",
		entry(`{"protocol":"sctp","family":4,"first":1,"last":2}`):                      `f: entry 1 of ephemeral: protocol "sctp" is not known: use tcp or udp`,
		entry(`{"protocol":"tcp","family":5,"first":1,"last":2}`):                       "f: entry 1 of ephemeral: family 5 is not known: use 4 or 6",
		entry(`{"protocol":"tcp","family":4,"first":1}`):                                "f: entry 1 of ephemeral: first and last are needed, both",
		entry(`{"protocol":"tcp","family":4,"first":2,"last":1}`):                       "f: entry 1 of ephemeral: ports 2 to 1 are not an ascending range within 0 to 65535",
		entry(`{"protocol":"tcp","family":4,"first":2,"last":65536}`):                   "f: entry 1 of ephemeral: ports 2 to 65536 are not an ascending range within 0 to 65535",
		entry(`{"protocol":"tcp","family":4,"first":-1,"last":6}`):                      "f: entry 1 of ephemeral: ports -1 to 6 are not an ascending range within 0 to 65535",
		`{"version":1,"excluded":[{"protocol":"udp","family":4,"first":1}]}`:            "f: entry 1 of excluded: first and last are needed, both",
		`{"version":1,"reserved":[{"protocol":"x","ports":["1"]}]}`:                     `f: entry 1 of reserved: protocol "x" is not known: use tcp or udp`,
		`{"version":1,"nomad_ports":{"ports":[]}}`:                                      `f: nomad_ports is "": use ranges of ports such as 20000-32000`,
		`{"version":1,"conntrack_helpers":[{"protocol":"udp","ports":["x"]}]}`:          `f: entry 1 of conntrack_helpers: "x" is not a port number`,
		`{"version":1,"watched":["icmp"]}`:                                              `f: entry 1 of watched: protocol "icmp" is not known: use tcp or udp`,
		`{"version":1,"listeners":[{"protocol":"tcp","address":"::"}]}`:                 `f: entry 1 of listeners: port 0 is not within 1 to 65535`,
		`{"version":1,"listeners":[{"protocol":"tcp","port":1}]}`:                       `f: entry 1 of listeners: the address is missing`,
		`{"version":1,"listeners":[{"protocol":"tcp","port":1,"address":"localhost"}]}`: `f: ParseAddr("localhost"): unable to parse IP; these are not facts of a host: write them with portolan host`,
		`{"version":1,"names":["5060 sip x"]}`:                                          `f: entry 1 of names is "5060 sip x": write it as 5060/udp sip etc/services:412`,
		`{"version":1,"reserved":[{"ports":["1"]},{"ports":["9-1"]}]}`:                  `f: entry 2 of reserved: port range "9-1" ends before it begins`,
	} {
		if _, err := ParseJSON(source.New("f", []byte(in))); err == nil || err.Error() != want {
			t.Errorf("%s\n got: %v\nwant: %s", in, err, want)
		}
	}
}

func TestJSONRoundTrip(t *testing.T) {
	ports := rapid.Custom(func(t *rapid.T) port.Range {
		first := rapid.Uint16().Draw(t, "first")
		return port.Range{First: first, Last: rapid.Uint16Min(first).Draw(t, "last")}
	})
	proto, family := rapid.SampledFrom(port.Protos[:]), rapid.SampledFrom([]Family{V4, V6})
	word := rapid.StringMatching(`[ -~é"\\]{0,8}`)
	rapid.Check(t, func(t *rapid.T) {
		f := Facts{Platform: word.Draw(t, "platform"), From: word.Draw(t, "from"), UnprivilegedStart: rapid.IntRange(-1, port.Max).Draw(t, "start")}
		for range rapid.IntRange(0, 3).Draw(t, "n") {
			f.Ephemeral = append(f.Ephemeral, Ephemeral{Proto: proto.Draw(t, "p"), Family: family.Draw(t, "f"), Ports: ports.Draw(t, "r"), Setting: word.Draw(t, "s"), From: word.Draw(t, "w")})
			f.Excluded = append(f.Excluded, Excluded{proto.Draw(t, "p"), family.Draw(t, "f"), ports.Draw(t, "r"), rapid.Bool().Draw(t, "a"), word.Draw(t, "w")})
			f.Reserved = append(f.Reserved, Reserved{rapid.SampledFrom([]port.Proto{0, port.TCP, port.UDP}).Draw(t, "rp"), port.Of(rapid.SliceOfN(ports, 0, 4).Draw(t, "set")...), word.Draw(t, "s"), word.Draw(t, "w")})
		}
		text, err := f.JSON()
		if err != nil {
			t.Fatal(err)
		}
		back, err := ParseJSON(source.New("f", text))
		if err != nil || !cmp.Equal(f, back, portSets, addresses) {
			t.Fatalf("%v\n%s", err, cmp.Diff(f, back, portSets, addresses))
		}
	})
}

func FuzzParseJSON(f *testing.F) {
	platforms, _, err := LoadPlatforms(os.DirFS("../../policies"), "platforms.hcl")
	if err != nil {
		f.Fatal(err)
	}
	for _, id := range platforms.IDs() {
		facts, _ := platforms.Facts(id)
		text, err := facts.JSON()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte(`{"version":1,"reserved":[{"ports":["1-5"]}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		facts, err := ParseJSON(source.New("f", raw))
		if err != nil {
			if strings.TrimSpace(err.Error()) == "" {
				t.Fatal("an empty error")
			}
			return
		}
		first, err := facts.JSON()
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseJSON(source.New("f", first))
		if err != nil {
			t.Fatalf("%v\n%s", err, first)
		}
		if second, err := again.JSON(); err != nil || !bytes.Equal(first, second) {
			t.Fatalf("%v\n%s\n%s", err, first, second)
		}
	})
}
