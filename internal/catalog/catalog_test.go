package catalog

import (
	"bytes"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/hashicorp/hcl/v2/hclwrite"

	"portolan/services"
)

// load puts text into the file x.hcl of an operator, beside a description of ours.
func load(t *testing.T, text string) (*Catalog, string) {
	t.Helper()
	ours := fstest.MapFS{"ours.hcl": {Data: []byte(strings.Replace(whole, `"x"`, `"ours"`, 1))}}
	cat, diags, err := Load(ours, fstest.MapFS{"x.hcl": {Data: []byte(text)}})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, d := range diags {
		if d.Rule != Rule || d.Span.File == nil {
			t.Errorf("unfinished finding %+v", d)
		}
		b.WriteString(strings.TrimPrefix(d.Span.String(), "services/") + " " + d.Message + "\n")
	}
	return cat, b.String()
}

const whole = `service "x" {
  title     = "X"
  platforms = ["linux"]
  file "conf" {
    format = "lumenvox"
    paths  = { linux = ["/etc/x.conf"] }
  }
  default "port" {
    case {
      value = 99
      cites = ["https://example.org"]
    }
  }
  listen "a" {
    purpose  = "A"
    protocol = ["tcp"]
    port     = port(setting("S", "p"), default.port)
    exposure = "public"
  }
}
`

// toward is a connection in front of the listener a.
func toward(to string) string {
	return "  connect \"c\" {\n    purpose  = \"C\"\n    protocol = [\"tcp\"]\n    port     = 1\n    peer     = \"h\"\n    to       = [\"" + to + "\"]\n  }\n  listen \"a\""
}

func none(string) bool { return false }

func nothing(string) string { return "" }

// TestWhereImagesRun: a description with containers is looked at where one of its images
// runs, and by the names of Compose files.
func TestWhereImagesRun(t *testing.T) {
	cat, diags := load(t, strings.Replace(whole, "  default \"port\"", `  file "container" {
    format  = "compose"
    images  = ["acme*", "x/y"]
    options = { "-p" = "p" }
  }
  default "port"`, 1))
	if diags != "" {
		t.Fatal(diags)
	}
	var asked []string
	found := cat.Where(nothing, none, func(image string) bool { asked = append(asked, image); return image == "x/y" })
	if len(found) != 1 || found[0].ID != "x" || !slices.Equal(asked, []string{"acme*", "x/y"}) {
		t.Errorf("asked for %q, found %v", asked, found)
	}
	for _, base := range []string{"docker-compose.prod.yml", "compose.yaml"} {
		if named := cat.Named(base); len(named) != 1 || named[0].Files[1].Options["-p"] != "p" {
			t.Errorf("%s is a file of %v", base, named)
		}
	}
}

func TestWholeDescription(t *testing.T) {
	cat, diags := load(t, whole)
	if diags != "" || len(cat.IDs()) != 2 || cat.Find("x") == nil || cat.Find("y") != nil {
		t.Fatalf("%v\n%s", cat.IDs(), diags)
	}
	if found := cat.Where(nothing, func(p string) bool { return p == "/etc/x.conf" }, none); len(found) != 2 {
		t.Errorf("%d services have the path", len(found))
	}
	if found := cat.Where(nothing, func(p string) bool { return p == "/etc/y.conf" }, none); len(found) != 0 {
		t.Errorf("%d services have another path", len(found))
	}
	commented, _ := load(t, "# Comments begin with \"//\" there.\n"+whole)
	commented.Where(nothing, func(p string) bool {
		if p == "//" {
			t.Errorf("%s was looked for, which is no path", p)
		}
		return false
	}, none)
	missing := func(dir string) string { return strings.TrimSuffix(dir, "/") }
	if found := cat.Where(missing, func(p string) bool { t.Errorf("asked for %s in a folder that is not there", p); return true }, none); len(found) != 0 {
		t.Errorf("%d services have paths in folders that are not there", len(found))
	}
	if names, _ := cat.Names("x"); len(names["x"]) != 1 || names["ours"] == nil || len(names["ours"]) != 0 {
		t.Errorf("listeners are %v", names)
	}
	if d := cat.Find("x").DefaultNamed("port"); d == nil || d.Cases[0].Value.String() != "99" || d.Cases[0].Words() != "in every version" {
		t.Errorf("the default is %+v", d)
	}
}

