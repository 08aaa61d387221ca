package main

import (
	"bytes"
	"context"
	"os"
	"regexp"
	"strings"
	"testing"
)

// shown is a command in a guide, and the output below it.
var shown = regexp.MustCompile("(?s)(```sh\nportolan (chart [^\n]*)\n```\n\n```\n)(.*?)```\n")

// more is the last line of output that goes on.
const more = "…\n"

// TestChartGuide keeps the pictures in the guide what the commands above them print, without
// the lists of sources.
func TestChartGuide(t *testing.T) {
	const name = "docs/guides/chart.md"
	t.Chdir("../..") // where its commands are run
	old := string(read(t, name))
	count := 0
	page := shown.ReplaceAllStringFunc(old, func(text string) string {
		count++
		m := shown.FindStringSubmatch(text)
		var out, errs bytes.Buffer
		if code := run(context.Background(), strings.Fields(m[2]), nil, &out, &errs, func(string) string { return "" }); code != exitOK || errs.Len() > 0 {
			t.Errorf("portolan %s: exit code %d, %s", m[2], code, &errs)
		}
		picture, _, cut := strings.Cut(out.String(), "\nsources:\n")
		if cut {
			picture += more
		}
		return m[1] + picture + "```\n"
	})
	if count != 3 {
		t.Errorf("%s shows %d pictures", name, count)
	}
	if *update {
		if err := os.WriteFile(name, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
		old = page
	}
	if page != old {
		t.Errorf("%s does not show what its commands print: run make docs", name)
	}
}
