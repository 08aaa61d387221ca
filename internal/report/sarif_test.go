package report

import (
	"bytes"
	"encoding/json"
	"slices"
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
	every := everything(t)
	for name, list := range samples(t) {
		checkSARIF(t, name, Options{}, Host{Root: "/srv/hosts/ä b", Findings: list})
		checkSARIF(t, name+", live", Options{}, Host{Root: "/", Findings: list})
		every.Findings = append(every.Findings, list...)
	}
	checkSARIF(t, "everything", Options{Compared: true}, every)
	fleet := []Host{every, {Root: "hosts/b"}, {Findings: every.Findings[:1]}} // what has no root is about all of them
	for range 100 {
		fleet = append(fleet, every)
	}
	checkSARIF(t, "fleet", Options{Fleet: true, Compared: true}, fleet...)
	checkSARIF(t, "no host", Options{Fleet: true})
}

// everything is a host with all that a finding can have and the samples have not.
func everything(t *testing.T) Host {
	t.Helper()
	f := source.New("etc/語 音.conf", []byte("port = 5060 # \xe9 語\n"))
	missing := source.New("etc/sysctl.d/60-portolan.conf", nil)
	policy := source.New("portolan.hcl", []byte("ignore \"x\" {}\n"))
	policy.Given = true
	at := f.Span(7, 11)
	return Host{
		Root: "hosts/a",
		Findings: diag.List{{Rule: "ephemeral-overlap", Severity: diag.Error, Message: "[a](b) {0} 語", Span: at, Notes: []string{"n"}, Help: "h",
			Related: []diag.Related{{Span: missing.Span(0, 0), Message: "here"}, {Span: policy.Span(0, 6), Message: "there"}},
			Fixes: []diag.Fix{
				{Title: "write a file that is not there yet", Safety: diag.Unsafe, Edits: []diag.Edit{{Span: missing.Span(0, 0), New: "net.ipv4.ip_local_reserved_ports = 5060\n"}}},
				{Title: "change two files", Safety: diag.Safe, Edits: []diag.Edit{{Span: at, New: "5070"}, {Span: policy.Span(0, 6), New: "語"}, {Span: f.Span(12, 12)}}},
				{Title: "delete the line", Safety: diag.Safe, Edits: []diag.Edit{{Span: f.Span(0, len(f.Text))}}},
			}}},
		Known: diag.List{{Rule: "port-overlap", Severity: diag.Warning, Message: "known", Span: at}, {Rule: "x", Severity: diag.Info, Message: "known and nowhere"}},
		Ignored: []diag.Silenced{
			{Diagnostic: diag.Diagnostic{Rule: "port-overlap", Severity: diag.Error, Message: "ignored", Span: at}, Reason: "say \"why\" 語 \x1b", By: f.Span(12, 13)},
			{Diagnostic: diag.Diagnostic{Rule: "port-overlap", Severity: diag.Error, Message: "ignored"}, Reason: "the lab", By: policy.Span(8, 9), Policy: true},
		},
	}
}

// checkSARIF writes hosts, and validates what is written.
func checkSARIF(t *testing.T, name string, o Options, hosts ...Host) {
	t.Helper()
	o.Version = "1.0"
	o.Rules = []Rule{{"ephemeral-overlap", "a listener uses ports", "# page\n" + strings.Repeat("words ünd `code` <b> \\ {0}\n", 5000), diag.Error}}
	var b bytes.Buffer
	if err := writeSARIF(&b, slices.Values(hosts), o); err != nil {
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

// TestSARIFSaysWhatIsNew looks at the words for known and silenced findings.
func TestSARIFSaysWhatIsNew(t *testing.T) {
	h := everything(t)
	states := func(o Options) string {
		var b bytes.Buffer
		if err := writeSARIF(&b, One(h), o); err != nil {
			t.Fatal(err)
		}
		var log struct {
			Runs []struct{ Results []sarifResult }
		}
		if err := json.Unmarshal(b.Bytes(), &log); err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, r := range log.Runs[0].Results {
			s := r.Message.Text[:3] + " " + r.Baseline
			for _, x := range r.Suppressions {
				s += " " + x.Kind + " " + x.Justification + " " + x.Location.Physical.Artifact.URI
			}
			out = append(out, s)
		}
		return strings.Join(out, "; ")
	}
	if got, want := states(Options{Compared: true}), `\[a new; kno unchanged; kno unchanged; ign  inSource say "why" 語 \x1b hosts/a/etc/%E8%AA%9E%20%E9%9F%B3.conf; ign  external the lab portolan.hcl`; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	h.Known = nil
	if got := states(Options{}); !strings.HasPrefix(got, `\[a ; ign  inSource`) {
		t.Error(got)
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