// TestMistakes changes one thing in a description that is whole.
func TestMistakes(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{`title `, `titel `, `x.hcl:2:3 a service has no attribute "titel"; did you mean "title"?`},
		{`listen "a"`, `lisen "a"`, `x.hcl:14:3 a service has no block "lisen"; did you mean "listen"?`},
		{`exposure = "public"`, `exposure = "publik"`, `the exposure "publik" is not known; did you mean "public"?`},
		{`default.port`, `default.prot`, `x.hcl:17:40 there is no default "prot" before this place; did you mean "port"?`},
		{`port(setting`, `prot(setting`, `x.hcl:17:16 there is no function "prot"; did you mean "port"?`},
		{`default.port)`, `local.port)`, `there is no local value "port" before this place`},
		{`default.port)`, `each.value)`, `each is known only in a block with for_each`},
		{`default.port)`, `lokal.port)`, `"lokal" is not known here; did you mean "local"?`},
		{`default.port)`, `[for local in [1] : local][0])`, `"local" stands for something else in a description`},
		{`exposure = "public"`, "exposure = \"public\"\n    for_each = [1]\n    bind = [each.valu]", `there is no part of each "valu" before this place; did you mean "value"?`},
		{`    port     =`, `    first    =`, `listener a does not say its ports in one of the three ways`},
		{`service "x"`, `service "x.y"`, `the service id "x.y" has other characters`},
		{`service "x"`, `service`, `the block service needs exactly one name`},
		{`linux = ["/etc/x.conf"]`, `linux = ["x.conf"]`, `the paths of linux are not a list of absolute patterns`},
		{`linux = ["/etc/x.conf"]`, `windows = ["/etc/x.conf"]`, `the paths of windows are not a list of absolute patterns`},
		{`linux = ["/etc/x.conf"]`, `linux = ["\u002fetc/x.conf"]`, `the paths of linux are not a list of absolute patterns`},
		{`linux = ["/etc/x.conf"]`, `linux = ["/etc/[.conf"]`, `the paths of linux are not a list of absolute patterns`},
		{`format = "lumenvox"`, "format = \"lumenvox\"\n    accept = has(\"S\")\n    samples = [\"x.conf\"]", `the samples of a file are not names`},
		{`format = "lumenvox"`, "format = \"lumenvox\"\n    samples = [\"/x.conf\"]", `the samples of a file are not names, or nothing tells the file from others`},
		{`linux = ["/etc/x.conf"]`, `beos = ["/etc/x.conf"]`, `paths knows linux and windows, not "beos"`},
		{`value = 99`, `value = -1`, `value is neither a text nor a whole number`},
		{`value = 99`, `value = [1]`, `value is neither a text nor a whole number`},
		{`cites = ["https://example.org"]`, `since = "1"`, `a case needs the attribute "cites"`},
		{`protocol = ["tcp"]`, `protocol = ["tcp"`, `missing`},
		{`title     = "X"`, `title     = 5`, `title is not a string`},
		{`platforms = ["linux"]`, `platforms = "linux"`, `platforms is not a list of strings`},
		{"  listen", "  locals {\n    a = 1\n    a2 = local.a\n  }\n  each \"e\" {\n    for_each = [1]\n    locals {\n      a = 2\n    }\n  }\n  listen", `there is a local value "a" already`},
		{`format = "lumenvox"`, `format = "lumenvoks"`, `x.hcl:5:14 there is no format "lumenvoks"; did you mean "lumenvox"?`},
		{`format = "lumenvox"`, `format = "lines"`, `the format "lines" and a dialect do not go together`},
		{`format = "lumenvox"`, "format = \"ini\"\n    dialect { delimiters = \"=\" }", `the format "ini" and a dialect do not go together`},
		{`format = "lumenvox"`, "format = \"lines\"\n    dialect { comments = \"#\" }", `the dialect does not say what stands between key and value`},
		{`format = "lumenvox"`, "format = \"lines\"\n    dialect {\n delimiters = \"=\"\n quotes = \"x\"\n }", `quotes cannot be "x"`},
		{`format = "lumenvox"`, "format = \"lines\"\n    dialect {\n delimiters = \" \"\n }", `delimiters cannot be " "`},
		{`format = "lumenvox"`, "format = \"lines\"\n    dialect {\n delimiter = \"=\"\n }", `a dialect has no attribute "delimiter"; did you mean "delimiters"?`},
		{`format = "lumenvox"`, "format = \"lines\"\n    dialect {\n delimiters = \"=\"\n bare = \"tru\"\n }", `bare cannot be "tru"; did you mean "true"?`},
		{`format = "lumenvox"`, "format = \"lines\"\n    dialect {\n delimiters = \"=\"\n include \"i\" {\n need = \"all\"\n }\n }", `need cannot be "all"`},
		{`format = "lumenvox"`, "format = \"lines\"\n    dialect {\n delimiters = \"=\"\n include \"i\" {\n folder = \"\"\n }\n }", `folder has no ending`},
		{`format = "lumenvox"`, "format = \"ini\"\n    units = [\"x.service\"]", `"x.service" is not the name of a unit`},
		{`format = "lumenvox"`, "format = \"systemd\"\n    units = [\"/etc/x.service\"]", `"/etc/x.service" is not the name of a unit`},
		{`format = "lumenvox"`, "format = \"ini\"\n    layers = [\"[\"]", `"[" is not a pattern of files`},
		{`    paths  = { linux = ["/etc/x.conf"] }`, ``, `the file conf says no paths`},
		{`exposure = "public"`, "exposure = \"public\"\n    zero = \"chose\"", `zero cannot mean "chose"`},
		{`exposure = "public"`, "exposure = \"public\"\n    trusted_only = \"yes\"", `trusted_only is no address of a page`},
		{"exposure = \"public\"\n  }", "exposure = \"public\"\n  }\n  test \"t\" { expect = [] }", `the test "t" has no file`},
		{"exposure = \"public\"\n  }", "exposure = \"public\"\n  }\n  test \"t\" {\n expect = []\n files = { env = \"\" }\n }", `the test "t" has a file "env", and the service has none of that name`},
		{"exposure = \"public\"\n  }", "exposure = \"public\"\n  }\n  test \"t\" {\n expect = []\n files = { conf = 1 }\n }", `conf of files is not a text`},
		{`  file "conf" {`, "  file \"conf\" {\n    size = 1", `a file has no attribute "size"`},
		{`format = "lumenvox"`, "format = \"lumenvox\"\n    images = [\"acme\"]", `"acme" is not the name of an image`},
		{`format = "lumenvox"`, "format = \"compose\"\n    images = [\"acme:1\"]", `"acme:1" is not the name of an image`},
		{`format = "lumenvox"`, "format = \"lumenvox\"\n    options = {}", `conf has no command line whose options could be settings`},
		{`exposure = "public"`, "exposure = \"public\"\n    advertize = [\"x\"]", `a listener has no attribute "advertize"; did you mean "advertise"?`},
		{`exposure = "public"`, "exposure = \"public\"\n    needs = local.calls", `there is no local value "calls" before this place`},
		{`title     = "X"`, "title = \"X\"\n  runs = [\"x\"]", `"x" is not the name of a unit`},
		{`title     = "X"`, "title = \"X\"\n  runs = [\"x@.service\"]", `"x@.service" is not the name of a unit`},
		{`  default "port"`, "  file \"c\" {\n    format = \"compose\"\n    images = [\"a\"]\n    bodies = { con = \"X\" }\n  }\n  default \"port\"", `the bodies of c have no file "con" above`},
		{"  listen \"a\"", toward("our.a"), `x.hcl:19:16 connection c is to a service "our" that is not described; did you mean "ours"?`},
		{"  listen \"a\"", toward("ours.aa"), `connection c is to a listener "aa" that ours does not have; did you mean "a"?`},
		{"  listen \"a\"", toward("ours"), `connection c is to a listener "" that ours does not have`},
		{"  listen \"a\"", strings.Replace(toward("ours.a"), "to ", "too", 1), `a connection has no attribute "too"`},
	} {
		_, diags := load(t, strings.Replace(whole, c.old, c.new, 1))
		if !strings.Contains(diags, c.want) {
			t.Errorf("%s instead of %s: got\n%swant\n%s", c.new, c.old, diags, c.want)
		}
	}
	if _, diags := load(t, whole+strings.Replace(whole, `"x"`, `"y"`, 1)); !strings.Contains(diags, "service y stands in the file of x") {
		t.Errorf("two: %s", diags)
	}
	if _, diags := load(t, strings.Replace(whole, "  listen \"a\"", toward("ours.a"), 1)); diags != "" {
		t.Errorf("a connection to a listener that is there: %s", diags)
	}
	if _, diags := load(t, "# nothing\n"); !strings.Contains(diags, "the file describes no service") {
		t.Errorf("none: %s", diags)
	}
}

