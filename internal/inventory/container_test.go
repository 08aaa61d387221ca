package inventory_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"portolan/internal/inventory"
)

// TestContainers: what a container with the host's network says counts for its program, also
// in the files it has as volumes, and published ports are the engine's.
func TestContainers(t *testing.T) {
	for _, c := range []struct {
		name  string
		files map[string]string
		want  []string
	}{
		{"the network of the host or its own", map[string]string{
			"opt/voice/compose.yaml": "services:\n  a:\n    image: acme/rtpengine\n    network_mode: host\n    ports: [\"22222:22222/udp\"]\n    command: rtpengine -i 192.0.2.1 -n ${NG}\n" +
				"  b:\n    image: acme/rtpengine\n    ports: [\"22223:22222/udp\"]\n",
			"opt/voice/.env": "NG=22224\n",
		}, []string{
			"ng udp * 22224 config L6 opt/voice/compose.yaml",
			"published udp * 22223 config L9 opt/voice/compose.yaml",
			"rtp udp 192.0.2.1 30000-39999 default opt/voice/compose.yaml",
		}},
		{"two of one service", map[string]string{
			"srv/a/docker-compose.yml": "services:\n  a: {image: memcached, network_mode: host, command: -p 11300}\n  b: {image: 'memcached:1', network_mode: host, command: -p 11301}\n",
		}, []string{
			"srv/a/docker-compose.yml:a memcached tcp * 11300 config L2 srv/a/docker-compose.yml",
			"srv/a/docker-compose.yml:b memcached tcp * 11301 config L3 srv/a/docker-compose.yml",
		}},
		{"a file as a volume", map[string]string{
			"opt/q/compose.yaml":          "services:\n  q:\n    image: eclipse-mosquitto:2\n    network_mode: host\n    volumes: [\"./m.conf:/mosquitto/config/mosquitto.conf:ro\"]\n",
			"opt/q/m.conf":                "listener 18830 192.0.2.3\n",
			"opt/r/compose.yaml":          "services:\n  r:\n    image: eclipse-mosquitto:2\n    network_mode: host\n    volumes: [\"./config:/mosquitto/config\"]\n",
			"opt/r/config/mosquitto.conf": "listener 18831 192.0.2.3\n",
		}, []string{
			"opt/q/compose.yaml:q mqtt tcp 192.0.2.3 18830 config L1 opt/q/m.conf",
			"opt/r/compose.yaml:r mqtt tcp 192.0.2.3 18831 config L1 opt/r/config/mosquitto.conf",
		}},
		{"a volume that is not there opens nothing that is known", map[string]string{
			"opt/q/compose.yaml": "services:\n  q:\n    image: eclipse-mosquitto:2\n    network_mode: host\n    volumes: [\"./gone.conf:/mosquitto/config/mosquitto.conf\"]\n",
		}, nil},
		{"a file of the host that is a volume is one instance, and one that is none is another", map[string]string{
			"etc/rtpengine/rtpengine.conf": "[rtpengine]\ninterface = 192.0.2.1\nlisten-ng = 2300\n",
			"opt/a/compose.yaml":           "services:\n  a:\n    image: rtpengine\n    network_mode: host\n    command: rtpengine -m 41000 -M 41999\n    volumes: [\"/etc/rtpengine:/etc/rtpengine\"]\n",
			"opt/b/compose.yaml":           "services:\n  b:\n    image: rtpengine\n    network_mode: host\n    command: rtpengine -n 2301\n",
		}, []string{
			"etc/rtpengine/rtpengine.conf ng udp * 2300 config L3 etc/rtpengine/rtpengine.conf",
			"etc/rtpengine/rtpengine.conf rtp udp 192.0.2.1 41000-41999 config L5 opt/a/compose.yaml",
			"opt/b/compose.yaml:b ng udp * 2301 config L5 opt/b/compose.yaml",
		}},
		{"an environment file that is not there may say anything", map[string]string{
			"opt/m/compose.yaml": "services:\n  m:\n    image: mrcp-api\n    network_mode: host\n    env_file: gone.env\n    environment:\n      MEDIA_SERVER__RTP_PORT_BASE: 26000\n      MEDIA_SERVER__NUM_CHANNELS: 10\n",
		}, []string{
			"rtp udp * 26000-26019 config L7 opt/m/compose.yaml",
		}},
		{"nobody's image", map[string]string{
			"opt/x/compose.yaml": "services:\n  x: {image: acme/redis-exporter, network_mode: host}\n  y: {build: ./rtpengine, network_mode: host}\n",
		}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := claimsOf(t, ours(t), c.files); !slices.Equal(got, c.want) {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

// TestContainersSaid: who says that a Compose file is of a service hears why it is not.
func TestContainersSaid(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "docker-compose.yml")
	for text, want := range map[string]string{
		"services: {a: {image: rtpengine}}\n":  "has a network of its own",
		"services: {a: {image: acme/other}}\n": "it has no container of rtpengine",
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		inv, diags, err := inventory.ReadPaths(ours(t), []string{"rtpengine=" + file}, nil)
		if err != nil || len(inv.Claims) > 0 || len(diags) != 1 || !strings.Contains(diags[0].Message, want) {
			t.Errorf("%s: %v %v %v", text, inv, diags, err)
		}
	}
}
