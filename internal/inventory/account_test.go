package inventory_test

import (
	"maps"
	"testing"

	"portolan/internal/inventory"
)

// TestAccounts: who a unit starts its program as, where it has no right to bind privileged
// ports from somewhere.
func TestAccounts(t *testing.T) {
	const unit, dropIn = "lib/systemd/system/coturn.service", "etc/systemd/system/coturn.service.d/a.conf"
	const start = "[Service]\nUser=turnserver\nExecStart=/usr/bin/turnserver\n"
	for _, c := range []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"another user", map[string]string{unit: start}, "turnserver"},
		{"nobody says", map[string]string{unit: "[Service]\nExecStart=/usr/bin/turnserver\n"}, ""},
		{"no unit", nil, ""},
		{"root by its number", map[string]string{unit: "[Service]\nUser=0\nExecStart=/usr/bin/turnserver\n"}, ""},
		{"a drop-in has the last word", map[string]string{unit: start, dropIn: "[Service]\nUser=root\n"}, ""},
		{"a drop-in takes it back", map[string]string{unit: start, dropIn: "[Service]\nUser=\n"}, ""},
		{"a drop-in alone", map[string]string{unit: "[Service]\nExecStart=/usr/bin/turnserver\n", dropIn: "[Service]\nUser=turn\n"}, "turn"},
		{"a user that is made up", map[string]string{unit: "[Service]\nDynamicUser=yes\n"}, "coturn"},
		{"none that is made up", map[string]string{unit: "[Service]\nDynamicUser=yes\n", dropIn: "[Service]\nDynamicUser=no\n"}, ""},
		{"the capability", map[string]string{unit: start, dropIn: "[Service]\nAmbientCapabilities=CAP_NET_RAW cap_net_bind_service\n"}, ""},
		{"another capability", map[string]string{unit: start, dropIn: "[Service]\nAmbientCapabilities=CAP_NET_RAW\n"}, "turnserver"},
		{"all capabilities but some", map[string]string{unit: start + "AmbientCapabilities=~CAP_SYS_ADMIN\n"}, ""},
		{"a capability that is taken back", map[string]string{unit: start + "AmbientCapabilities=CAP_NET_BIND_SERVICE\n", dropIn: "[Service]\nAmbientCapabilities=\n"}, "turnserver"},
		{"a socket unit", map[string]string{unit: start, "etc/systemd/system/coturn.socket": "[Socket]\nListenStream=443\n"}, ""},
		{"sockets of another name", map[string]string{unit: start + "Sockets=turn.socket\n"}, ""},
		{"a command with all rights", map[string]string{unit: "[Service]\nUser=turn\nExecStart=-+/usr/bin/turnserver\n"}, ""},
		{"a command before it with all rights", map[string]string{unit: start + "ExecStartPre=+/bin/mkdir /run/turn\n"}, "turnserver"},
		{"a capability of the file", map[string]string{unit: start + "ExecStartPre=+/sbin/setcap cap_net_bind_service=+ep /usr/bin/turnserver\n"}, ""},
		{"authbind", map[string]string{unit: "[Service]\nUser=turn\nExecStart=/usr/bin/authbind --deep /usr/bin/turnserver\n"}, ""},
		{"the operator's unit hides the package's", map[string]string{unit: start, "etc/systemd/system/coturn.service": "[Service]\nExecStart=/usr/bin/turnserver\n"}, ""},
		{"masked", map[string]string{unit: start, "etc/systemd/system/coturn.service": "-> /dev/null"}, ""},
		{"two servers, of which nobody knows whose unit it is", map[string]string{unit: start, "etc/coturn/turnserver.conf": "listening-port=3479\n"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := map[string]string{"etc/turnserver.conf": "listening-port=3478\n"}
			maps.Copy(files, c.files)
			inv, _, err := inventory.Read(ours(t), host(files), "", nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, claim := range inv.Claims {
				if claim.Account.Name != c.want {
					t.Errorf("%s runs as %q, want %q", claim.Listen, claim.Account.Name, c.want)
				}
			}
		})
	}
}