func TestLaterFileSystemsReplace(t *testing.T) {
	changed := strings.Replace(whole, `"X"`, `"other X"`, 1)
	cat, diags, err := Load(fstest.MapFS{"x.hcl": {Data: []byte(whole)}}, fstest.MapFS{"x.hcl": {Data: []byte(changed)}})
	if err != nil || len(diags) > 0 || len(cat.IDs()) != 1 || cat.Find("x").Title != "other X" {
		t.Errorf("%v, %v, %v", cat.IDs(), diags, err)
	}
	if _, _, err := Load(fstest.MapFS{}); err == nil {
		t.Error("an empty folder is not an error")
	}
}

var update = flag.Bool("update", false, "format the descriptions, and write the tables of docs/services.md")

// TestDescriptionsAreFormatted keeps the built-in descriptions in the one form.
func TestDescriptionsAreFormatted(t *testing.T) {
	names, err := services.FS.ReadDir(".")
	if err != nil || len(names) == 0 {
		t.Fatal("no descriptions", err)
	}
	for _, n := range names {
		raw, err := services.FS.ReadFile(n.Name())
		if err != nil {
			t.Fatal(err)
		}
		switch want := hclwrite.Format(raw); {
		case bytes.Equal(want, raw):
		case *update:
			if err := os.WriteFile(filepath.Join("../../services", n.Name()), want, 0o644); err != nil {
				t.Fatal(err)
			}
		default:
			t.Errorf("services/%s is not formatted: go test ./internal/catalog -update does it", n.Name())
		}
	}
}

