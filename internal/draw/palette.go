package draw

import (
	"fmt"
	"strings"
)

// A Theme says on which ground a picture stands. The zero value leaves it to whoever looks at it,
// and paper is always white.
type Theme uint8

// The themes.
const (
	Auto Theme = iota
	Light
	Dark
)

var themes = [...]string{Auto: "auto", Light: "light", Dark: "dark"}

// String is "auto", "light" or "dark".
func (t Theme) String() string { return themes[t] }

// Set reads what String gives. It makes *Theme a value of a flag.
func (t *Theme) Set(s string) error {
	for i, name := range themes {
		if s == name {
			*t = Theme(i)
			return nil
		}
	}
	return fmt.Errorf("%q is not a theme: use auto, light or dark", s)
}

// Type is the word for a value in the help of a flag.
func (t *Theme) Type() string { return "theme" }

// An ink is a colour of the picture, on a light and on a dark ground.
type ink struct {
	name        string
	light, dark string // #rrggbb
}

// inks are all colours. Those of bars are the ones that Okabe and Ito chose so that people who
// confuse colours do not confuse these.
var inks = [...]ink{
	{"paper", "#ffffff", "#12161c"},
	{"word", "#1b2229", "#e8ecf1"},       // words that matter
	{"quiet", "#545f6b", "#a3afbc"},      // words that do not
	{"line", "#dde2e8", "#2b333d"},       // between groups, and at numbers
	{"edge", "#78838f", "#7e8a97"},       // of bars and bands
	{"on-bar", "#101418", "#101418"},     // words inside bars
	{"on-clients", "#ffffff", "#101418"}, // and inside those for clients

	{"mrcp", "#009e73", "#12b886"},
	{"rtp", "#e69f00", "#e69f00"},
	{"clients", "#0072b2", "#4a9fdc"},
	{"internal", "#56b4e9", "#7cc6f0"},
	{"admin", "#cc79a7", "#d48ab3"},
	{"loopback", "#c3c9d0", "#9aa4af"},
	{"other", "#aeb6bf", "#b4bcc5"},
	{"unclaimed", "#f0e442", "#f0e442"},

	{"behind", "#f1f4f7", "#1a2027"}, // the ground of bands
	{"weave", "#b3bfcb", "#46525f"},  // and what is drawn on it

	{"conflict", "#d55e00", "#ff7a1a"}, // hatch and outline
	{"error", "#a33c00", "#ffa066"},    // words
	{"warning", "#7d5a00", "#f2c14e"},
	{"info", "#0b5c94", "#7cc0f0"},
}

// variables declares all inks as variables of the root, which is the <svg> of a file of its own,
// or the <html> around it. An attribute data-theme of the root beats what the system says.
func variables() string {
	var light, dark strings.Builder
	for _, i := range inks {
		fmt.Fprintf(&light, "--%s:%s;", i.name, i.light)
		fmt.Fprintf(&dark, "--%s:%s;", i.name, i.dark)
	}
	return fmt.Sprintf(":root{color-scheme:light;%s}\n"+
		"@media screen and (prefers-color-scheme:dark){:root:not([data-theme=light]){color-scheme:dark;%s}}\n"+
		"@media screen{:root[data-theme=dark]{color-scheme:dark;%[2]s}}\n", light.String(), dark.String())
}

// plainInks puts before each declaration with variables, which has a line of its own, one with
// colours, for programs that draw SVG and know no variables.
func plainInks(css string, t Theme) string {
	var pairs []string
	for _, i := range inks {
		color := i.light
		if t == Dark {
			color = i.dark
		}
		pairs = append(pairs, "var(--"+i.name+")", color)
	}
	colors := strings.NewReplacer(pairs...)
	var b strings.Builder
	for line := range strings.Lines(css) {
		if plain := colors.Replace(line); plain != line {
			b.WriteString(plain)
		}
		b.WriteString(line)
	}
	return b.String()
}
