package lint_test

import (
	"slices"
	"testing"
	"testing/fstest"

	"portolan/internal/host"
	"portolan/policies"
)

// TestCrossFileMismatch: "PLACE and the places of the other half" for what is found on hosts
// with these files.
func TestCrossFileMismatch(t *testing.T) {
	const (
		kamailio  = "etc/kamailio/kamailio.cfg"
		rtpengine = "etc/rtpengine/rtpengine.conf"
		redis     = "etc/redis/redis.conf"
		manager   = "etc/lumenvox/manager.conf"
		media     = "etc/lumenvox/media_server.conf"
		sre       = "etc/lumenvox/sre_server.conf"
		tts       = "etc/lumenvox/tts_server.conf"
	)
	relay := func(socks string) string {
		return "listen=udp:192.0.2.1:5060\nmodparam(\"rtpengine\", \"rtpengine_sock\", \"" + socks + "\")\n"
	}
	relayAt := func(ng string) string { return "[rtpengine]\ninterface = 192.0.2.1\nlisten-ng = " + ng + "\n" }
	for _, c := range []struct {
		name  string
		files map[string]string
		want  []string
	}{
		{"another port", map[string]string{kamailio: relay("udp:127.0.0.1:2223"), rtpengine: relayAt("127.0.0.1:22222")},
			[]string{kamailio + ":2:56 and " + rtpengine + ":3:23"}},
		{"another address", map[string]string{kamailio: relay("udp:127.0.0.1:2223"), rtpengine: relayAt("192.0.2.1:2223")},
			[]string{kamailio + ":2:56 and " + rtpengine + ":3:23"}},
		{"an address of this host, of which one of two is right", map[string]string{kamailio: relay("1 == udp:192.0.2.1:2223=2 udp:192.0.2.1:2224"), rtpengine: relayAt("2223")},
			[]string{kamailio + ":2:82 and " + rtpengine + ":3:13"}},
		{"the same", map[string]string{kamailio: relay("udp:localhost:2223"), rtpengine: relayAt("localhost:2223")}, nil},
		{"every address", map[string]string{kamailio: relay("udp:127.0.0.1:2223"), rtpengine: relayAt("2223")}, nil},
		{"another host", map[string]string{kamailio: relay("udp:192.0.2.77:2223"), rtpengine: relayAt("22222")}, nil},
		{"no such service here", map[string]string{kamailio: relay("udp:127.0.0.1:2223")}, nil},
		{"a name that is not known", map[string]string{kamailio: relay("udp:relay:2223"), rtpengine: relayAt("22222")}, nil},
		{"a port of the service that is not known", map[string]string{kamailio: relay("udp:127.0.0.1:2223"), rtpengine: relayAt("${NG}")}, nil},
		{"the port of a container is published there", map[string]string{kamailio: relay("udp:127.0.0.1:2223"), rtpengine: relayAt("22222"),
			"srv/r/compose.yaml": "services: {r: {image: acme/relay, ports: [\"2223:2223/udp\"]}}\n"}, nil},
		{"one of two instances is there", map[string]string{kamailio: relay("udp:127.0.0.1:2223"), rtpengine: relayAt("22222"),
			"srv/r/compose.yaml": "services: {r: {image: rtpengine, network_mode: host, command: rtpengine -n 2223}}\n"}, nil},
		{"the number is TCP there", map[string]string{kamailio: relay("udp:127.0.0.1:2223"), rtpengine: relayAt("22222") + "listen-cli = 2223\n"},
			[]string{kamailio + ":2:56 and " + rtpengine + ":3:13"}},
		{"another service of the family is there", map[string]string{
			manager: "[SETTINGS]\n[SRE_SERVER]\nMaintenancePort = 7579\n[TTS_SERVER]\nMaintenancePort = default\n",
			sre:     "[SRE]\nSRE_PORTNUM = 5730\n", tts: "[GLOBAL]\nPORT_NUM = 7579\n"},
			[]string{manager + ":3:19 and " + sre + ":2:15"}},
		{"it does not listen", map[string]string{manager: "[SETTINGS]\n[MEDIA_SERVER]\n", media: "[GLOBAL]\nVERSION = 12.1.100\nmessaging_port = 0\n"},
			[]string{manager + " and " + media + ":3:18"}},
		{"lists of servers", map[string]string{"etc/lumenvox/client_property.conf": "[GLOBAL]\n[SRE]\nSRE_SERVERS = 192.0.2.7;127.0.0.1:5731;localhost\n", sre: "[SRE]\nSRE_PORTNUM = default\n"},
			[]string{"etc/lumenvox/client_property.conf:3:35 and " + sre + ":2:15"}},
		{"Redis on its usual port and an old one", map[string]string{rtpengine: relayAt("2223") + "redis = 127.0.0.1:6380/1\n", redis: "bind 127.0.0.1 -::1\n"},
			[]string{rtpengine + ":4:19 and " + redis}},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := fstest.MapFS{"proc/sys/net/ipv4/ip_local_port_range": {Data: []byte("61000\t61100\n")}}
			for name, text := range c.files {
				files[name] = &fstest.MapFile{Data: []byte(text)}
			}
			platforms, _, err := host.LoadPlatforms(policies.FS, "platforms.hcl")
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, d := range look(t, platforms, files) {
				if d.Rule == "cross-file-mismatch" {
					text := d.Span.String()
					for _, r := range d.Related {
						text += " and " + r.Span.String()
					}
					got = append(got, text)
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
