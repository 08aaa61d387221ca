package policy

import (
	"os"
	"slices"
	"strings"
	"testing"

	"portolan/internal/diag"
	"portolan/internal/source"
)

// manual is docs/policy.md and its examples.
func manual(t *testing.T) (page string, examples []string) {
	t.Helper()
	raw, err := os.ReadFile("../../docs/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	page = string(raw)
	for _, rest := range strings.Split(page, "```hcl\n")[1:] {
		example, _, ended := strings.Cut(rest, "```")
		if !ended {
			t.Fatal("an example of docs/policy.md does not end")
		}
		examples = append(examples, example)
	}
	return page, examples
}

// TestManualExamples loads the examples of docs/policy.md, so that the page cannot be
// wrong.
func TestManualExamples(t *testing.T) {
	_, examples := manual(t)
	if len(examples) < 5 {
		t.Fatalf("docs/policy.md has %d examples", len(examples))
	}
	for i, example := range examples {
		p, diags := Load(source.New("docs/policy.md", []byte(example)), folder(map[string]string{"peers.txt": "192.0.2.0/24\n"}))
		if diags = slices.DeleteFunc(diags, func(d diag.Diagnostic) bool { return strings.HasPrefix(d.Message, "this policy allows nothing") }); p == nil || len(diags) > 0 {
			t.Errorf("%s\n%+v", example, diags)
			continue
		}
		known := map[string][]string{"lumenvox-media-server": {"sip", "rtsp", "mrcp", "rtp"}, "sshd": {}, "kamailio": {}}
		if found := Check(p, known, nil); len(found) > 0 {
			t.Errorf("%s\n%+v", example, found)
		}
		if i == 0 && (len(p.Zones) != 2 || len(p.Allows) != 3 || p.Defaults.Log.Count != 5 || p.Allows[1].Limit.Rate.Count != 10) {
			t.Errorf("%+v", p)
		}
	}
}

// TestManualHasEveryWord holds the page against the attributes that the loader knows.
func TestManualHasEveryWord(t *testing.T) {
	page, _ := manual(t)
	for _, words := range [][]string{blockTypes, zoneAttrs, allowAttrs, denyAttrs, connectAttrs, defaultAttrs, ignoreAttrs} {
		for _, w := range words {
			if !strings.Contains(page, "`"+w+"`") && !strings.Contains(page, "**"+w+"**") && !strings.Contains(page, w+" \"") && !strings.Contains(page, "\n"+w+" {") {
				t.Errorf("docs/policy.md does not speak of %s", w)
			}
		}
	}
}
