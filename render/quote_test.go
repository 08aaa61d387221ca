package render

import (
	"strings"
	"testing"

	"portolan/internal/ruleset"
)

// nasty are texts that have broken firewalls' languages before.
var nasty = []string{
	"", "plain", "two words", `"`, `'`, `\`, `\"`, `";`, "a\nflush ruleset", "a\r\nb", "a\x00b", "\t", "#", "# x", "#>", "<#", "$x", "$(reboot)", "`id`",
	"{ }", "};", "' ; Remove-NetFirewallRule", "\u2019 ; x", "\u201c", "\u00e9\u00fc", "\xff\xfe", "-j ACCEPT", "--comment", "!", "@", "|", "COMMIT", "*filter",
	":PL-IN - [0:0]", "a  b", " a ", "//", "%s", "{{.}}", "\u2028x", "\ufeff", strings.Repeat("x", 127), strings.Repeat("x", 129), strings.Repeat(`"`, 300), strings.Repeat("\\", 300), strings.Repeat("\u00e9", 200),
}

// harmless reports whether s is one line of printable ASCII.
func harmless(s string) bool {
	return !strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c > '~' })
}

// commented is a ruleset that carries s wherever a text of the user can go.
func commented(s string) *ruleset.Ruleset {
	rs := limitedHost()
	rs.Files = []string{s}
	for i := range rs.Input.Rules {
		rs.Input.Rules[i].Name, rs.Input.Rules[i].Comment = s, s
		if i%2 == 0 {
			rs.Input.Rules[i].Comment = ""
		}
	}
	return rs
}

// FuzzComments: whatever names and comments a ruleset carries, its texts are read back
// and mean the same.
func FuzzComments(f *testing.F) {
	for _, s := range nasty {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		rs := commented(s)
		for _, b := range Backends {
			if b.Name == "windows" {
				plain := *rs
				plain.Input.Rules = plainHost().Input.Rules
				for i := range plain.Input.Rules {
					plain.Input.Rules[i].Name, plain.Input.Rules[i].Comment = s, s
				}
				prove(t, b, &plain)
				continue
			}
			if _, ok := prove(t, b, rs); !ok {
				t.Errorf("%s refused the comment %q", b.Name, s)
			}
		}
		for _, q := range []string{quoteLine(s), nftComment(s), iptString(printable(s, "", 255)), psLiteral(s)} {
			if !harmless(q) {
				t.Errorf("%q was quoted as %q", s, q)
			}
		}
		if c := nftComment(s); len(c) > 130 || strings.Count(c, `"`) != 2 || c[0] != '"' || c[len(c)-1] != '"' {
			t.Errorf("nft comment %s", c)
		}
		if l := quoteLine(s); l == "" || len(l) > 200 {
			t.Errorf("comment line of %d bytes", len(l))
		}
		if p := psLiteral(s); strings.Count(p, "'")%2 != 0 || strings.Contains(p, "|") {
			t.Errorf("PowerShell literal %s", p)
		}
	})
}

// FuzzNames: what is not a plain name, interface or log prefix does not come through.
func FuzzNames(f *testing.F) {
	for _, s := range nasty {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, quote := range []func(string) (string, error){quoteName, quoteInterface, nftPrefix, iptPrefix} {
			if got, err := quote(s); err == nil && !harmless(got) {
				t.Errorf("%q came through as %q", s, got)
			}
		}
		if got := slug(s, 20); got == "" || len(got) > 20 || strings.Trim(got, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
			t.Errorf("slug %q of %q", got, s)
		}
	})
}

func TestIptablesQuotesAsItSaves(t *testing.T) {
	for in, want := range map[string]string{
		"plain-word_1": "plain-word_1", "a.b": `"a.b"`, "a b": `"a b"`, "it's": `"it\'s"`, `a"b`: `"a\"b"`, `a\b`: `"a\\b"`, "": `""`, "-j": `"-j"`,
	} {
		if got := iptString(in); got != want {
			t.Errorf("%q is quoted %s, want %s", in, got, want)
		}
	}
}

func TestSeconds(t *testing.T) {
	for in, want := range map[int]string{1: "1s", 60: "1m", 90: "1m30s", 86400: "1d", 90061: "1d1h1m1s"} {
		if got := nftSeconds(in); got != want {
			t.Errorf("%d seconds are %s, want %s", in, got, want)
		}
	}
}
