package host

import (
	"strings"
	"testing"
)

func TestNomadPorts(t *testing.T) {
	const client = "client {\n  enabled = true\n}\n"
	for name, test := range map[string]struct {
		files map[string]string
		want  string // ports and source, "" for none
	}{
		"no Nomad":     {map[string]string{"etc/hosts": ""}, ""},
		"a client":     {map[string]string{"etc/nomad.d/nomad.hcl": "data_dir = \"/opt/nomad\"\nserver {\n  enabled = true\n}\n" + client}, "20000-32000 the default; a client of Nomad was found by etc/nomad.d/nomad.hcl"},
		"a server":     {map[string]string{"etc/nomad.d/nomad.hcl": "server {\n  enabled = true\n}\nclient {\n  enabled = false\n}\n"}, ""},
		"both bounds":  {map[string]string{"etc/nomad.d/nomad.hcl": "client {\n  enabled = true\n  min_dynamic_port = 26000\n  max_dynamic_port = 27000\n}\n"}, "26000-27000 etc/nomad.d/nomad.hcl:3"},
		"an upper end": {map[string]string{"etc/nomad.d/nomad.hcl": "client {\n  enabled = true\n  max_dynamic_port = 24000\n}\n"}, "20000-24000 etc/nomad.d/nomad.hcl:3"},
		"two files":    {map[string]string{"etc/nomad.d/a.hcl": client, "etc/nomad.d/b.hcl": "client {\n  min_dynamic_port = 31000\n}\n", "etc/nomad.d/nomad.env": "X=1"}, "31000-32000 etc/nomad.d/b.hcl:2"},
		"JSON":         {map[string]string{"etc/nomad.d/nomad.json": `{"client": {"enabled": true, "min_dynamic_port": 30000}}`}, "30000-32000 etc/nomad.d/nomad.json"},
		"reserved":     {map[string]string{"etc/nomad.d/nomad.hcl": "client {\n  enabled = true\n  reserved {\n    cpu = 500\n    reserved_ports = \"22,80,25000-25399\"\n  }\n}\n"}, "20000-24999,25400-32000 the default; a client of Nomad was found by etc/nomad.d/nomad.hcl"},
		"a template":   {map[string]string{"etc/nomad.d/nomad.hcl": "client {\n  enabled = true\n  min_dynamic_port = {{ min }}\n}\n"}, ""},
		"a text":       {map[string]string{"etc/nomad.d/nomad.hcl": "client {\n  enabled = \"yes\"\n}\n"}, ""},
		"no port":      {map[string]string{"etc/nomad.d/nomad.hcl": "client {\n  enabled = true\n  max_dynamic_port = 70000\n}\n"}, ""},
		"broken JSON":  {map[string]string{"etc/nomad.d/a.hcl": client, "etc/nomad.d/nomad.json": `{"client"`}, ""},
		"too large":    {map[string]string{"etc/nomad.d/nomad.hcl": client + strings.Repeat("# more\n", 40_000)}, ""},
		"directives":   {map[string]string{"etc/nomad.d/nomad.hcl": "client {\n  enabled = \"" + strings.Repeat("%{if true}", 20_000) + "\"\n}\n"}, ""},
		"upside down":  {map[string]string{"etc/nomad.d/nomad.hcl": "client {\n  enabled = true\n  min_dynamic_port = 40000\n}\n"}, ""},
	} {
		facts, diags, err := Load(tree(test.files), shipped(t))
		if err != nil || len(diags) > 0 {
			t.Fatal(diags, err)
		}
		got := ""
		if n := facts.NomadPorts; !n.Ports.IsEmpty() {
			got = n.Ports.String() + " " + n.From
		}
		if got != test.want {
			t.Errorf("%s\ngot  %q\nwant %q", name, got, test.want)
		}
	}
}

func FuzzNomad(f *testing.F) {
	f.Add([]byte("client {\n  enabled = true\n  min_dynamic_port = 26000\n  reserved {\n    reserved_ports = \"22,80\"\n  }\n}\n"), true)
	f.Add([]byte(`{"client": {"enabled": true, "max_dynamic_port": 30000}}`), false)
	f.Fuzz(func(t *testing.T, raw []byte, isHCL bool) {
		name := "etc/nomad.d/a.json"
		if isHCL {
			name = "etc/nomad.d/a.hcl"
		}
		l := loader{tree: tree(map[string]string{name: string(raw)})}
		if n := l.nomadPorts(); !n.Ports.IsEmpty() && n.From == "" {
			t.Fatalf("%+v", n)
		}
	})
}
