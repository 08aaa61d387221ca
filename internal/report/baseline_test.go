package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"portolan/internal/diag"
	"portolan/internal/source"
)

// overlap is a finding in a file below the root of a host.
func overlap(text string) diag.Diagnostic {
	f := source.New("etc/x.conf", []byte(text))
	return diag.Diagnostic{Rule: "port-overlap", Severity: diag.Error, Message: "taken", Span: f.Span(0, len(text))}
}

// baseline is what lint wrote in dir about hosts.
func baseline(t *testing.T, dir, lies string, fleet bool, hosts ...Host) *Baseline {
	t.Helper()
	var b bytes.Buffer
	if err := writeJSON(&b, slices.Values(hosts), Options{Dir: dir, Fleet: fleet}); err != nil {
		t.Fatal(err)
	}
	base, err := ParseBaseline(b.Bytes(), lies)
	if err != nil {
		t.Fatal(err)
	}
	return base
}

// TestBaseline writes a baseline in one folder, and looks findings up in others.
func TestBaseline(t *testing.T) {
	old := func(root string) Host { return Host{Root: root, Findings: diag.List{overlap("a = 1")}} }
	for what, c := range map[string]struct {
		written, lies, run string
		before, now        string
		known              bool
	}{
		"the same folder":                      {"/repo", "/repo", "/repo", "hosts/a", "hosts/a", true},
		"other spelling":                       {"/repo", "/repo", "/repo", "hosts/a", "./hosts//a/", true},
		"an absolute root":                     {"/repo", "/repo", "/repo", "hosts/a", "/repo/hosts/a", true},
		"another host":                         {"/repo", "/repo", "/repo", "hosts/a", "hosts/b", false},
		"a folder further down":                {"/repo", "/repo", "/repo/hosts", "hosts/a", "a", true},
		"beside":                               {"/repo", "/repo", "/repo/ci", "hosts/a", "../hosts/a", true},
		"from elsewhere, absolute":             {"/repo", "/repo", "/tmp", "hosts/a", "/repo/hosts/a", true},
		"lies elsewhere":                       {"/repo", "/repo/ci", "/repo", "hosts/a", "hosts/a", true},
		"lies elsewhere, and run further down": {"/repo", "/repo/ci", "/repo/hosts", "hosts/a", "a", false},
		"above the folder":                     {"/repo/ci", "/repo/ci", "/repo", "../hosts/a", "hosts/a", true},
		"another checkout":                     {"/home/x/repo", "/builds/1", "/builds/1", "hosts/a", "hosts/a", true},
		"this machine":                         {"/root", "/root", "/tmp", "/", "/", true},
	} {
		b := baseline(t, c.written, c.lies, false, old(c.before))
		h := old(c.now)
		b.Split(&h, c.run)
		if got := len(h.Known) == 1 && len(h.Findings) == 0; got != c.known {
			t.Errorf("%s: known %v, new %v", what, h.Known, h.Findings)
		}
		gone := 1
		if c.known {
			gone = 0
		}
		if got := b.Gone(false); got != gone {
			t.Errorf("%s: %d are gone, want %d", what, got, gone)
		}
	}
}

// TestBaselineCounts has findings that are alike: one more is new, whichever it is.
func TestBaselineCounts(t *testing.T) {
	b := baseline(t, "/repo", "/repo", false, Host{Root: "a", Findings: diag.List{overlap("a = 1"), overlap("a = 1")}})
	h := Host{Root: "a", Findings: diag.List{overlap("a = 1"), overlap("b = 1"), overlap("a = 1"), overlap("a = 1")}}
	before, _, _ := h.Fingerprints("/repo")
	b.Split(&h, "/repo")
	after, known, _ := h.Fingerprints("/repo")
	if len(h.Known) != 2 || len(h.Findings) != 2 || h.Findings[0].Span.Text() != "b = 1" {
		t.Errorf("known %v, new %v", h.Known, h.Findings)
	}
	if !slices.Equal(after, []string{before[1], before[3]}) || !slices.Equal(known, []string{before[0], before[2]}) {
		t.Errorf("%v, known %v: before %v", after, known, before)
	}
}

// TestGone counts what is not found again, only of hosts that were judged again.
func TestGone(t *testing.T) {
	hosts := []Host{{Root: "hosts/a", Findings: diag.List{overlap("a = 1")}}, {Root: "./hosts/b/", Findings: diag.List{overlap("a = 1")}}}
	for _, c := range []struct {
		now   []string
		fleet bool
		want  int
	}{{nil, true, 0}, {[]string{"hosts/a"}, false, 1}, {[]string{"hosts/a", "/repo/hosts/b"}, true, 2}, {[]string{"hosts/c"}, false, 0}} {
		b := baseline(t, "/repo", "/repo", true, hosts...)
		for _, root := range c.now {
			b.Split(&Host{Root: root}, "/repo")
		}
		if got := b.Gone(c.fleet); got != c.want {
			t.Errorf("%v: %d, want %d", c.now, got, c.want)
		}
	}
	// Of one host a baseline does not say which it was.
	b := baseline(t, "/repo", "/repo", false, hosts[0])
	b.Split(&Host{Root: "hosts/a"}, "/repo")
	if b.Gone(true) != 0 || b.Gone(false) != 1 {
		t.Errorf("%d and %d", b.Gone(true), b.Gone(false))
	}
}

