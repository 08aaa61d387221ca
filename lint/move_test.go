package lint

import (
	"slices"
	"testing"

	"portolan/internal/diag"
	"portolan/internal/host"
	"portolan/internal/inventory"
	"portolan/internal/port"
)

// TestMovesTogether: on a host that leaves 1100 ports, the round number that is best for
// the small range would leave no room for the large one, which is asked about later.
func TestMovesTogether(t *testing.T) {
	tight := host.Facts{Platform: "linux", UnprivilegedStart: 1024}
	for _, r := range []port.Range{{First: 1024, Last: 19899}, {First: 21000, Last: 65535}} {
		tight.Ephemeral = append(tight.Ephemeral, host.Ephemeral{Proto: port.UDP, Family: host.V4, Ports: r, Setting: "net.ipv4.ip_local_port_range"})
	}
	small := rtp(35000, 35001)
	large := change(rtp(30000, 31049), func(c *inventory.Claim) { c.Listen, c.Span, c.Setting = "media", at("30000"), "mrcp_base" })
	got := func(claims ...inventory.Claim) []string {
		var titles []string
		for _, d := range Run(&inventory.Inventory{Claims: claims}, []host.Facts{tight}, Options{}) {
			for _, f := range d.Fixes {
				if f.Safety != diag.Display {
					titles = append(titles, f.Title)
				}
			}
		}
		return titles
	}
	if g, want := got(small, large), []string{"set rtp_base to 20950", "set mrcp_base to 19900"}; !slices.Equal(g, want) {
		t.Errorf("%q, want %q", g, want)
	}
	// With one port more than there are, the first keeps what is best for it.
	large.NominalLast, large.Ports.Last = 31098, 31098
	if g, want := got(small, large), []string{"set rtp_base to 20000"}; !slices.Equal(g, want) {
		t.Errorf("%q, want %q", g, want)
	}
}
