package conf

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"portolan/internal/source"
)

// composeLines are the settings of a tree below path, "name=value@line" with the file of
// those that stand elsewhere.
func composeLines(t *testing.T, path string, files map[string]string) []string {
	t.Helper()
	fsys := fstest.MapFS{}
	for name, text := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	tree := source.NewTree(fsys)
	f, err := tree.Read("srv/pbx/compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	doc, diags, err := Parse("compose", f, tree)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range diags {
		t.Logf("%s: %s", d.Span, d.Message)
	}
	p, err := ParsePath(path)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, n := range p.Find(doc.Root) {
		line := n.ValueSpan.Position().Line
		text := fmt.Sprintf("%s=%s@%d", n.Name, n.Value, line)
		if n.ValueSpan.File.Name != f.Name {
			text += " " + n.ValueSpan.File.Name
		}
		out = append(out, strings.TrimPrefix(text, "="))
	}
	if len(doc.Gaps) > 0 {
		out = append(out, fmt.Sprintf("%d gaps", len(doc.Gaps)))
	}
	return out
}

func TestCompose(t *testing.T) {
	published, argv, environment := "services/*/ports/*/published", "services/*/argv/*", "services/*/environment/*"
	const main, env = "srv/pbx/compose.yaml", "srv/pbx/.env"
	for _, c := range []struct {
		name  string
		path  string
		files map[string]string
		want  []string
	}{
		{"variables of .env, defaults and what is not known", published, map[string]string{
			env:  "HTTP=8080\nEMPTY=\n# TLS=1\nRANGE='7000-7009'\n",
			main: "services:\n  a:\n    ports:\n    - \"$HTTP:80\"\n    - ${TLS:-8443}:443\n    - ${EMPTY:-81}:81\n    - ${EMPTY-82}:82\n    - ${NOT:?say it}:83\n    - ${HTTP:+84}:84\n    - ${A:-${B:-85}}:85\n    - $RANGE:7000-7009/udp\n    - ${X}\n    - 127.0.0.1:${Y}:1\n",
		}, []string{"published=8080@4", "published=8443@5", "published=81@6", "published=0@7", "published=${NOT}@8", "published=84@9", "published=85@10",
			"published=7000-7009@11", "published=${X}@12", "published=${Y}@13"}},
		{"a variable with several parts", published, map[string]string{
			env: "WEB=8080:80\n", main: "services: {a: {ports: [\"${WEB}\"]}}\n",
		}, []string{"published=8080@1"}},
		{"the override file adds ports and replaces the command", published, map[string]string{
			main:                            "services:\n  a:\n    command: x\n    ports: [\"81:1\"]\n",
			"srv/pbx/compose.override.yaml": "services:\n  a:\n    command: [y]\n    ports: [\"82:1\"]\n  b:\n    ports: [\"83:1\"]\n",
		}, []string{"published=81@4", "published=82@4 srv/pbx/compose.override.yaml", "published=83@6 srv/pbx/compose.override.yaml"}},
		{"the override's command", argv, map[string]string{
			main:                           "services:\n  a:\n    entrypoint: [/run, \"\"]\n    command: x\n",
			"srv/pbx/compose.override.yml": "services:\n  a:\n    command: [y, -p, \"5\"]\n",
		}, []string{"/run@3", "@3", "y@3 srv/pbx/compose.override.yml", "-p@3 srv/pbx/compose.override.yml", "5@3 srv/pbx/compose.override.yml"}},
		{"COMPOSE_FILE names the files", published, map[string]string{
			env:                            "COMPOSE_FILE=compose.yaml:more.yaml\n",
			main:                           "services: {a: {ports: [\"81:1\", \"82:1\"]}}\n",
			"srv/pbx/more.yaml":            "services:\n  a:\n    ports: !override\n    - 84:1\n",
			"srv/pbx/compose.override.yml": "services: {a: {ports: [\"83:1\"]}}\n",
		}, []string{"published=84@4 srv/pbx/more.yaml"}},
		{"extends and includes", published, map[string]string{
			main:                      "include:\n- db/compose.yaml\n- path: [gone.yaml]\nservices:\n  a:\n    extends: {file: ../base.yaml, service: web}\n    ports: [\"81:1\"]\n",
			"srv/base.yaml":           "services:\n  web:\n    extends: root\n    ports: [\"82:1\"]\n  root:\n    ports: [\"83:1\"]\n  other:\n    ports: [\"84:1\"]\n",
			"srv/pbx/db/compose.yaml": "services:\n  db:\n    ports: [\"${DB}:5432\"]\n",
			"srv/pbx/db/.env":         "DB=5433\n",
		}, []string{"published=83@6 srv/base.yaml", "published=82@4 srv/base.yaml", "published=81@7", "published=5433@3 srv/pbx/db/compose.yaml", "1 gaps"}},
		{"what extends itself ends", published, map[string]string{
			main: "services:\n  a: {extends: b, ports: [\"81:1\"]}\n  b: {extends: a, ports: [\"82:1\"]}\n  c: {extends: {service: d, file: compose.yaml}}\n  e: {extends: gone, ports: [\"83:1\"]}\n",
		}, []string{"published=82@3", "published=81@2", "published=82@3", "published=83@5", "3 gaps"}},
		{"environment as a list and as a mapping", environment, map[string]string{
			env:  "PASSED=7\n",
			main: "services:\n  a:\n    environment:\n    - A=1\n    - \"B=${PASSED}\"\n    - PASSED\n    - SHELL_ONLY\n    - C=\n    - D=x=y # z\n  b:\n    environment:\n      A: 1\n      PASSED:\n      E: \"\"\n      F: $$5\n",
		}, []string{"A=1@4", "B=7@5", "PASSED=7@6", "SHELL_ONLY=${SHELL_ONLY}@7", "C=@8", "D=x=y@9", "A=1@12", "PASSED=7@13", "E=@14", "F=$5@15"}},
		{"environment files stand before it", environment, map[string]string{
			main:                 "services:\n  a:\n    environment: {A: 3}\n    env_file:\n    - a.env\n    - {path: none.env, required: false}\n    - ../../../../etc/gone.env\n",
			"srv/pbx/a.env":      "A=1\nexport B='2'\n",
			"srv/pbx/unread.env": "C=1\n",
		}, []string{"A=1@1 srv/pbx/a.env", "B=2@2 srv/pbx/a.env", "A=3@3", "1 gaps"}},
		{"command lines", argv, map[string]string{
			main: "services:\n  a:\n    command: >\n      prog --port 5060\n      --name 'a b' $$HOME\n  b:\n    entrypoint: [sh, -c]\n    command:\n    - exec prog -p ${P:-7}\n",
		}, []string{"prog@4", "--port@4", "5060@4", "--name@5", "a b@5", "$HOME@5", "sh@7", "-c@7", "exec@9", "prog@9", "-p@9", "7@9"}},
		{"a shared network, and profiles that are on", "services/*/*", map[string]string{
			env:  "COMPOSE_PROFILES=debug,x\n",
			main: "services:\n  a: {network_mode: \"service:b\"}\n  b: {network_mode: host}\n  c: {profiles: [debug]}\n  d: {profiles: [other]}\n",
		}, []string{"network_mode=host@2", "network_mode=host@3", "profiles=@5"}},
		{"volumes from the folder of the file", "services/*/volumes/*/source", map[string]string{
			main: "services:\n  a:\n    volumes:\n    - ./conf:/etc/x:ro\n    - data:/var\n    - {type: bind, source: ../x.conf, target: /y}\n",
		}, []string{"source=/srv/pbx/conf@4", "source=data@5", "source=/srv/x.conf@6"}},
		{"several documents are one project", published, map[string]string{
			main: "services: {a: {ports: [\"81:1\"]}}\n---\nservices: {a: {ports: [\"82:1\"]}}\n",
		}, []string{"published=81@1", "published=82@3"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := composeLines(t, c.path, c.files); !slices.Equal(got, c.want) {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

// TestComposeIsBounded: variables in variables and services that extend one another cost
// no more than the limits allow.
func TestComposeIsBounded(t *testing.T) {
	var env, services strings.Builder
	fmt.Fprintf(&env, "V=%s\n", strings.Repeat("x", 1000))
	for i := range 3000 {
		fmt.Fprintf(&services, "  s%d: {extends: s%d, image: \"%s\", ports: [\"%d:1\"]}\n", i, i+1, strings.Repeat("$V", 50), i)
	}
	got := composeLines(t, "services/*/ports/*/published", map[string]string{
		"srv/pbx/.env": env.String(), "srv/pbx/compose.yaml": "services:\n" + services.String()})
	if len(got) > 2*MaxNodes {
		t.Errorf("%d ports from 3000", len(got))
	}
}

func FuzzCompose(f *testing.F) {
	for _, text := range []string{
		"services:\n  a:\n    extends: b\n    ports: [\"${A:-1}:1\", {target: 1}]\n    environment: [A=1, B]\n    command: sh -c \"x $$Y\"\n  b: {volumes: [\"./a:b\"], env_file: x}\n",
		"include: [a]\nservices: {a: {ports: !reset [], network_mode: \"service:a\", profiles: [x]}}\n---\nservices: {a: {ports: !override [\"1:2\"]}}\n",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		file := source.New("compose.yaml", []byte(text))
		doc, _, err := Parse("compose", file, source.NewTree(fstest.MapFS{".env": {Data: []byte("A=5\nB=$A\n")}, "compose.yaml": {Data: []byte(text)}}))
		if err != nil {
			t.Fatal(err)
		}
		var walk func(n *Node)
		walk = func(n *Node) {
			for _, at := range []source.Span{n.NameSpan, n.ValueSpan} {
				if at.File != nil && (at.Start < 0 || at.End < at.Start || at.End > len(at.File.Text)) {
					t.Fatalf("%q at %d-%d of %d", n.Value, at.Start, at.End, len(at.File.Text))
				}
			}
			for _, c := range n.Children {
				walk(c)
			}
		}
		walk(doc.Root)
	})
}

func TestComposeHostNetworkPorts(t *testing.T) {
	const host = "    network_mode: host\n"
	for _, c := range []struct {
		name    string
		files   map[string]string
		place   string // of the finding; "" for none
		removes string // by the fix; "" for no fix
	}{
		{"a list, with comments and what follows", map[string]string{"compose.yaml": "services:\n  a:\n" + host + "    ports:\n      # SIP\n      - 5060:5060/udp\n\n      - 80:80\n    # next\n    image: x\n"},
			"srv/pbx/compose.yaml:4:5", "    ports:\n      # SIP\n      - 5060:5060/udp\n\n      - 80:80\n"},
		{"items as deep as the name", map[string]string{"compose.yaml": "services:\n  a:\n    ports:\n    - 80:80\n    - target: 81\n      published: 81\n" + host},
			"srv/pbx/compose.yaml:3:5", "    ports:\n    - 80:80\n    - target: 81\n      published: 81\n"},
		{"the last line has no end", map[string]string{"compose.yaml": "services:\n  a:\n" + host + "    ports: [\"80:80\"]"},
			"srv/pbx/compose.yaml:4:5", "    ports: [\"80:80\"]"},
		{"on one line with others", map[string]string{"compose.yaml": "services: {a: {network_mode: host, ports: [\"80:80\"]}}"}, "srv/pbx/compose.yaml:1:36", ""},
		{"the network of a service that has the host's", map[string]string{"compose.yaml": "services:\n  a:\n    network_mode: service:b\n    ports: [80]\n  b:\n" + host},
			"srv/pbx/compose.yaml:4:5", "    ports: [80]\n"},
		{"two files", map[string]string{"compose.yaml": "services:\n  a:\n    ports: [80]\n", "compose.override.yaml": "services:\n  a:\n    ports: [81]\n" + host},
			"srv/pbx/compose.yaml:3:5", ""},
		{"the network comes from a variable", map[string]string{"compose.yaml": "services:\n  a:\n    network_mode: $NET\n    ports: [80]\n", ".env": "NET=host\n"},
			"srv/pbx/compose.yaml:4:5", "    ports: [80]\n"},
		{"a variable that is not known", map[string]string{"compose.yaml": "services:\n  a:\n    network_mode: $NET\n    ports: [80]\n"}, "", ""},
		{"an empty list", map[string]string{"compose.yaml": "services:\n  a:\n" + host + "    ports: []\n"}, "", ""},
		{"reset by the override", map[string]string{"compose.yaml": "services:\n  a:\n    ports: [80]\n", "compose.override.yaml": "services:\n  a:\n    ports: !reset\n" + host}, "", ""},
		{"a network of its own", map[string]string{"compose.yaml": "services:\n  a:\n    ports: [80]\n  b:\n" + host}, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			fsys := fstest.MapFS{}
			for name, text := range c.files {
				fsys["srv/pbx/"+name] = &fstest.MapFile{Data: []byte(text)}
			}
			tree := source.NewTree(fsys)
			f, err := tree.Read("srv/pbx/compose.yaml")
			if err != nil {
				t.Fatal(err)
			}
			_, diags, err := Parse("compose", f, tree)
			if err != nil {
				t.Fatal(err)
			}
			place, removes := "", ""
			for _, d := range diags {
				if d.Rule != "compose-host-network-ports" || place != "" {
					t.Fatalf("%s: %s", d.Span, d.Message)
				}
				place = d.Span.String()
				for _, fix := range d.Fixes {
					removes += fix.Edits[0].Span.Text()
				}
			}
			if place != c.place || removes != c.removes {
				t.Errorf("found at %q, and the fix removes %q", place, removes)
			}
		})
	}
}
