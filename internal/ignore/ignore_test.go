package ignore_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"portolan/internal/diag"
	"portolan/internal/edit"
	"portolan/internal/ignore"
	"portolan/internal/inventory"
	"portolan/internal/policy"
	"portolan/internal/source"
)

var rules = []string{"odd-rtp-base", "port-overlap", "unused-ignore"}

func all(string) bool { return true }

// marked is a file in which » stands in front of every place where port-overlap finds
// something, and what is found there.
func marked(name, text string) (*source.File, diag.List) {
	f := source.New(name, []byte(strings.ReplaceAll(text, "»", "")))
	var list diag.List
	for at, rest := 0, text; ; {
		before, after, ok := strings.Cut(rest, "»")
		if !ok {
			return f, list
		}
		at += len(before)
		word, _, _ := strings.Cut(after, "«")
		if len(word) == len(after) {
			word = after[:strings.IndexAny(after+" ", " \n\"<;")]
		}
		list = append(list, diag.Diagnostic{Rule: "port-overlap", Severity: diag.Error, Message: "taken", Span: f.Span(at, at+len(word))})
		rest = after
	}
}

// tell is a result in short: a line for each finding.
func tell(r ignore.Result) string {
	var b strings.Builder
	for _, d := range r.Findings {
		fmt.Fprintf(&b, "%s %s: %s\n", d.Rule, d.Span, d.Message)
	}
	for _, s := range r.Silenced {
		fmt.Fprintf(&b, "silenced %s %s: %s\n", s.Rule, s.Span, s.Reason)
	}
	return b.String()
}

