package inventory_test

import (
	"fmt"
	"slices"
	"testing"

	"portolan/internal/inventory"
)

// TestContained: a container with a network of its own opens no port of the host; what it
// opens inside is kept beside what is published for it.
func TestContained(t *testing.T) {
	const head = "services:\n  a:\n    image: acme/rtpengine\n    command: rtpengine -i eth0 -m 20000 -M 20099\n"
	for _, c := range []struct {
		name  string
		files map[string]string
		want  []string
	}{
		{"a part", map[string]string{"opt/a/compose.yaml": head + "    ports: [\"20000-20049:20000-20049/udp\", \"8080:80\"]\n"},
			[]string{"opt/a/compose.yaml:a rtp udp eth0 20000-20099 config L4", "20000-20049 to 20000-20049/udp", "8080 to 80/tcp"}},
		{"nothing", map[string]string{"opt/a/compose.yaml": head}, nil},
		{"the network of the host", map[string]string{"opt/a/compose.yaml": head + "    network_mode: host\n    ports: [\"20000:20000/udp\"]\n"}, nil},
		{"no network", map[string]string{"opt/a/compose.yaml": head + "    network_mode: none\n    ports: [\"20000:20000/udp\"]\n"}, nil},
		{"a port that is not known", map[string]string{"opt/a/compose.yaml": head + "    ports: [\"20000:20000/udp\", \"${NOT}:1\"]\n"}, nil},
		{"one of several", map[string]string{"opt/a/compose.yaml": head + "    ports: [\"20000-20009:20000/udp\"]\n"}, nil},
		{"one that the engine chooses", map[string]string{"opt/a/compose.yaml": head + "    ports: [\"20001\", {target: 20000, published: 20000, protocol: udp}]\n"},
			[]string{"opt/a/compose.yaml:a rtp udp eth0 20000-20099 config L4", "20000 to 20000/udp"}},
		{"a file as a volume", map[string]string{
			"opt/a/compose.yaml": "services:\n  a:\n    image: acme/rtpengine\n    ports: [\"20000-20049:20000-20049/udp\"]\n    volumes: [\"./r.conf:/etc/rtpengine/rtpengine.conf\"]\n",
			"opt/a/r.conf":       "[rtpengine]\ninterface = 10.0.0.2\nport-min = 20000\nport-max = 20019\n",
		}, []string{"opt/a/compose.yaml:a rtp udp 10.0.0.2 20000-20019 config L3", "20000-20049 to 20000-20049/udp"}},
		{"a volume that is not there may say anything", map[string]string{
			"opt/a/compose.yaml": "services:\n  a:\n    image: mrcp-api\n    ports: [\"5060:5060\"]\n    env_file: gone.env\n    environment: {MEDIA_SERVER__RTP_PORT_BASE: 26000}\n",
		}, []string{"5060 to 5060/tcp"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.files["etc/ssh/sshd_config"] = "Port 0\n" // something is always found
			inv, _, err := inventory.Read(ours(t), host(c.files), "", nil)
			if err != nil {
				t.Fatal(err)
			}
			for i := range inv.Claims {
				if inv.Claims[i].Service != "docker-compose" && inv.Claims[i].Service != "rtpengine" || inv.Claims[i].Service == "rtpengine" && c.want != nil {
					t.Errorf("the host has %s", inv.Claims[i].Describe())
				}
			}
			var got []string
			for _, box := range inv.Contained {
				for i := range box.Claims {
					got = append(got, box.Container+" "+box.Claims[i].Describe())
				}
				for _, p := range box.Published {
					got = append(got, fmt.Sprintf("%s to %s/%s", p.Host, p.Inside, p.Proto))
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}
