package inventory_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"portolan/internal/catalog"
	"portolan/internal/diag"
	"portolan/internal/inventory"
	"portolan/internal/port"
	"portolan/internal/source"
	"portolan/services"
)

// chain is local values each of which is made of the one before.
func chain(first, next string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "l0 = %s\n", first)
	for i := 1; i < 45; i++ {
		fmt.Fprintf(&b, "l%d = %s\n", i, strings.ReplaceAll(next, "L", fmt.Sprintf("local.l%d", i-1)))
	}
	return b.String()
}

// TestBudget gives descriptions that ask for more than any machine has: they end soon, with
// one finding, and the file is known in part.
func TestBudget(t *testing.T) {
	const list = `items(setting("api", "list"), ",")`
	listen := func(port string) string {
		return "listen \"x\" {\n purpose = \"x\"\n protocol = [\"tcp\"]\n exposure = \"public\"\n port = " + port + "\n"
	}
	each := func(inside string) string { return "each \"e\" {\n for_each = " + list + "\n" + inside + "}\n" }
	for name, c := range map[string]struct {
		body string
		all  bool // less than the budget
	}{
		"what is not hostile":  {body: "locals {\n l = [for a in " + list + " : a]\n}\n" + listen("1") + "}\n", all: true},
		"texts twice":          {body: "locals {\n" + chain(`setting("api", "list")`, `"${L}${L}"`) + "}\n"},
		"lists twice":          {body: "locals {\n" + chain(`["a"]`, "concat(L, L)") + "}\n"},
		"lists of lists":       {body: "locals {\n" + chain(`["a"]`, "[L, L]") + "}\n"},
		"objects":              {body: "locals {\n" + chain(`["a"]`, "{ a = L, b = L }") + "}\n"},
		"lists in lists":       {body: "locals {\n l = " + list + "\n m = " + strings.Repeat("[for a in local.l : ", 5) + "a" + strings.Repeat("]", 5) + "\n}\n"},
		"objects in objects":   {body: "locals {\n m = { for a in " + list + " : a => { for b in " + list + " : b => { for c in " + list + " : c => a } } }\n}\n"},
		"templates in lists":   {body: "locals {\n m = [for a in " + list + " : \"%{for b in " + list + "}%{for c in " + list + "}${b}%{endfor}%{endfor}\"]\n}\n"},
		"splats":               {body: "locals {\n l = " + list + "\n m = local.l" + strings.Repeat("[*]", 4000) + "\n}\n"},
		"distinct, of fewer":   {body: "locals {\n l0 = " + list + "\n l1 = concat(" + strings.Repeat("local.l0, ", 17) + "[])\n l2 = distinct(local.l1)\n}\n"},
		"distinct":             {body: "locals {\n l0 = " + list + "\n l1 = concat(" + strings.Repeat("local.l0, ", 60) + "[])\n l2 = distinct(local.l1)\n}\n"},
		"repetitions":          {body: each(each(each(listen("1 + each.index") + "}\n")))},
		"listeners":            {body: strings.Repeat(listen("1 + each.index")+"for_each = "+list+"\n}\n", 500)},
		"ranges":               {body: strings.Replace(listen("1"), "port = 1", "first = 1\n last = 65535\n for_each = "+list+"\n except = [for a in "+list+" : 2 * number(a, 0) + 2]", 1) + "}\n"},
		"reasons":              {body: "locals {\n" + chain(`setting("api", "list") == "1"`, "L || L") + "}\n" + listen("1") + "when = local.l44\n}\n"},
		"a long condition":     {body: listen("1") + "when = " + strings.Repeat(`setting("api", "list") == "" || `, 3000) + "false\n}\n"},
		"paths from each node": {body: "locals {\n m = [for a in find(\"api/*\") : length(find(\"**/*\"))]\n}\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := "service \"acme\" {\n title = \"A\"\n platforms = [\"linux\"]\n file \"conf\" {\n format = \"lumenvox\"\n paths = { linux = [\"/etc/acme.conf\"] }\n }\n" + c.body + listen("7000") + "}\n}\n"
			for i := 0; strings.Contains(text, `listen "x"`); i++ { // each has a name of its own
				text = strings.Replace(text, `listen "x"`, fmt.Sprintf(`listen "x%d"`, i), 1)
			}
			cat, diags, err := catalog.Load(services.FS, fstest.MapFS{"acme.hcl": {Data: []byte(text)}})
			if err != nil || len(diags) > 0 {
				t.Fatal(err, diags)
			}
			var conf strings.Builder
			conf.WriteString("[api]\nlist = 0")
			for i := range 499 {
				fmt.Fprintf(&conf, ",%d", i+1)
			}
			conf.WriteString("\n" + strings.Repeat("k = v\n", 15_000))
			inv, diags, err := inventory.Read(cat, source.NewTree(fstest.MapFS{"etc/acme.conf": {Data: []byte(conf.String())}}), "", nil)
			if err != nil {
				t.Fatal(err)
			}
			over := 0
			for _, d := range diags {
				if strings.Contains(d.Message, "comes to more than is worked out for acme") {
					over++
				}
			}
			if want := map[bool]int{false: 1, true: 0}[c.all]; over != want || (inv.Files[0].Status == inventory.Whole) != c.all || len(inv.Claims) > 200_000 {
				t.Errorf("%d findings that it is too much, %s, %d claims", over, inv.Files[0].Status, len(inv.Claims))
			}
		})
	}
}

