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
	alone := chart.Source{Words: strings.Repeat("x", 50)}
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
  ` + strings.Repeat("x", 38) + `
    ` + strings.Repeat("x", 12) + `
  [1] https://example.com/a
  [2] https://example.com/b
`,
		true: `
sources:
  sip_port is 5060 in every version [1]
  gr\u00f6\u00dfe is 1 and a long
    sentence that goes on (inferred) [2]
    [1]
  ` + strings.Repeat("x", 38) + `
    ` + strings.Repeat("x", 12) + `
  [1] https://example.com/a
  [2] https://example.com/b
`,
	} {
		var out bytes.Buffer
		w := printer{bufio.NewWriter(&out), Options{Width: 40, ASCII: ascii}}
		w.sources(&p)
		w.out.Flush()
		if out.String() != want {
			t.Errorf("ascii %v: got\n%s\nwant\n%s", ascii, &out, want)
		}
	}
	var none bytes.Buffer
	w := printer{bufio.NewWriter(&none), Options{Width: 80}}
	w.sources(&chart.Picture{Panels: []chart.Panel{{Groups: []chart.Group{{Name: "a"}}}}})
	w.out.Flush()
	if none.Len() > 0 {
		t.Errorf("a picture without sources lists %q", &none)
	}
}