// TestComments tries a comment of every format at a finding.
func TestComments(t *testing.T) {
	const silenced = "silenced"
	for what, c := range map[string]struct{ text, want string }{
		"above":                        {"# portolan:ignore port-overlap -- why\nport = »5060\n", silenced},
		"the end of the line":          {"port »5060; # portolan:ignore port-overlap -- why\n", silenced},
		"no blank before the sign":     {"listen »5060;# portolan:ignore port-overlap -- why\n", silenced},
		"CRLF":                         {"; portolan:ignore port-overlap -- why\r\nport = »5060\r\n", silenced},
		"no newline at the end":        {"; portolan:ignore port-overlap -- why\nport = »5060", silenced},
		"C":                            {"// portolan:ignore port-overlap -- why\nport: »5060\n", silenced},
		"C, long":                      {"/* portolan:ignore port-overlap -- why */\nport: »5060\n", silenced},
		"C, long, before the text":     {"/* portolan:ignore port-overlap -- why */ port: »5060\n", silenced},
		"C, long, several lines":       {"/*\n * portolan:ignore port-overlap -- why\n */\nport: »5060\n", silenced},
		"Lua":                          {"-- portolan:ignore port-overlap -- why\nport = »5060\n", silenced},
		"XML":                          {"<!-- portolan:ignore port-overlap - why -->\n<param value=\"»5060\"/>\n", silenced},
		"XML, behind":                  {"<param value=\"»5060\"/> <!-- portolan:ignore port-overlap - why -->\n", silenced},
		"XML, several lines":           {"<!--\n  portolan:ignore port-overlap - why\n-->\n<param value=\"»5060\"/>\n", silenced},
		"X resources":                  {"! portolan:ignore port-overlap -- why\nport: »5060\n", silenced},
		"Erlang":                       {"%% portolan:ignore port-overlap -- why\nport: »5060\n", silenced},
		"m4":                           {"dnl portolan:ignore port-overlap -- why\nport: »5060\n", silenced},
		"many signs":                   {"## portolan:ignore port-overlap -- why\n  ### and more\n#\nport = »5060\n", silenced},
		"a word processor's dash":      {"# portolan:ignore port-overlap — why\nport = »5060\n", silenced},
		"no blank behind the dashes":   {"# portolan:ignore port-overlap --why\nport = »5060\n", silenced},
		"two rules":                    {"# portolan:ignore odd-rtp-base, port-overlap -- why\nport = »5060\n", "unused-ignore x:1:19: this ignore of odd-rtp-base silences nothing\nsilenced"},
		"two comments":                 {"# portolan:ignore unused-ignore -- on other hosts\n# portolan:ignore odd-rtp-base -- other\n# portolan:ignore port-overlap -- why\nport = »5060\n", "silenced port-overlap x:4:8: why\nsilenced unused-ignore x:2:19: on other hosts\n"},
		"itself":                       {"# portolan:ignore odd-rtp-base, unused-ignore -- other hosts\nport = 5060\n", "silenced unused-ignore x:1:19: other hosts\n"},
		"itself for nothing":           {"# portolan:ignore unused-ignore -- other hosts\nport = 5060\n", "unused-ignore x:1:19: this ignore of unused-ignore silences nothing\n"},
		"itself for the whole file":    {"# portolan:ignore odd-rtp-base -- b\n# portolan:ignore-file unused-ignore -- other hosts\nport = 5060\n", "silenced unused-ignore x:1:19: other hosts\n"},
		"a directive of Kamailio":      {"# portolan:ignore port-overlap -- why\n#!define PORT 1\n#!define SIP »5060\n", "unused-ignore x:1:19: this ignore of port-overlap silences nothing\nport-overlap x:3:14: taken\n"},
		"at a directive":               {"# portolan:ignore port-overlap -- why\n#!define SIP »5060\n", silenced},
		"a comment with a finding":     {"# portolan:ignore port-overlap -- why\n# »odd\n", silenced},
		"the whole file":               {"port = »5060\n[b]\nport = »5060\n# portolan:ignore-file port-overlap -- why\n", "silenced port-overlap x:1:8: why\nsilenced port-overlap x:3:8: why\n"},
		"another line":                 {"# portolan:ignore port-overlap -- why\na = 1\nport = »5060\n", "unused-ignore x:1:19: this ignore of port-overlap silences nothing\nport-overlap x:3:8: taken\n"},
		"an empty line":                {"# portolan:ignore port-overlap -- why\n\nport = »5060\n", "unused-ignore x:1:19: this ignore of port-overlap silences nothing\nport-overlap x:3:8: taken\n"},
		"the end of the file":          {"port = »5060\n# portolan:ignore port-overlap -- why", "port-overlap x:1:8: taken\nunused-ignore x:2:19: this ignore of port-overlap silences nothing\n"},
		"behind, of the line below":    {"a = 1 # portolan:ignore port-overlap -- why\nport = »5060\n", "unused-ignore x:1:25: this ignore of port-overlap silences nothing\nport-overlap x:2:8: taken\n"},
		"a part of the value":          {"port = »5060 # portolan:ignore port-overlap -- why«\n", "port-overlap x:1:8: taken\nunused-ignore x:1:15: this ignore is read as a part of the value, so it silences nothing\n"},
		"no reason":                    {"# portolan:ignore port-overlap --\nport = »5060\n", "unused-ignore x:1:3: this ignore has no reason, so it silences nothing\nport-overlap x:2:8: taken\n"},
		"no reason in XML":             {"<!-- portolan:ignore port-overlap -->\n<p v=\"»5060\"/>\n", "unused-ignore x:1:6: this ignore has no reason, so it silences nothing\nport-overlap x:2:7: taken\n"},
		"no rule":                      {"# portolan:ignore -- why\nport = »5060\n", "unused-ignore x:1:3: this ignore names no rule, so it silences nothing\nport-overlap x:2:8: taken\n"},
		"nothing":                      {"# portolan:ignore\nport = »5060\n", "unused-ignore x:1:3: this ignore names no rule, so it silences nothing\nport-overlap x:2:8: taken\n"},
		"a rule that does not exist":   {"# portolan:ignore port-overlaps -- why\nport = »5060\n", "unused-ignore x:1:19: there is no rule \"port-overlaps\", so this ignore silences nothing\nport-overlap x:2:8: taken\n"},
		"another word":                 {"# portolan:ignored port-overlap -- why\nport = »5060\n", "port-overlap x:2:8: taken\n"},
		"a sentence":                   {"# see portolan:ignore port-overlap -- why\nport = »5060\n", "port-overlap x:2:8: taken\n"},
		"a value":                      {"url = http://portolan:ignore port-overlap -- why\nport = »5060\n", "port-overlap x:2:8: taken\n"},
		"a multiplication":             {"a = 2 * portolan:ignore port-overlap -- why\nport = »5060\n", "port-overlap x:2:8: taken\n"},
		"an empty file of one comment": {"# portolan:ignore-file port-overlap -- why", "unused-ignore x:1:24: this ignore of port-overlap silences nothing\n"},
	} {
		f, list := marked("x", c.text)
		got := tell(ignore.Apply(ignore.Run{Findings: list, Files: []*source.File{f}, Rules: rules, Judged: all}))
		if c.want == silenced {
			c.want = "silenced port-overlap " + list[0].Span.String() + ": why\n"
		} else if strings.HasSuffix(c.want, "\n"+silenced) {
			c.want += " port-overlap " + list[0].Span.String() + ": why\n"
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", what, d)
		}
	}
}

