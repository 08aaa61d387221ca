package report

import (
	"encoding/xml"
	"strings"
	"testing"
)

// FuzzXMLText: what a reader of XML finds in a text and in an attribute is what Printable makes of
// each line.
func FuzzXMLText(f *testing.F) {
	for _, s := range []string{"", "a", `</a><b c="d">'&amp;]]>`, "\x00\x1b[31m\ufffe\uffff\xff", "a\nb\r\n\tc", "\u202e\u2028", "統一碼 👩"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		lines := strings.Split(s, "\n")
		for i := range lines {
			lines[i] = Printable(lines[i])
		}
		want := strings.Join(lines, "\n")
		var got struct {
			Attr string `xml:"attr,attr"`
			Text string `xml:",chardata"`
		}
		quoted := XMLText(s)
		if err := xml.Unmarshal([]byte(`<a attr="`+quoted+`">`+quoted+`</a>`), &got); err != nil {
			t.Fatalf("%q: %v", quoted, err)
		}
		if got.Text != want || got.Attr != want {
			t.Errorf("%q became %q and %q", want, got.Text, got.Attr)
		}
	})
}
