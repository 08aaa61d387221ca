package inventory

import (
	"testing"
	"testing/fstest"

	"portolan/internal/catalog"
	"portolan/internal/source"
	"portolan/services"
)

// TestInsertion puts a line where the description would look for it, in the style of the
// file, and into no place of which it is not sure.
func TestInsertion(t *testing.T) {
	cat, diags, err := catalog.Load(services.FS)
	if err != nil || len(diags) > 0 {
		t.Fatal(diags, err)
	}
	for name, test := range map[string]struct{ text, want string }{
		"behind the last setting": {"[GLOBAL]\nVERSION = 12.1\na = b\n\n# end\n[NEXT]\nc = d\n", "[GLOBAL]\nVERSION = 12.1\na = b\nrtp_server_port_base = 7\n\n# end\n[NEXT]\nc = d\n"},
		"its style":               {"[GLOBAL]\r\n\tVERSION=12.1\r\n", "[GLOBAL]\r\n\tVERSION=12.1\r\n\trtp_server_port_base=7\r\n"},
		"columns":                 {"[GLOBAL]\nVERSION   =   12.1\n", "[GLOBAL]\nVERSION   =   12.1\nrtp_server_port_base   =   7\n"},
		"an empty value":          {"[GLOBAL]\nVERSION = 12.1\na =\n", "[GLOBAL]\nVERSION = 12.1\na =\nrtp_server_port_base = 7\n"},
		"a quoted value":          {"[GLOBAL]\nVERSION = \"12.1\"\n", "[GLOBAL]\nVERSION = \"12.1\"\nrtp_server_port_base = 7\n"},
		"no end of the last line": {"[GLOBAL]\nVERSION = 12.1", "[GLOBAL]\nVERSION = 12.1\nrtp_server_port_base = 7"},
		"written":                 {"[GLOBAL]\nVERSION = 12.1\nrtp_server_port_base = 25000\n", ""},
		"a word for the default":  {"[GLOBAL]\nVERSION = 12.1\nrtp_server_port_base = default\n", ""},
		"two sections":            {"[GLOBAL]\nVERSION = 12.1\n[GLOBAL]\na = b\n", ""},
	} {
		tree := source.NewTree(fstest.MapFS{"etc/lumenvox/media_server.conf": {Data: []byte(test.text)}})
		inv, _, err := Read(cat, tree, "", nil)
		if err != nil {
			t.Fatal(name, err)
		}
		got := ""
		for i := range inv.Claims {
			c := &inv.Claims[i]
			if c.Listen != "rtp" || c.Insert == nil {
				continue
			}
			at := c.Insert.At
			if at.Start != at.End || c.Setting != "rtp_server_port_base" {
				t.Errorf("%s: %s at %s", name, c.Setting, at)
			}
			text := string(at.File.Text)
			got = text[:at.Start] + c.Insert.Before + "7" + c.Insert.After + text[at.End:]
		}
		if got != test.want {
			t.Errorf("%s:\n got %q\nwant %q", name, got, test.want)
		}
	}
}
