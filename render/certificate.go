package render

import (
	"bytes"
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// A Certificate is what the last lines of an output say about its proof.
type Certificate struct {
	Cells   int    // of packet space that were compared
	Ruleset string // the hash of the ruleset that was proved
	Program string // name and version of the program, "portolan 0.1.0"
}

// Certify returns the outputs with c as comment lines at the end. What stands aside was not
// proved and gets none. The lines hold no date and no name of a machine, so the same input
// still gives the same bytes.
func Certify(outputs []Output, c Certificate) []Output {
	var parts []string
	for _, o := range outputs {
		if !o.Aside {
			parts = append(parts, o.Name)
		}
	}
	out := slices.Clone(outputs)
	for i := range out {
		if o := &out[i]; !o.Aside {
			o.Data = c.append(o, parts)
		}
	}
	return out
}

// append is the data of o with the certificate behind it. Parts are the files that were
// read back together.
func (c Certificate) append(o *Output, parts []string) []byte {
	with := ""
	if len(parts) > 1 {
		others := slices.DeleteFunc(slices.Clone(parts), func(name string) bool { return name == o.Name })
		with = " together with " + strings.Join(others, " and ")
	}
	end := "\n"
	if bytes.Contains(o.Data, []byte("\r\n")) {
		end = "\r\n"
	}
	b := bytes.NewBuffer(slices.Clone(o.Data))
	if n := len(o.Data); n > 0 && o.Data[n-1] != '\n' {
		b.WriteString(end)
	}
	for _, line := range []string{
		fmt.Sprintf("certificate: read back%s and proved equal to the policy over %d cells of packet space", with, c.Cells),
		fmt.Sprintf("ruleset: sha256 %s; %s", c.Ruleset, c.Program),
	} {
		quote := quoteLine
		if o.Comment == "rem " {
			quote = cmdRemark
		}
		b.WriteString(cmp.Or(o.Comment, "# ") + quote(line) + end)
	}
	return b.Bytes()
}

// certified finds the hash in a comment line of any language. More blanks stand before names
// of files, which we do not trust.
var certified = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?m)^(?:#|;|rem) ruleset: sha256 ([0-9a-f]{64}); [^\r\n]*\r?$`)
})

// Certified is the hash of the ruleset that the certificate of a text names; "" for a text
// without one. It says what the text was written for and proves nothing.
func Certified(text []byte) string {
	// At the end of the text, or of one of its parts: they carry the same.
	all := certified().FindAllSubmatch(text, -1)
	if len(all) == 0 {
		return ""
	}
	return string(all[len(all)-1][1])
}
