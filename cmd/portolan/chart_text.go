package main

import (
	"cmp"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"portolan/internal/draw"
)

// fit refuses a width that nobody can use, and makes a chart in text fit who reads it: as wide as the
// terminal, in colour for a person, and in ASCII where the locale has no other characters.
func (a *app) fit(cmd *cobra.Command, format string, o *draw.Options) error {
	if o.Width < 0 {
		return usage("--width: %d is less than nothing", o.Width)
	}
	if format != "text" {
		if o.Width != 0 && (o.Width < draw.LeastPixels || o.Width > draw.MostPixels) {
			return usage("--width: a picture has %d to %d pixels, and not %d", draw.LeastPixels, draw.MostPixels, o.Width)
		}
		return nil
	}
	o.Color = a.dress(a.stdout).Color
	if !cmd.Flags().Changed("ascii") {
		o.ASCII = !a.hasUnicode()
	}
	switch {
	case o.Width == 0:
		if columns := a.columns(); columns > 0 {
			o.Width = min(max(columns, draw.LeastColumns), draw.MostColumns)
		}
	case o.Width < draw.LeastColumns || o.Width > draw.MostColumns:
		return usage("--width: text has %d to %d columns, and not %d", draw.LeastColumns, draw.MostColumns, o.Width)
	}
	return nil
}

// columns are those of the terminal, else what COLUMNS says, else 0.
func (a *app) columns() int {
	if f, ok := a.stdout.(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			return width
		}
	}
	if width, err := strconv.Atoi(a.getenv("COLUMNS")); err == nil && width > 0 {
		return width
	}
	return 0
}

// hasUnicode is false where the locale is that of C or names another character set than UTF-8.
// A locale that is not set, as in a container or on Windows, says nothing, and so does one
// without a character set. The first variable that is set decides (POSIX, chapter 8.2).
func (a *app) hasUnicode() bool {
	locale := cmp.Or(a.getenv("LC_ALL"), a.getenv("LC_CTYPE"), a.getenv("LANG"))
	if locale == "C" || locale == "POSIX" {
		return false
	}
	locale, _, _ = strings.Cut(locale, "@") // as in de_DE.UTF-8@euro
	_, set, found := strings.Cut(locale, ".")
	return !found || strings.EqualFold(strings.ReplaceAll(set, "-", ""), "utf8")
}
