package draw

import (
	"bufio"
	"bytes"
	"strings"
	"testing"

	"portolan/internal/chart"
)

func TestSources(t *testing.T) {
	shared := chart.Source{Words: "sip_port is 5060 in every version", Cites: []string{"https://example.com/a"}}
	long := chart.Source{Words: "größe is 1 and a long sentence that goes on", Note: "inferred", Cites: []string{"https://example.com/b", "https://example.com/a"}}
	alone := chart.Source{Words: "alone\x1b[31m", Cites: []string{"https://example.com/" + strings.Repeat("x", 50)}}
	p := chart.Picture{Panels: []chart.Panel{
		{Groups: []chart.Group{{Sources: []chart.Source{shared, long}}, {}}},
		{Groups: []chart.Group{{Sources: []chart.Source{shared, alone}}}},
	}}
	for ascii, want := range map[bool]string{
		false: `
sources:
  sip_port is 5060 in every version [1]
  größe is 1 and a long sentence that
    goes on (inferred) [2] [1]
  alone\x1b[31m [3]
  [1] https://example.com/a
  [2] https://example.com/b
  [3] https://example.com/` + strings.Repeat("x", 50) + `
`,
		true: `
sources:
  sip_port is 5060 in every version [1]
  gr\u00f6\u00dfe is 1 and a long
    sentence that goes on (inferred) [2]
    [1]
  alone\x1b[31m [3]
  [1] https://example.com/a
  [2] https://example.com/b
  [3] https://example.com/` + strings.Repeat("x", 50) + `
`,
	} {
		var out bytes.Buffer
		t40 := printer{bufio.NewWriter(&out), Options{Width: 40, ASCII: ascii}}
		t40.sources(&p)
		t40.out.Flush()
		if out.String() != want {
			t.Errorf("ascii %v: got\n%s\nwant\n%s", ascii, &out, want)
		}
	}
	var none bytes.Buffer
	t80 := printer{bufio.NewWriter(&none), Options{Width: 80}}
	t80.sources(&chart.Picture{Panels: []chart.Panel{{Groups: []chart.Group{{Name: "a"}}}}})
	t80.out.Flush()
	if none.Len() > 0 {
		t.Errorf("a picture without sources lists %q", &none)
	}
}
