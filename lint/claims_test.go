package lint_test

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"portolan/internal/host"
	"portolan/policies"
)

// TestKnowledge is what the rules say that rest on what descriptions know beside sockets,
// and the near misses on which they are silent.
func TestKnowledge(t *testing.T) {
	platforms, _, err := host.LoadPlatforms(policies.FS, "platforms.hcl")
	if err != nil {
		t.Fatal(err)
	}
	const range10 = "[rtpengine]\ninterface = 10.0.0.5\nport-min = 20000\nport-max = 20009\n"
	box := func(image, rest string) string { return "services:\n  a:\n    image: " + image + "\n" + rest }
	for _, c := range []struct {
		rule, name, file, text string
		more                   map[string]string
		want                   string // a part of the message, "" for silence
	}{
		{"loopback-address", "the word for the default", "etc/lumenvox/media_server.conf", "[GLOBAL]\nVERSION = 12.1\nmrcp_server_ip = default\n", nil, "are told 127.0.0.1, where each client reaches only itself"},
		{"loopback-address", "nobody wrote it", "etc/lumenvox/media_server.conf", "[GLOBAL]\nVERSION = 12.1\n", nil, ""},
		{"loopback-address", "the unspecified address", "usr/local/unimrcp/conf/unimrcpserver.xml", "<unimrcpserver><properties><ip>0.0.0.0</ip></properties><components><rtp-factory id=\"a\"/></components></unimrcpserver>", nil, "are told 0.0.0.0, which is no address that one can send to"},
		{"loopback-address", "behind NAT", "usr/local/unimrcp/conf/unimrcpserver.xml", "<unimrcpserver><properties><ip>0.0.0.0</ip><ext-ip>198.51.100.5</ext-ip></properties><components><rtp-factory id=\"a\"/></components></unimrcpserver>", nil, ""},
		{"loopback-address", "a name", "etc/asterisk/pjsip.conf", "[t]\ntype = transport\nbind = 10.0.0.5\nexternal_media_address = localhost\n", nil, "are told localhost"},
		{"loopback-address", "a socket of its own for this host", "etc/kamailio/kamailio.cfg", "listen=udp:127.0.0.1:5060 advertise 127.0.0.1:5060\nlisten=udp:10.0.0.5:5060 advertise 198.51.100.5:5060\n", nil, ""},
		{"loopback-address", "advertised for all sockets", "etc/kamailio/kamailio.cfg", "listen=udp:10.0.0.5:5060\nadvertised_address=127.0.0.1\n", nil, "are told 127.0.0.1"},
		{"loopback-address", "in IPv6", "etc/opensips/opensips.cfg", "socket=udp:10.0.0.5:5060 as [::1]:5060\n", nil, "are told ::1"},
		{"loopback-address", "one that FreeSWITCH replaces", "etc/freeswitch/freeswitch.xml", "<document><section><configuration name=\"sofia.conf\"><profiles><profile name=\"a\"><settings><param name=\"sip-ip\" value=\"10.0.0.5\"/><param name=\"ext-rtp-ip\" value=\"0.0.0.0\"/></settings></profile></profiles></configuration></section></document>", nil, ""},

		{"port-overlap", "both families, whose sockets PJSIP keeps apart", "etc/asterisk/pjsip.conf", "[a]\ntype = transport\nprotocol = tcp\nbind = 0.0.0.0\n[b]\ntype = transport\nprotocol = tcp\nbind = [::]\n", nil, ""},
		{"port-overlap", "one family twice", "etc/asterisk/pjsip.conf", "[a]\ntype = transport\nprotocol = tcp\nbind = [2001:db8::1]\n[b]\ntype = transport\nprotocol = tcp\nbind = [::]\n", nil, "overlaps SIP 5060/tcp"},

		{"range-too-small", "two for a session", "etc/rtpengine/rtpengine.conf", range10 + "max-sessions = 3\n", nil, "has 10 ports, and max-sessions 3 needs 12"},
		{"range-too-small", "just enough", "etc/rtpengine/rtpengine.conf", range10 + "max-sessions = 2\n", nil, ""},
		{"range-too-small", "no limit", "etc/rtpengine/rtpengine.conf", range10 + "max-sessions = -1\n", nil, ""},
		{"range-too-small", "the range is built in", "etc/rtpengine/rtpengine.conf", "[rtpengine]\ninterface = 10.0.0.5\nmax-sessions = 5000\n", nil, "has 10000 ports, and max-sessions 5000 needs 20000"},
		{"range-too-small", "a quota", "etc/turnserver.conf", "relay-ip=10.0.0.5\nmin-port=20000\nmax-port=20099\nno-tcp-relay\ntotal-quota=150\n", nil, "total-quota 150 needs 150"},
		{"range-too-small", "a quota over both protocols", "etc/turnserver.conf", "relay-ip=10.0.0.5\nmin-port=20000\nmax-port=20099\ntotal-quota=150\n", nil, ""},
		{"range-too-small", "a quota for addresses that nobody counts", "etc/turnserver.conf", "min-port=20000\nmax-port=20099\nno-tcp-relay\ntotal-quota=150\n", nil, ""},

		{"published-too-few", "other numbers outside", "opt/a/compose.yaml", box("acme/rtpengine", "    command: rtpengine -i eth0 -m 20000 -M 20099\n    ports: [\"30000-30099:20000-20099/udp\"]\n"), nil, "is published under other numbers, from 30000 on"},
		{"published-too-few", "the other protocol", "opt/a/compose.yaml", box("acme/rtpengine", "    command: rtpengine -i eth0 -m 20000 -M 20099\n    ports: [\"20000-20049:20000-20049/tcp\"]\n"), nil, ""},
		{"published-too-few", "in two parts", "opt/a/compose.yaml", box("acme/rtpengine", "    command: rtpengine -i eth0 -m 20000 -M 20099\n    ports: [\"20000-20049:20000-20049/udp\", \"20050-20099:20050-20099/udp\"]\n"), nil, ""},
		{"published-too-few", "a range that nobody wrote may be another one in the image", "opt/a/compose.yaml", box("acme/rtpengine", "    command: rtpengine -i eth0\n    ports: [\"30000-30099:30000-30099/udp\"]\n"), nil, ""},
		{"published-too-few", "a port of its own", "opt/a/compose.yaml", box("acme/rtpengine", "    command: rtpengine -i eth0 -m 20000 -M 20099\n    ports: [\"8080:8080\"]\n"), nil, ""},
		{"published-too-few", "the network of the host", "opt/a/compose.yaml", box("acme/rtpengine", "    network_mode: host\n    command: rtpengine -i 10.0.0.5 -m 20000 -M 20099\n    ports: [\"20000-20049:20000-20049/udp\"]\n"), nil, ""},

		{"bind-all", "no address, and the documentation warns", "etc/asterisk/manager.conf", "[general]\nenabled = yes\n", nil, "ami 5038/tcp of asterisk-ami listens on every address"},
		{"bind-all", "switched off", "etc/asterisk/manager.conf", "[general]\nenabled = no\nbindaddr = 0.0.0.0\n", nil, ""},
		{"bind-all", "over TLS", "etc/asterisk/manager.conf", "[general]\nenabled = yes\nbindaddr = 127.0.0.1\ntlsenable = yes\ntlsbindaddr = 0.0.0.0\n", nil, ""},
		{"bind-all", "without a password", "etc/redis/redis.conf", "protected-mode no\n", nil, "redis 6379/tcp of redis listens on every address"},
		{"bind-all", "with a password", "etc/redis/redis.conf", "bind 0.0.0.0\nprotected-mode no\nrequirepass x\n", nil, ""},
		{"bind-all", "no address, and nobody warns", "etc/memcached.conf", "-p 11211\n", nil, ""},
		{"bind-all", "one address", "etc/memcached.conf", "-l 10.0.0.5\n", nil, ""},
		{"bind-all", "every address", "etc/memcached.conf", "-l 0.0.0.0\n", nil, "memcached 11211/tcp of memcached listens on every address"},
		{"bind-all", "an address of a network", "etc/openvpn/server/a.conf", "dev tun\nport 1194\nserver 10.8.0.0 255.255.255.0\nmanagement 10.0.0.5 7505\n", nil, ""},
		{"bind-all", "metrics are made to be read", "etc/prometheus/prometheus.yml", "global: {}\n", map[string]string{"etc/default/prometheus": "ARGS=\"--web.listen-address=0.0.0.0:9090\"\n"}, ""},
		{"bind-all", "SSH is made to be reached", "etc/ssh/sshd_config", "ListenAddress 0.0.0.0\n", nil, ""},
		{"bind-all", "a list of the service's own lets others in", "etc/freeswitch/freeswitch.xml", "<document><section><configuration name=\"event_socket.conf\"><settings><param name=\"listen-ip\" value=\"::\"/><param name=\"apply-inbound-acl\" value=\"lan\"/></settings></configuration></section></document>", nil, "event-socket 8021/tcp"},
		{"bind-all", "this host alone is let in", "etc/freeswitch/freeswitch.xml", "<document><section><configuration name=\"event_socket.conf\"><settings><param name=\"listen-ip\" value=\"::\"/><param name=\"apply-inbound-acl\" value=\"loopback.auto\"/></settings></configuration></section></document>", nil, ""},

		{"unprivileged-bind", "a port that needs nothing", "etc/turnserver.conf", "listening-port=3478\n", map[string]string{"lib/systemd/system/coturn.service": "[Service]\nUser=turn\n"}, ""},
		{"unprivileged-bind", "lowered for all", "etc/turnserver.conf", "listening-port=443\n", map[string]string{"lib/systemd/system/coturn.service": "[Service]\nUser=turn\n", "proc/sys/net/ipv4/ip_unprivileged_port_start": "443\n"}, ""},
		{"unprivileged-bind", "not lowered enough", "etc/turnserver.conf", "listening-port=443\n", map[string]string{"lib/systemd/system/coturn.service": "[Service]\nUser=turn\n", "proc/sys/net/ipv4/ip_unprivileged_port_start": "444\n"}, "turn-tcp 443/tcp of coturn needs a privilege that turn does not have"},
		{"unprivileged-bind", "the standing example", "etc/lumenvox/media_server.conf", "[GLOBAL]\nVERSION = 12.1\n", map[string]string{"etc/systemd/system/lvmediaserverd.service": "[Service]\nUser=lumenvox\n"}, "RTSP 554/tcp of lumenvox-media-server needs a privilege that lumenvox does not have"},
	} {
		t.Run(c.rule+"/"+c.name, func(t *testing.T) {
			files := fstest.MapFS{
				"proc/sys/net/ipv4/ip_local_port_range": {Data: []byte("61000\t65000\n")},
				"etc/os-release":                        {Data: []byte("ID=debian\n")},
				c.file:                                  {Data: []byte(c.text)},
			}
			for name, text := range c.more {
				files[name] = &fstest.MapFile{Data: []byte(text)}
			}
			var said []string
			for _, d := range look(t, platforms, files) {
				if d.Rule == c.rule {
					said = append(said, d.Message)
				}
			}
			switch fits := func(s string) bool { return strings.Contains(s, c.want) }; {
			case c.want == "" && len(said) > 0:
				t.Errorf("not silent: %q", said)
			case c.want != "" && !slices.ContainsFunc(said, fits):
				t.Errorf("said %q, want %q", said, c.want)
			}
		})
	}
}
