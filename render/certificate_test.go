package render

import (
	"bytes"
	"strings"
	"testing"

	"portolan/internal/ruleset"
)

// TestCertificate: the lines keep the ends of a text, change nothing of what it means, and
// are found again.
func TestCertificate(t *testing.T) {
	rs := plainHost()
	c := Certificate{Cells: 1234, Ruleset: rs.Hash(), Program: "portolan 0.1.0"}
	for _, b := range Backends {
		plain, _ := prove(t, b, rs)
		out := Certify(plain, c)
		for i, o := range out {
			if o.Aside {
				continue
			}
			if bytes.Equal(plain[i].Data, o.Data) || !bytes.HasPrefix(o.Data, plain[i].Data) || !bytes.HasSuffix(o.Data, []byte("; portolan 0.1.0\n")) &&
				!bytes.HasSuffix(o.Data, []byte("; portolan 0.1.0\r\n")) {
				t.Errorf("%s: ends in %q", o.Name, o.Data[max(0, len(o.Data)-200):])
			}
			if bytes.Contains(o.Data, []byte("\r\n")) && bytes.Count(o.Data, []byte("\n")) != bytes.Count(o.Data, []byte("\r\n")) {
				t.Errorf("%s: two kinds of line ends", o.Name)
			}
			if Certified(o.Data) != rs.Hash() || Certified(plain[i].Data) != "" {
				t.Errorf("%s: the certificate is not found", o.Name)
			}
		}
		back, err := readBack(b.Name, out)
		if err != nil {
			t.Fatal(err)
		}
		if c := ruleset.Equivalent(rs, back); c != nil {
			t.Errorf("%s: %s", b.Name, c.Words("the ruleset", "the text with its certificate"))
		}
	}
}

func TestCertificateText(t *testing.T) {
	c := Certificate{Cells: 7, Ruleset: strings.Repeat("ab", 32), Program: "portolan 0.1.0\nevil"}
	got := Certify([]Output{
		{Name: "a", Data: []byte("x\r\ny\r\n"), Comment: "; "}, {Name: "b", Data: []byte("x")}, {Name: "c", Data: []byte("x\n"), Aside: true},
	}, c)
	wants := []string{
		"x\r\ny\r\n; certificate: read back together with b and proved equal to the policy over 7 cells of packet space\r\n; ruleset: sha256 " + c.Ruleset + "; portolan 0.1.0?evil\r\n",
		"x\n# certificate: read back together with a and proved equal to the policy over 7 cells of packet space\n# ruleset: sha256 " + c.Ruleset + "; portolan 0.1.0?evil\n",
		"x\n",
	}
	for i, want := range wants {
		if string(got[i].Data) != want {
			t.Errorf("got  %q\nwant %q", got[i].Data, want)
		}
	}
	for _, no := range []string{"", "ruleset: sha256 " + c.Ruleset + "; x", "# a ruleset: sha256 " + c.Ruleset + "; x", "# ruleset: sha256 12; x"} {
		if Certified([]byte(no)) != "" {
			t.Errorf("%q has no certificate", no)
		}
	}
}