func TestBrokenBaselines(t *testing.T) {
	for text, want := range map[string]string{
		``:                               "it is not the output of portolan lint --format json",
		`{"version": 1`:                  "it is not the output of portolan lint --format json",
		`[]`:                             "it is not the output of portolan lint --format json",
		`{"version": 1}`:                 "it is not the output of portolan lint --format json",
		`{"version": 2, "findings": []}`: "its version is 2, and not 1",
		`{"version": 1, "findings": [{"rule": "x"}]}`:                  "findings without a fingerprint",
		`{"version": 1, "findings": [], "summary": {"known": 3}}`:      "it lacks 3 findings that an earlier baseline had",
		`{"$schema": "", "version": "2.1.0", "runs": []}`:              "it is not the output of portolan lint --format json",
		`{"version": 1, "root": "", "files": [], "claims": [{"a":1}]}`: "it is not the output of portolan lint --format json",
		`{"version": 1, "findings": [], "findings": {}}`:               "it is not the output of portolan lint --format json: there is no [",
		`{"version": 1, "findings": null}`:                             "it is not the output of portolan lint --format json: there is no [",
		`{"version": 1, "findings": []} {}`:                            "it is not the output of portolan lint --format json: there is more",
		`{"version": 1, "findings": [[1` + strings.Repeat("[", 1e6):    "it is not the output of portolan lint --format json",
		`{"version": 1, "other": ` + strings.Repeat("[", 1e6):          "it is not the output of portolan lint --format json",
	} {
		b, err := ParseBaseline([]byte(text), "/repo")
		if b != nil || err == nil || !strings.Contains(err.Error(), want) || !strings.HasSuffix(err.Error(), "; write it with portolan lint --format json, without --baseline") {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

// TestManyKnown bounds how much is kept of a baseline, and takes what stands there again.
func TestManyKnown(t *testing.T) {
	var b strings.Builder
	b.WriteString(`{"version": 1, "findings": [{"fingerprint": "0"}`)
	for i := range maxKnown {
		fmt.Fprintf(&b, `,{"fingerprint": "%d"}`, i)
	}
	if old, err := ParseBaseline([]byte(b.String()+"]}"), "/repo"); err != nil || len(old.roots) != maxKnown {
		t.Error(err)
	}
	b.WriteString(`,{"fingerprint": "x"}]}`)
	if _, err := ParseBaseline([]byte(b.String()), "/repo"); err == nil || !strings.HasPrefix(err.Error(), "it has more than 1000000 findings") {
		t.Error(err)
	}
}

// TestIgnoredInJSON keeps silenced findings out of the list of findings.
func TestIgnoredInJSON(t *testing.T) {
	var b bytes.Buffer
	if err := writeJSON(&b, slices.Values([]Host{everything(t), {Root: "hosts/b"}}), Options{Fleet: true, Compared: true}); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Findings []map[string]any
		Ignored  []map[string]any
		Hosts    []map[string]any
		Summary  map[string]any
	}
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Findings) != 1 || len(got.Ignored) != 2 || got.Ignored[1]["reason"] != "the lab" || got.Ignored[0]["root"] != "hosts/a" ||
		got.Ignored[1]["by"].(map[string]any)["file"] != "portolan.hcl" {
		t.Errorf("%s", b.String())
	}
	if got.Summary["ignored"] != 2.0 || got.Summary["known"] != 2.0 || got.Hosts[0]["ignored"] != 2.0 || got.Hosts[1]["ignored"] != nil {
		t.Errorf("%v %v", got.Summary, got.Hosts)
	}
	if got.Findings[0]["fingerprint"] == "" || got.Ignored[0]["fingerprint"] == got.Ignored[1]["fingerprint"] {
		t.Errorf("%s", b.String())
	}
}

// TestUnseenInText counts what is not shown.
func TestUnseenInText(t *testing.T) {
	h := everything(t)
	for _, c := range []struct {
		h    Host
		o    Options
		want string
	}{
		{Host{Ignored: h.Ignored}, Options{}, "no findings; 2 ignored\n"},
		{Host{Known: h.Known[:1]}, Options{}, "no findings; 1 known from the baseline\n"},
		{Host{Known: h.Known, Ignored: h.Ignored}, Options{}, "no findings; 2 ignored, 2 known from the baseline\n"},
		{Host{Root: "a", Known: h.Known, Ignored: h.Ignored}, Options{Fleet: true}, "1 host: no findings; 2 ignored, 2 known from the baseline\n"},
	} {
		var b bytes.Buffer
		if err := writeText(&b, One(c.h), c.o); err != nil || b.String() != c.want {
			t.Errorf("%q %v, want %q", b.String(), err, c.want)
		}
	}
}