// TestManyClaims: of a host with more ports than any has, the files up to there are judged, and
// what is left out is said once.
func TestManyClaims(t *testing.T) {
	const files, ports = 300, 100
	tree := fstest.MapFS{}
	for i := range files {
		text := "[Socket]\n"
		for k := range ports {
			text += fmt.Sprintf("ListenStream=10.0.%d.%d:%d\n", i>>8, i&255, k+1)
		}
		tree[fmt.Sprintf("etc/systemd/system/s%03d.socket", i)] = &fstest.MapFile{Data: []byte(text)}
	}
	inv, diags, err := inventory.Read(ours(t), source.NewTree(tree), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	const built = 224 // seven waves: the first that are more than 20 000
	if len(inv.Claims) != built*ports || len(diags) != 1 || diags[0].Span.String() != "etc/systemd/system/s224.socket" ||
		diags[0].Message != "more than 20000 ports of one host: from this file on, 76 services are not looked at" {
		t.Errorf("%d claims, %v", len(inv.Claims), diags)
	}
	for i, f := range inv.Files {
		if (f.Status == inventory.Whole) != (i < built) {
			t.Errorf("%s is %s", f.Name, f.Status)
		}
	}
}

// TestManyFilesBeside: files of other kinds that belong to no main file in particular are
// parts of each, up to a limit that is said.
func TestManyFilesBeside(t *testing.T) {
	for units, cut := range map[int]bool{20: false, 600: true} {
		dir := t.TempDir()
		write := func(name, text string) {
			t.Helper()
			name = filepath.Join(dir, filepath.FromSlash(name))
			if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		write("a/rtpengine.conf", "[rtpengine]\nlisten-ng=127.0.0.1:2301\n")
		write("b/rtpengine.conf", "[rtpengine]\nlisten-ng=127.0.0.1:2302\n")
		for i := range units {
			write(fmt.Sprintf("%d/rtpengine.service", i), fmt.Sprintf("[Service]\nExecStart=/usr/bin/rtpengine --listen-http=%d\n", 3000+i))
		}
		inv, diags, err := inventory.ReadPaths(ours(t), []string{dir}, nil)
		if err != nil {
			t.Fatal(err)
		}
		said := slices.ContainsFunc(diags, func(d diag.Diagnostic) bool { return strings.HasPrefix(d.Message, "more than 500") })
		main := inv.Files[slices.IndexFunc(inv.Files, func(f inventory.File) bool { return strings.HasSuffix(f.Name, "rtpengine.conf") })]
		if said != cut || (main.Status == inventory.Partial) != cut {
			t.Errorf("%d units: said %v, the main file is %s", units, said, main.Status)
		}
	}
}

// FuzzServices gives any text to any description: claims have real ports and places in the
// text or in the description, and no expression fails.
func FuzzServices(f *testing.F) {
	cat := ours(f)
	all, _ := cat.All()
	for i, s := range all {
		for _, example := range s.Tests {
			for k := range s.Files {
				if text := example.Files[s.Files[k].Role]; text != "" {
					f.Add(uint16(i), uint8(k), []byte(text))
				}
			}
		}
	}
	f.Fuzz(func(t *testing.T, which uint16, kind uint8, raw []byte) {
		s := all[int(which)%len(all)]
		role := s.Files[int(kind)%len(s.Files)].Role
		file := source.New("f", raw)
		inv, diags, err := inventory.ReadFiles(s, map[string]*source.File{role: file}, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := range inv.Claims {
			c := &inv.Claims[i]
			if c.NominalFirst < 1 || c.NominalLast < c.NominalFirst || c.Ports.Len() == 0 && c.NominalFirst <= port.Max || c.Span.File == nil || len(c.Because) == 0 {
				t.Fatalf("%s: claim %+v", s.ID, c)
			}
		}
		for _, d := range diags {
			if d.Rule == catalog.Rule {
				t.Fatalf("the description of %s fails: %s: %s: %s", s.ID, d.Span, d.Message, d.Help)
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
