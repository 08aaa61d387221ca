package policy

import (
	"os"
	"strings"
	"testing"

	"portolan/internal/source"
)

// TestManualExample loads the example of docs/policy.md, so that the page cannot be
// wrong.
func TestManualExample(t *testing.T) {
	page, err := os.ReadFile("../../docs/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok1 := strings.Cut(string(page), "```hcl\n")
	example, _, ok2 := strings.Cut(rest, "```")
	if !ok1 || !ok2 {
		t.Fatal("docs/policy.md has no example")
	}
	p, diags := Load(source.New("docs/policy.md", []byte(example)), nil)
	if p == nil || len(diags) > 0 {
		t.Fatalf("%+v", diags)
	}
	if len(p.Zones) != 2 || len(p.Allows) != 3 || p.Defaults.Log.Count != 5 || p.Allows[1].Limit.Rate.Count != 10 {
		t.Errorf("%+v", p)
	}
	if found := Check(p, map[string][]string{"lumenvox-media-server": {"sip", "rtsp", "mrcp", "rtp"}, "sshd": {}}, nil); len(found) > 0 {
		t.Errorf("%+v", found)
	}
}
