package report

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"

	"portolan/internal/diag"
	"portolan/internal/source"
)

// TestSARIFIsValid has what we write checked by the schema of SARIF 2.1.0, and read and
// written again by somebody else's program: a word that is not in the standard would be
// lost on the way.
func TestSARIFIsValid(t *testing.T) {
	for name, list := range samples(t) {
		var b bytes.Buffer
		o := Options{Version: "1.0", Rules: []Rule{{"ephemeral-overlap", "a listener uses ports", "# page\n", diag.Error}}}
		if err := writeSARIF(&b, One(Host{Root: "/srv/hosts/ä b", Findings: list}), o); err != nil {
			t.Fatal(err)
		}
		log, err := sarif.FromBytes(b.Bytes())
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		// Their program writes what is left out as something empty, which the standard has not
		// for these; they get what the standard says they are when left out.
		log.Runs[0].Language, log.Runs[0].Tool.Driver.Language, log.Runs[0].NewlineSequences = "en-US", "en-US", []string{"\r\n", "\n"}
		if err := log.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		raw, err := json.Marshal(log)
		if err != nil {
			t.Fatal(err)
		}
		var ours, theirs any
		if json.Unmarshal(b.Bytes(), &ours) != nil || json.Unmarshal(raw, &theirs) != nil {
			t.Fatalf("%s: not JSON", name)
		}
		if d := lost(ours, theirs, ""); d != "" {
			t.Errorf("%s: %s is lost on the way", name, d)
		}
	}
}

// lost is the place of something in ours that theirs does not have; theirs may have more
// members, with defaults.
func lost(ours, theirs any, at string) string {
	switch ours := ours.(type) {
	case map[string]any:
		theirs, _ := theirs.(map[string]any)
		for name, v := range ours {
			if d := lost(v, theirs[name], at+"/"+name); d != "" {
				return d
			}
		}
		return ""
	case []any:
		theirs, _ := theirs.([]any)
		if len(ours) != len(theirs) {
			return at
		}
		for i, v := range ours {
			if d := lost(v, theirs[i], at+"/*"); d != "" {
				return d
			}
		}
		return ""
	}
	if !cmp.Equal(ours, theirs) {
		return at
	}
	return ""
}

// TestPaths says where a file is found from the working directory.
func TestPaths(t *testing.T) {
	file := &source.File{Name: "etc/a b.conf"}
	given := &source.File{Name: "portolan.hcl", Given: true}
	for _, c := range []struct {
		root, dir string
		file      *source.File
		uri, base string
	}{
		{"hosts/a", "/builds", file, "hosts/a/etc/a%20b.conf", "%SRCROOT%"},
		{"./hosts/a/", "/builds", file, "hosts/a/etc/a%20b.conf", "%SRCROOT%"},
		{"/builds/hosts/a", "/builds", file, "hosts/a/etc/a%20b.conf", "%SRCROOT%"},
		{"/buildshop/a", "/builds", file, "file:///buildshop/a/etc/a%20b.conf", ""},
		{"/", "/builds", file, "file:///etc/a%20b.conf", ""},
		{"", "/builds", file, "etc/a%20b.conf", "%SRCROOT%"},
		{"hosts/a", "/builds", given, "portolan.hcl", "%SRCROOT%"},
		{"C:/hosts", "/builds", file, "file:///C:/hosts/etc/a%20b.conf", ""},
	} {
		h := Host{Root: c.root}
		if got := sarifURI(c.file, &h, c.dir); got.URI != c.uri || got.Base != c.base {
			t.Errorf("%s below %s from %s: %s %s, want %s %s", c.file.Name, c.root, c.dir, got.URI, got.Base, c.uri, c.base)
		}
	}
}

// TestWordsAreEscaped gives each format the text that would mean something to its reader.
func TestWordsAreEscaped(t *testing.T) {
	f := source.New("a,b:c%.conf", []byte("x = 1\n"))
	list := diag.List{{Rule: "r", Severity: diag.Error, Span: f.Span(4, 5), Message: "[click](http://x) {0} 100%\n::error::forged <b>&\"]]>"}}
	for name, want := range map[string][]string{
		"sarif":  {`\\[click\\](http://x) {{0}} 100%\\\\n::error::forged`},
		"github": {"::error file=a%2Cb%3Ac%25.conf,line=1,endLine=1,col=5,endColumn=6,title=r::[click](http://x) {0} 100%25\\n::error::forged <b>&\"]]>\n"},
		"gitlab": {`100%\\n::error::forged <b>&\"]]>`},
		"junit":  {`100%\n::error::forged &lt;b&gt;&amp;&#34;]]&gt;`},
	} {
		format, err := Lookup(name)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := format.Write(&b, One(Host{Findings: list}), Options{}); err != nil {
			t.Fatal(err)
		}
		for _, w := range want {
			if !strings.Contains(b.String(), w) {
				t.Errorf("%s: %q is not in\n%s", name, w, b.String())
			}
		}
	}
}
