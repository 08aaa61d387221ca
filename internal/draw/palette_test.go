package draw

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"portolan/internal/chart"
)

// luminance is that of WCAG 2.2, of a colour #rrggbb.
func luminance(t *testing.T, color string) float64 {
	t.Helper()
	n, err := strconv.ParseUint(strings.TrimPrefix(color, "#"), 16, 32)
	if err != nil || len(color) != 7 {
		t.Fatalf("%q is no colour", color)
	}
	part := func(shift int) float64 {
		c := float64(n>>shift&255) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 0.2126*part(16) + 0.7152*part(8) + 0.0722*part(0)
}

// TestContrast is that of WCAG level AA: 4.5 for words on what they stand on, 3 for outlines.
func TestContrast(t *testing.T) {
	check := func(least float64, a string, grounds ...string) {
		for _, b := range grounds {
			for theme, c := range map[string][2]string{"light": {at(t, a).light, at(t, b).light}, "dark": {at(t, a).dark, at(t, b).dark}} {
				x, y := luminance(t, c[0]), luminance(t, c[1])
				if contrast := (max(x, y) + 0.05) / (min(x, y) + 0.05); contrast < least {
					t.Errorf("%s: %s on %s has a contrast of %.2f, not %.1f", theme, a, b, contrast, least)
				}
			}
		}
	}
	check(4.5, "word", "paper", "behind", "weave")
	for _, words := range []string{"quiet", "error", "warning", "info"} {
		check(4.5, words, "paper", "behind")
	}
	for _, outline := range []string{"edge", "conflict"} {
		check(3, outline, "paper", "behind")
	}
	for k := chart.Other; !k.Behind(); k++ {
		if k == chart.Clients {
			check(4.5, "on-clients", "clients")
			continue
		}
		check(4.5, "on-bar", k.String())
	}
}

// TestInks: each variable of the style sheet is an ink, each ink is used, and each kind has a look.
func TestInks(t *testing.T) {
	css := pictureStyle()
	used := map[string]bool{}
	for _, m := range regexp.MustCompile(`var\(--([^)]*)\)`).FindAllStringSubmatch(css, -1) {
		used[m[1]] = true
	}
	for _, i := range inks {
		if !used[i.name] {
			t.Errorf("nothing is drawn with %q", i.name)
		}
		delete(used, i.name)
	}
	if len(used) > 0 {
		t.Errorf("these are no inks: %v", used)
	}
	for k := chart.Other; k <= chart.NomadPorts; k++ {
		if !regexp.MustCompile(`\.` + k.String() + `\b[^{]*\{\n\tfill: `).MatchString(css) {
			t.Errorf("%s has no look", k)
		}
	}
	for theme, color := range map[string]string{"": "#e69f00", "light": at(t, "mrcp").light, "dark": at(t, "mrcp").dark} {
		plain, err := style(theme)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(plain, "\tfill: "+color+";\n") {
			t.Errorf("theme %q has no plain %s", theme, color)
		}
		if colors, variables := strings.Count(plain, ": #"), strings.Count(css, "var("); colors != variables {
			t.Errorf("theme %q has %d plain colours for %d variables", theme, colors, variables)
		}
	}
	if _, err := style("pink"); err == nil {
		t.Error("pink is a theme")
	}
}

func at(t *testing.T, name string) ink {
	t.Helper()
	for _, i := range inks {
		if i.name == name {
			return i
		}
	}
	t.Fatalf("there is no ink %q", name)
	return ink{}
}

func TestTheme(t *testing.T) {
	for i, name := range themes {
		var o Theme
		if err := o.Set(name); err != nil || o != Theme(i) || o.String() != name {
			t.Errorf("%s: %v, %v", name, o, err)
		}
	}
	var o Theme
	if o.Set("Dark") == nil || o.Set("") == nil || o != Auto {
		t.Error("what is no theme is one")
	}
}