// TestNotJudged has nothing said of ignores that may be needed elsewhere; those that are
// written wrongly are so everywhere.
func TestNotJudged(t *testing.T) {
	f, _ := marked("x", "# portolan:ignore port-overlap -- why\n# portolan:ignore odd-rtp-base -- why\n# portolan:ignore port-overlap\na = 1\n")
	run := ignore.Run{Files: []*source.File{f}, Rules: rules}
	const wrong = "unused-ignore x:3:3: this ignore has no reason, so it silences nothing\n"
	if got := tell(ignore.Apply(run)); got != wrong {
		t.Error(got)
	}
	run.Judged = func(rule string) bool { return rule == "odd-rtp-base" }
	if got := tell(ignore.Apply(run)); got != "unused-ignore x:2:19: this ignore of odd-rtp-base silences nothing\n"+wrong {
		t.Error(got)
	}
}

// TestRemoval makes the fixes of ignores that are not needed: only whole lines go, and never
// one that a comment around it needs.
func TestRemoval(t *testing.T) {
	const ig = "portolan:ignore port-overlap -- why"
	for _, c := range [][2]string{
		{"a = 1\n# " + ig + "\nb = 2\n", "a = 1\nb = 2\n"},
		{"# " + ig + "\r\nb = 2\r\n", "b = 2\r\n"},
		{"b = 2\n  ; " + ig, "b = 2\n"},
		{"/* " + ig + " */\nb = 2\n", "b = 2\n"},
		{"<!-- portolan:ignore port-overlap - why -->\n<b/>\n", "<b/>\n"},
		{"# " + ig + "\n# portolan:ignore odd-rtp-base -- why\nb = 2\n", "# portolan:ignore odd-rtp-base -- why\nb = 2\n"}, // the next run takes the other
		{"# portolan:ignore port-overlap, odd-rtp-base -- why\nb = 2\n", "b = 2\n"},
		{"# " + ig + "\n# as everybody knows\nb = 2\n", ""}, // the reason may go on
		{"b = 2 # " + ig + "\n", ""},
		{"/* " + ig + "\n */\nb = 2\n", ""},
		{"/*\n * " + ig + "\n */\nb = 2\n", ""},
		{"<!--\n" + ig + "\n-->\n<b/>\n", ""},
		{"<!-- portolan:ignore port-overlap - why\n-->\n<b/>\n", ""},
	} {
		f, _ := marked("x", c[0])
		list := ignore.Apply(ignore.Run{Files: []*source.File{f}, Rules: rules, Judged: all}).Findings
		if len(list) == 0 {
			t.Errorf("%q: no finding", c[0])
		}
		changes, _ := edit.Safe(list)
		got := ""
		if len(changes) > 0 {
			got = string(changes[0].Text())
		}
		if got != c[1] {
			t.Errorf("%q becomes %q, want %q", c[0], got, c[1])
		}
	}
	// One of two is needed: the line stays.
	f, found := marked("x", "# portolan:ignore port-overlap, odd-rtp-base -- why\nb = »2\n")
	list := ignore.Apply(ignore.Run{Findings: found, Files: []*source.File{f}, Rules: rules, Judged: all}).Findings
	if len(list) != 1 || list[0].Fixes != nil || list[0].Help != "remove odd-rtp-base from it" {
		t.Errorf("%+v", list)
	}
}

const ours = `ignore "port-overlap" {
  files    = ["etc/asterisk/*"]
  services = ["asterisk"]
  reason   = "the gateway has its own address"
}
# portolan:ignore unused-ignore -- a template for new sites
ignore "odd-rtp-base" { reason = "it is what the vendor says" }
# portolan:ignore port-overlap
`

func shared(t *testing.T) *ignore.Shared {
	t.Helper()
	f := source.New("portolan.hcl", []byte(ours))
	f.Given = true
	p, list := policy.Load(f, nil)
	if p == nil {
		t.Fatal(list)
	}
	return ignore.Of(p, rules)
}

