package conf

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"portolan/internal/source"
)

// argvDump is the words of a command line, each with the text at its place.
func argvDump(raw, text string, style Style) []string {
	f := source.New("f", []byte("X="+raw))
	var out []string
	for _, a := range Words(text, f.Span(2, len(f.Text)), style) {
		line := a.Text
		if at := a.Span.Text(); at != a.Text {
			line += " <" + at + ">"
		}
		out = append(out, line)
	}
	return out
}

func TestWords(t *testing.T) {
	for _, c := range []struct {
		style Style
		raw   string
		want  []string
	}{
		{Systemd, "", nil},
		{Systemd, "/bin/x -p 5060", []string{"/bin/x", "-p", "5060"}},
		{Systemd, "  /bin/x\t--a  ", []string{"/bin/x", "--a"}},
		{Systemd, `/bin/x "a b" 'c d' e"f g"h ''`, []string{"/bin/x", "a b", "c d", `ef gh <e"f g"h>`, ""}},
		{Systemd, `/bin/x 'a'"b"`, []string{"/bin/x", `ab <'a'"b">`}},
		{Systemd, `/bin/x a\x20b "c\td" '\'' \q \303 \u00e9 \s`,
			[]string{"/bin/x", `a b <a\x20b>`, "c\td <c\\td>", `' <\'>`, `\q`, "\xc3 <\\303>", `é <\u00e9>`, `  <\s>`}},
		{Systemd, `/bin/x \x0 \x00 \u12 \9`, []string{"/bin/x", `\x0`, `\x00`, `\u12`, `\9`}},
		{Systemd, "-/bin/x a", []string{"/bin/x", "a"}},
		{Systemd, "@-+/bin/x name a", []string{"/bin/x", "a"}},
		{Systemd, "!!/bin/x", []string{"/bin/x"}},
		{Systemd, "|/bin/x -a", []string{"/bin/x", "-a"}},
		{Systemd, `-"/bin/a b" c`, []string{"/bin/a b", "c"}},
		{Systemd, `/bin/x $A $A/b a$A ${A} "$A" $$A`, []string{"/bin/x", "${A} <$A>", "${A/b} <$A/b>", "a$A", "${A}", "${A} <$A>", "$A <$$A>"}},
		{Systemd, `:/bin/x $A $$`, []string{"/bin/x", "$A", "$$"}},
		{Systemd, `/bin/%%x %i 100%%`, []string{"/bin/%x </bin/%%x>", "%i", "100% <100%%>"}},
		{Systemd, `/bin/x a ; -/bin/y b \; c`, []string{"/bin/x", "a", ";", "/bin/y", "b", `; <\;>`, "c"}},
		{Systemd, `/bin/x a;b`, []string{"/bin/x", "a;b"}},
		{Systemd, "/bin/x \\\n  -p 1 \\\r\n# not this\n ; nor this\n  -q 2", []string{"/bin/x", "-p", "1", "-q", "2"}},
		{Systemd, "/bin/x a\\\\\nb", []string{"/bin/x", `a\ <a\\>`, "b"}},
		{Systemd, "/bin/x a \\\n# the end", []string{"/bin/x", "a"}},
		{Systemd, "/bin/x a \\\n", []string{"/bin/x", "a"}},
		{Systemd, `/bin/x "open a`, []string{"/bin/x", `open a <"open a>`}},
		{Systemd, `/bin/x --port={{ p | int }} x`, []string{"/bin/x", "--port={{ p | int }}", "x"}},
		{Systemd, `/bin/x a\`, []string{"/bin/x", `a\`}},

		{Shell, "", nil},
		{Shell, `x -p "a b" 'c $d' e\ f`, []string{"x", "-p", "a b", "c $d", `e f <e\ f>`}},
		{Shell, `"a\"b\n\$c" "" 'it'\''s'`, []string{`a"b\n$c <a\"b\n\$c>`, "", `it's <'it'\''s'>`}},
		{Shell, `$A "$A b" ${A:-x y} '$A' a$B.c $1 $@ $`, []string{"${A} <$A>", "${A} b <$A b>", "${A:-x y}", "$A", "a${B}.c <a$B.c>", "${1} <$1>", "${@} <$@>", "$"}},
		{Shell, "$(echo ( a ) b) `c d` $((1 + 2))", []string{"$(echo ( a ) b)", "`c d`", "$((1 + 2))"}},
		{Shell, `${A:-${B c}} ${open $(open`, []string{"${A:-${B c}}", "${open", "$", "(", "open"}},
		{Shell, `a 2>&1; b && c # gone $x`, []string{"a", "2", ">&", "1", ";", "b", "&&", "c"}},
		{Shell, "a#b # c\nd", []string{"a#b", "d"}},
		{Shell, "a \\\n b\\\nc", []string{"a", "bc <b\\\nc>"}},
		{Shell, `"open a`, []string{`open a <"open a>`}},
		{Shell, `a\`, []string{`a\`}},
		{Shell, `--port <%= p %> "{{ q }}"`, []string{"--port", "<%= p %>", "{{ q }}"}},
	} {
		if diff := cmp.Diff(c.want, argvDump(c.raw, c.raw, c.style)); diff != "" {
			t.Errorf("%q:\n%s", c.raw, diff)
		}
	}
}

// TestWordsOfAnotherText gives the words of a value that is not written as it is.
func TestWordsOfAnotherText(t *testing.T) {
	joined := argvDump("/bin/x \\\n  -p 1", "/bin/x    -p 1", Systemd)
	if diff := cmp.Diff([]string{"/bin/x", "-p", "1"}, joined); diff != "" {
		t.Error("joined lines:", diff)
	}
	other := argvDump(`-p \"1\"`, `-p "1"`, Shell)
	if diff := cmp.Diff([]string{`-p <-p \"1\">`, `1 <-p \"1\">`}, other); diff != "" {
		t.Error("another text:", diff)
	}
	if got := Words("a b", source.Span{}, Shell); len(got) != 2 || !got[0].Span.IsZero() {
		t.Errorf("no place: %v", got)
	}
	if got := Words(strings.Repeat("a ", 3*argvMaxWords), source.Span{}, Systemd); len(got) != argvMaxWords {
		t.Errorf("%d words are kept", len(got))
	}
}

// TestWordsUnknown shows that what is not expanded is a placeholder to everybody else.
func TestWordsUnknown(t *testing.T) {
	for _, style := range []Style{Systemd, Shell} {
		for _, text := range []string{"/x $A", "/x ${A}", "/x --p={{ a b }}"} {
			if a := Words(text, source.Span{}, style); len(a) != 2 || !IsPlaceholder(a[1].Text) {
				t.Errorf("%q: %v", text, a)
			}
		}
	}
}

func FuzzWords(f *testing.F) {
	for _, seed := range []string{`/bin/x "a b" 'c' $A ${B} \x41 ; -/y`, "@/x n \\\n# c\n a", "{{ a }} <% b %> $(c `d`) ${e:-f}", "${${${$($($({{{{<%<%", `"""'''\\\`} {
		f.Add(seed)
	}
	for _, file := range kamailioCorpus(f, "*/*.service", "docker-compose/*") {
		if raw, err := os.ReadFile(file); err == nil {
			f.Add(string(raw))
		}
	}
	f.Fuzz(func(t *testing.T, raw string) {
		file := source.New("f", []byte("é="+raw))
		for _, style := range []Style{Systemd, Shell} {
			span := file.Span(3, len(file.Text))
			last := span.Start
			size := 0
			for _, a := range Words(span.Text(), span, style) {
				if a.Span.File != file || a.Span.Start < last || a.Span.End > span.End || a.Span.End < a.Span.Start {
					t.Fatalf("style %d: %q stands at %d-%d, after %d", style, a.Text, a.Span.Start, a.Span.End, last)
				}
				last = a.Span.End
				size += len(a.Text)
			}
			if size > 3*len(raw) {
				t.Fatalf("style %d: %d bytes became %d", style, len(raw), size)
			}
		}
	})
}
