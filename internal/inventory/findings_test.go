package inventory_test

import (
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

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

// TestVariablesNobodyPassesOn: what .env says for a container, and how it may come to it.
func TestVariablesNobodyPassesOn(t *testing.T) {
	const dir, env = "srv/m/", "MEDIA_SERVER__RTP_PORT_BASE=27000\nTAG=7\n"
	service := func(more string) string {
		return "services:\n  m:\n    image: mrcp-api:$TAG\n    network_mode: host\n" + more
	}
	const missing = dir + ".env:1:1: MEDIA_SERVER__RTP_PORT_BASE and " + dir
	for _, c := range []struct {
		name  string
		files map[string]string
		want  []string
	}{
		{"no environment", map[string]string{"compose.yaml": service("")}, []string{missing + "compose.yaml:2:3"}},
		{"other variables", map[string]string{"compose.yaml": service("    environment:\n      MEDIA_SERVER__SIP_PORT: 5070\n")}, []string{missing + "compose.yaml:5:5"}},
		{"a longer name", map[string]string{"compose.yaml": service("    environment: [\"X=$MEDIA_SERVER__RTP_PORT_BASE_2\"]\n")}, []string{missing + "compose.yaml:5:5"}},
		{"a network of its own", map[string]string{"compose.yaml": "services:\n  m: {image: mrcp-api}\n"}, []string{missing + "compose.yaml:2:3"}},
		{"in a comment", map[string]string{"compose.yaml": service("    # ${MEDIA_SERVER__RTP_PORT_BASE}\n")}, []string{missing + "compose.yaml:2:3"}},
		{"by its name", map[string]string{"compose.yaml": service("    environment: [MEDIA_SERVER__RTP_PORT_BASE]\n")}, nil},
		{"without a value", map[string]string{"compose.yaml": service("    environment:\n      MEDIA_SERVER__RTP_PORT_BASE:\n")}, nil},
		{"under another name", map[string]string{"compose.yaml": service("    environment:\n      X: a${MEDIA_SERVER__RTP_PORT_BASE:-1}\n")}, nil},
		{"as an env_file", map[string]string{"compose.yaml": service("    env_file: .env\n")}, nil},
		{"an env_file that is not there", map[string]string{"compose.yaml": service("    env_file: other.env\n")}, nil},
		{"in the override", map[string]string{"compose.yaml": service(""), "compose.override.yaml": "services:\n  m:\n    environment: [MEDIA_SERVER__RTP_PORT_BASE]\n"}, nil},
		{"in another project of the folder", map[string]string{"compose.yaml": service(""), "deploy.yml": "services: {x: {image: y, command: \"$MEDIA_SERVER__RTP_PORT_BASE\"}}\n"}, nil},
		{"of another image", map[string]string{"compose.yaml": "services:\n  m:\n    image: acme/other\n    network_mode: host\n  c: {image: rtpengine, network_mode: host}\n"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := map[string]string{dir + ".env": env}
			for name, text := range c.files {
				files[dir+name] = text
			}
			if got := found(t, ours(t), "compose-variable-unused", files); !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// TestVariablesOfContainers: what a description asks the environment of a container for, and
// not what it asks a file of the host for that is called so too.
func TestVariablesOfContainers(t *testing.T) {
	cat := ours(t)
	for id, want := range map[string][]string{
		"livekit":     {"LIVEKIT_CONFIG", "LIVEKIT_KEYS"},
		"livekit-sip": {"SIP_CONFIG_BODY"},
		"vosk-server": {"VOSK_SERVER_INTERFACE", "VOSK_SERVER_PORT"},
		"memcached":   nil,
		"rtpproxy":    nil,
		"rtpengine":   nil,
	} {
		if got := cat.Find(id).Variables(); !slices.Equal(got, want) {
			t.Errorf("%s: %q", id, got)
		}
	}
	if got := cat.Find("mediamtx").Variables(); !slices.Contains(got, "MTX_RTSPADDRESS") || slices.Contains(got, "rtspAddress") {
		t.Errorf("mediamtx: %q", got)
	}
}

// TestTwoValues: a setting that stands twice in one section, where that is one too many.
func TestTwoValues(t *testing.T) {
	for _, c := range []struct {
		name string
		file string
		text string
		want string // "" for none
	}{
		{"INI", "etc/rtpengine/rtpengine.conf", "[rtpengine]\ninterface = 192.0.2.1\nport-min = 1\nport-min = 2\nport-min = 23000\n",
			"etc/rtpengine/rtpengine.conf:3:12: 1 and etc/rtpengine/rtpengine.conf:5:12; etc/rtpengine/rtpengine.conf:4:12: 2 and etc/rtpengine/rtpengine.conf:5:12"},
		{"the same value", "etc/rtpengine/rtpengine.conf", "[rtpengine]\ninterface = 192.0.2.1\nport-min = 23000\nport-min = 23000\n", ""},
		{"two sections", "etc/rtpengine/rtpengine.conf", "[rtpengine]\ninterface = 192.0.2.1\nport-min = 22000\n[rtpengine]\nport-min = 23000\n", ""},
		{"words", "etc/redis/redis.conf", "port 6379\nport 6380\n", "etc/redis/redis.conf:1:6: 6379 and etc/redis/redis.conf:2:6"},
		{"what a line adds to", "etc/ssh/sshd_config", "Port 22\nPort 2022\nListenAddress 192.0.2.1\nListenAddress 192.0.2.2\n", ""},
		{"of which there may be several", "etc/chrony/chrony.conf", "allow 192.0.2.0/24\nallow 198.51.100.0/24\nntsservercert a\nntsservercert b\nntsserverkey c\nntsserverkey d\n", ""},
		{"the name in an attribute", "etc/freeswitch/freeswitch.xml", `<document type="freeswitch/xml"><section name="configuration">
<configuration name="modules.conf"><modules><load module="mod_event_socket"/></modules></configuration>
<configuration name="event_socket.conf"><settings>
<param name="listen-ip" value="127.0.0.1"/>
<param name="listen-port" value="8021"/>
<param name="listen-port" value="8022"/>
</settings></configuration></section></document>`, "etc/freeswitch/freeswitch.xml:5:34: 8021 and etc/freeswitch/freeswitch.xml:6:34"},
		{"a value that adds to the one before", "etc/sysconfig/memcached", "PORT=11211\nOPTIONS=\"-l 192.0.2.1\"\nOPTIONS=\"$OPTIONS -p 11300\"\n", ""},
		{"an addition of Asterisk", "etc/asterisk/rtp.conf", "[general]\nrtpstart=10000\nrtpend=20000\nrtpend+=1\n", ""},
		{"a block of another listener", "etc/mosquitto/mosquitto.conf", "listener 1883\nprotocol mqtt\nlistener 9001\nprotocol websockets\n", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := found(t, ours(t), "duplicate-setting", map[string]string{c.file: c.text})
			if strings.Join(got, "; ") != c.want {
				t.Errorf("got %q", got)
			}
		})
	}
}

// TestMisspelled: names that can hardly be anything but a slip.
func TestMisspelled(t *testing.T) {
	const media, compose = "etc/lumenvox/media_server.conf", "srv/m/compose.yaml"
	lumenvox := func(line string) map[string]string {
		return map[string]string{media: "[GLOBAL]\nVERSION = 12.1.100\n" + line + "\n"}
	}
	environment := func(text string) map[string]string {
		return map[string]string{compose: "services:\n  m:\n    image: mrcp-api\n    network_mode: host\n    environment:\n" + text}
	}
	one := func(name, text string) map[string]string { return map[string]string{name: text} }
	for _, c := range []struct {
		files map[string]string
		want  string // "" for none
	}{
		{lumenvox("rtp_sever_port_base = 1"), media + ":3:1: rtp_sever_port_base"},
		{lumenvox("rtp_server_portbase = 1"), media + ":3:1: rtp_server_portbase"},
		{lumenvox("rtp-server-port-base = 1"), media + ":3:1: rtp-server-port-base"},
		{lumenvox("rtpserverportbase = 1"), media + ":3:1: rtpserverportbase"},
		{lumenvox("rtp_server_prot_base = 1"), media + ":3:1: rtp_server_prot_base"},
		{lumenvox("rtp_server_port_bas = 1"), media + ":3:1: rtp_server_port_bas"},
		{lumenvox("sip_prt = 1"), media + ":3:1: sip_prt"},
		{lumenvox("rtp_server_port_base = 1\nrtp_sever_port_base = 2"), ""},
		{lumenvox("SIP_PORT = 5070"), ""},
		{lumenvox("sips_ports = 5061\nrtsp_ports = 2"), ""},
		{lumenvox("srtp_server_port_base = 5061"), ""},
		{lumenvox("xsip_port = 5061"), ""},
		{lumenvox("_sip_port = 5061"), ""},
		{lumenvox("sip_port2 = 5061"), ""},
		{lumenvox("sip_sort = 1\nsort_order = 1"), ""}, // "sort" is a word of the file
		{map[string]string{media: "[GLOBAL]\nVERSION = 12.1.100\n[MRCP]\nsip_prt = 1\n"}, ""},
		{one(media, "[GLOBL]\nVERSION = 12.1.100\n"), media + ":1:2: GLOBL"},
		{environment("      - MEDIA_SERVER__SIP_PROT=5070\n"), compose + ":6:9: MEDIA_SERVER__SIP_PROT"},
		{environment("      MEDIA_SERVER__RTP_PORTBASE: 5070\n"), compose + ":6:7: MEDIA_SERVER__RTP_PORTBASE"},
		{environment("      MEDIA_SERVER__SIPS_PORT: 5070\n      MY_SERVER__SIP_PORT: 1\n"), ""},
		{one("etc/asterisk/rtp.conf", "[general]\nrtpstat=12000\nrtpend=13000\n"), "etc/asterisk/rtp.conf:2:1: rtpstat"},
		{one("etc/asterisk/rtp.conf", "[general]\nrtpstart=12000\nrtpkeepalive=1\nrtcpend=1\n"), ""},
		{one("etc/mysql/my.cnf", "[mysqld]\nbind-address = 127.0.0.1\n"), ""},
		{one("etc/kurento/kurento.conf.json", `{"mediaServer": {"net": {"websocket": {"prot": 8889, "//path": "x", "port": 8888}}}}`), ""},
		{one("usr/local/unimrcp/conf/unimrcpserver.xml", `<unimrcpserver><properties><ip>192.0.2.1</ip></properties><components>
<sip-uas id="SIP-Agent-1" type="SofiaSIP"><sip-prot>8060</sip-prot></sip-uas></components></unimrcpserver>`), "usr/local/unimrcp/conf/unimrcpserver.xml:2:44: sip-prot"},
		{one("etc/freeswitch/freeswitch.xml", `<document type="freeswitch/xml"><section name="configuration">
<configuration name="modules.conf"><modules><load module="mod_event_socket"/></modules></configuration>
<configuration name="event_socket.conf"><settings>
<param name="listen-prot" value="8021"/>
<param name="password" value="x"/>
</settings></configuration></section></document>`), "etc/freeswitch/freeswitch.xml:4:14: listen-prot"},
	} {
		if got := strings.Join(found(t, ours(t), "unknown-setting", c.files), "; "); got != c.want {
			t.Errorf("%q: got %q, want %q", c.files, got, c.want)
		}
	}
}

// TestReadersOfOneFile: a name that another service reads in the same file is no slip of
// one of this one's.
func TestReadersOfOneFile(t *testing.T) {
	describe := func(id, key string) string {
		return `service "` + id + `" {
  title     = "X"
  platforms = ["linux"]
  file "conf" {
    format = "lumenvox"
    paths  = { linux = ["/etc/x.conf"] }
  }
  listen "a" {
    purpose  = "A"
    protocol = ["tcp"]
    port     = port(setting("S", "` + key + `"), 99)
    exposure = "public"
  }
}
`
	}
	one := fstest.MapFS{"a.hcl": {Data: []byte(describe("a", "relayport"))}}
	two := fstest.MapFS{"b.hcl": {Data: []byte(describe("b", "relaxport"))}}
	files := map[string]string{"etc/x.conf": "[S]\nrelaxport = 7000\n"}
	for _, c := range []struct {
		theirs []fs.FS
		want   []string
	}{
		{nil, []string{"etc/x.conf:2:1: relaxport"}},
		{[]fs.FS{two}, nil},
	} {
		cat, diags, err := catalog.Load(one, c.theirs...)
		if err != nil || len(diags) > 0 {
			t.Fatal(diags, err)
		}
		if got := found(t, cat, "unknown-setting", files); !slices.Equal(got, c.want) {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

// TestNoNumbers: what is said of a text where a port should be.
func TestNoNumbers(t *testing.T) {
	const digits = "sip_port is not written in digits alone: programs read a part of it, or refuse it; write 5060, if that is meant"
	const ports = `; write a port from 1 to 65535, or "default"`
	const template = "sip_port is still a template: what it will be is not known; lint the file that the template produces"
	for text, want := range map[string]string{
		"5,060": digits, "5'060": digits, "5_060": digits, "0x13c4": digits, "5060.0": digits, "'5060'": digits, "+5060": digits, "\"5060": digits,
		"five": "sip_port is not a number" + ports, "5060.5": "sip_port is not a number" + ports, "1e4": "sip_port is not a number" + ports,
		"0x1FFFF": "sip_port is not a number" + ports, "-5060": "sip_port is below 0" + ports, "--": "sip_port is not a number" + ports,
		"":        "sip_port is empty: whether that means off or the default is not documented" + ports,
		"defualt": `sip_port is not a number; did you mean "default"?` + ports,
		"70000":   "sip_port is above 65535; write a port from 1 to 65535",
		"<port>":  template, "$SIP": template, "%SIP%": template, "__SIP__": template, "[[ sip ]]": template, "{{ sip }}": template,
		"<": "sip_port is not a number" + ports, "$": "sip_port is not a number" + ports,
		"default": "", "5060": "", "0": "",
	} {
		_, diags := read(t, "[GLOBAL]\nVERSION = 12.1.100\nsip_port = "+text+"\n")
		got := ""
		for _, d := range diags {
			if d.Rule == "out-of-range-value" || d.Rule == "template-value" {
				got += d.Message + "; " + d.Help
			}
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