func TestPolicy(t *testing.T) {
	s := shared(t)
	f, list := marked("etc/asterisk/sip.conf", "port = »5060\nother = »5061\n")
	g, more := marked("etc/kamailio/kamailio.cfg", "port = »5060\n")
	list = append(append(list, more...), diag.Diagnostic{Rule: "port-overlap", Message: "no place"})
	inv := &inventory.Inventory{
		Files:  []inventory.File{{Name: f.Name, Service: "asterisk"}, {Name: f.Name, Service: "other"}, {Name: g.Name, Service: "asterisk"}},
		Claims: []inventory.Claim{{Service: "other", Span: list[1].Span}}, // exactly there it is the other's
	}
	r := ignore.Apply(ignore.Run{Findings: list, Root: "hosts/a", Inventory: inv, Shared: s, Rules: rules, Judged: all})
	want := `port-overlap : no place
port-overlap etc/asterisk/sip.conf:2:9: taken
port-overlap etc/kamailio/kamailio.cfg:1:8: taken
silenced port-overlap etc/asterisk/sip.conf:1:8: the gateway has its own address
`
	if d := cmp.Diff(want, tell(r)); d != "" {
		t.Error(d)
	}
	if !r.Silenced[0].Policy || r.Silenced[0].By.String() != "portolan.hcl:1:9" {
		t.Errorf("%+v", r.Silenced[0])
	}

	// One host needs it, so it is needed; what is wrong is said once for all hosts.
	var used ignore.Used
	used.Add(ignore.Apply(ignore.Run{Shared: s, Rules: rules, Judged: all}).Used)
	used.Add(r.Used)
	const reasonless = "unused-ignore portolan.hcl:8:3: this ignore has no reason, so it silences nothing\n"
	if got := tell(ignore.Result{Findings: s.Unused(used, all)}); got != reasonless {
		t.Error(got)
	}
	if got := tell(ignore.Result{Findings: s.Unused(nil, all)}); got != "unused-ignore portolan.hcl:1:9: this ignore of port-overlap silences nothing\n"+reasonless {
		t.Error(got)
	}
	if got := tell(ignore.Result{Findings: s.Unused(nil, nil)}); got != reasonless {
		t.Error(got)
	}
}

// TestManyNames bounds what is read of one file.
func TestManyNames(t *testing.T) {
	for _, text := range []string{
		strings.Repeat("# portolan:ignore port-overlap -- x\n", 5000),
		strings.Repeat("# portolan:ignore\n", 5000),
		"# portolan:ignore " + strings.Repeat("x,", 1<<20) + "\n# portolan:ignore y -- z\n",
	} {
		f, _ := marked("x", text)
		list := ignore.Apply(ignore.Run{Files: []*source.File{f}, Rules: rules, Judged: all}).Findings
		if len(list) > 1001 || len(list) == 0 || list[0].Message != "more than 1000 ignores in one file: the others silence nothing" {
			t.Errorf("%d findings: %+v", len(list), list[:min(2, len(list))])
		}
	}
}

// TestManyFiles bounds what is read of all files of a host.
func TestManyFiles(t *testing.T) {
	var files []*source.File
	for i := range 12 {
		f, _ := marked(fmt.Sprintf("f%02d", i), strings.Repeat("# portolan:ignore port-overlap -- x\n", 1000)+"a = 1\n")
		files = append(files, f)
	}
	list := ignore.Apply(ignore.Run{Files: files, Rules: rules}).Findings
	if len(list) != 1 || list[0].Span.String() != "f11" || list[0].Message != "more than 10000 ignores on one host: those from this file on silence nothing" {
		t.Errorf("%+v", list)
	}
}

// TestLongLines looks at every mark of a line of megabytes.
func TestLongLines(t *testing.T) {
	for _, unit := range []string{ignore.Mark, "# " + ignore.Mark + " x y", "#" + ignore.Mark + "d ;", ignore.Mark + "-->", "# ", "#" + ignore.Mark + "-file"} {
		f, _ := marked("x", "a = 1 "+strings.Repeat(unit, 4<<20/len(unit))+ignore.Mark)
		if list := ignore.Apply(ignore.Run{Files: []*source.File{f}, Rules: rules}).Findings; len(list) > 1 {
			t.Errorf("%s: %d findings", unit, len(list))
		}
	}
}

// FuzzApply gives any text: nothing is lost, and the edits of fixes take whole lines.
func FuzzApply(f *testing.F) {
	f.Add("# portolan:ignore port-overlap -- why\nport = »5060\n")
	f.Add("/* portolan:ignore-file x,y - z */ »\r\n<!-- portolan:ignore\n-->")
	f.Fuzz(func(t *testing.T, text string) {
		file, found := marked("x", text)
		r := ignore.Apply(ignore.Run{Findings: found, Files: []*source.File{file}, Rules: rules, Judged: all})
		n := 0
		for _, d := range r.Findings {
			if d.Rule == "port-overlap" {
				n++
			}
			for _, fix := range d.Fixes {
				for _, e := range fix.Edits {
					at := e.Span
					if fix.Safety == diag.Safe && (e.New != "" || at.Start > 0 && file.Text[at.Start-1] != '\n' || at.End < len(file.Text) && file.Text[at.End-1] != '\n') {
						t.Fatalf("%q is no whole line", at.Text())
					}
				}
			}
		}
		for _, s := range r.Silenced {
			if s.Rule == "port-overlap" {
				n++
			}
			if s.Reason == "" {
				t.Fatalf("%+v has no reason", s)
			}
		}
		if n != len(found) {
			t.Fatalf("%d findings of %d", n, len(found))
		}
	})
}
