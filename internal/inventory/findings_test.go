package inventory_test

import (
	"slices"
	"testing"

	"portolan/internal/catalog"
	"portolan/internal/inventory"
)

// found are the findings of one rule on a host: "PLACE: the text there", with " and " the
// places of the other halves.
func found(t *testing.T, cat *catalog.Catalog, rule string, files map[string]string) []string {
	t.Helper()
	_, diags, err := inventory.Read(cat, host(files), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, d := range diags {
		if d.Rule == rule {
			text := d.Span.String() + ": " + d.Span.Text()
			for _, r := range d.Related {
				text += " and " + r.Span.String()
			}
			out = append(out, text)
		}
	}
	return out
}

// TestPortOne: the value that the documentation of LumenVox contradicts itself about, in both
// forms, is found where it stands; 0 and a port are silent.
func TestPortOne(t *testing.T) {
	compose := func(environment string) map[string]string {
		return map[string]string{"srv/m/compose.yaml": "services:\n  m:\n    image: mrcp-api\n    network_mode: host\n    environment:\n" + environment}
	}
	conf := func(settings string) map[string]string {
		return map[string]string{"etc/lumenvox/media_server.conf": "[GLOBAL]\nVERSION = 12.1.100\n" + settings}
	}
	for _, c := range []struct {
		files map[string]string
		want  []string
	}{
		{conf("sip_port = 1\nrtsp_port = 0\n"), []string{"etc/lumenvox/media_server.conf:3:12: 1"}},
		{conf("sip_port = 5060\nrtsp_port = 1\nsips_port = 1\n"), []string{"etc/lumenvox/media_server.conf:4:13: 1", "etc/lumenvox/media_server.conf:5:13: 1"}},
		{conf("sip_port = 10\nrtsp_port = default\nsips_port = 0\nmonitoring_port = 1\n"), nil},
		{conf(""), nil},
		{compose("      - MEDIA_SERVER__SIP_PORT=5060\n      - MEDIA_SERVER__SIPS_PORT=1\n"), []string{"srv/m/compose.yaml:7:33: 1"}},
		{compose("      MEDIA_SERVER__RTSP_PORT: \"1\"\n      MEDIA_SERVER__SIP_PORT: 0\n"), []string{"srv/m/compose.yaml:6:33: 1"}},
		{compose("      MEDIA_SERVER__RTSP_PORT: 0\n      MEDIA_SERVER__SIP_PORT: ${SIP:-1}\n"), []string{"srv/m/compose.yaml:7:31: ${SIP:-1}"}},
		{compose("      MEDIA_SERVER__RTSP_PORT: 554\n"), nil},
	} {
		if got := found(t, ours(t), "service-setting", c.files); !slices.Equal(got, c.want) {
			t.Errorf("%q: got %q, want %q", c.files, got, c.want)
		}
	}
}