// TestDeepNesting gives the parser as much to recurse on as a description may hold.
func TestDeepNesting(t *testing.T) {
	for _, unit := range []string{"(", "[", "{", "!", "-", "\"${", "a["} {
		text := "service \"x\" {\n title = " + strings.Repeat(unit, (MaxSize-100)/len(unit)) + "\n}\n"
		if _, diags := load(t, text); diags == "" {
			t.Errorf("%q nested deeply is no mistake", unit)
		}
	}
}

// TestOnlyFilesAreRead: what is called like a description and is no file, or is far too
// large, is refused before it is opened.
func TestOnlyFilesAreRead(t *testing.T) {
	for want, file := range map[string]*fstest.MapFile{
		"x.hcl: it is not a regular file":                                  {Mode: fs.ModeNamedPipe | 0o644},
		"x.hcl: larger than 128 KiB, the most that a description may have": {Data: make([]byte, MaxSize+1)},
	} {
		if _, _, err := Load(fstest.MapFS{"ours.hcl": {Data: []byte(whole)}}, Folder{FS: unopened{fstest.MapFS{"x.hcl": file}}, Name: "mine"}); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// unopened opens nothing but folders.
type unopened struct{ fstest.MapFS }

func (u unopened) Open(name string) (fs.File, error) {
	if strings.HasSuffix(name, ".hcl") {
		return nil, fs.ErrInvalid
	}
	return u.MapFS.Open(name)
}

func (u unopened) ReadFile(name string) ([]byte, error) { return nil, fs.ErrInvalid }

func FuzzLoad(f *testing.F) {
	f.Add([]byte(whole))
	f.Add([]byte(`service "x" { locals { a = [for x in y : x] } }`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) > MaxSize {
			return
		}
		ours := fstest.MapFS{"x.hcl": {Data: []byte(whole)}}
		if _, _, err := Load(ours, fstest.MapFS{"a.hcl": {Data: raw}}); err != nil {
			t.Fatal(err)
		}
	})
}

// BenchmarkLoad parses every description of ours.
func BenchmarkLoad(b *testing.B) {
	for b.Loop() {
		cat, _, err := Load(services.FS)
		if err != nil {
			b.Fatal(err)
		}
		cat.All()
	}
}

// TestLoadKeepsTheirs: the texts of the operator's descriptions do not share memory, as those of ours do.
func TestLoadKeepsTheirs(t *testing.T) {
	theirs := fstest.MapFS{}
	for _, id := range []string{"acme", "bell", "cord"} {
		theirs[id+".hcl"] = &fstest.MapFile{Data: []byte("# " + id + "\n" + strings.Repeat("#\n", len(theirs)))}
	}
	cat, _, err := Load(services.FS, theirs)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range cat.entries {
		raw, err := e.read()
		want := "# " + e.id + "\n"
		if e.theirs && !strings.HasPrefix(string(raw), want) || err != nil || !e.theirs && len(raw) < 100 {
			t.Errorf("%s: %.40q, %v", e.id, raw, err)
		}
	}
}
