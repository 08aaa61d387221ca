package conf

import "testing"

func TestNginxRealFiles(t *testing.T) {
	tokenRealFiles(t, parseNginx, nil, "nginx/*.conf", "srs/*.conf")
}

func TestBindRealFiles(t *testing.T) {
	tokenRealFiles(t, parseBind, nil, "bind/*.conf")
}

func TestLibconfigRealFiles(t *testing.T) {
	tokenRealFiles(t, parseLibconfig, nil, "janus/*.jcfg.*")
}
func TestHoconRealFiles(t *testing.T) {
	tokenRealFiles(t, parseHocon, nil, "jitsi-videobridge/*.conf", "jicofo/*.conf")
}
func TestApacheRealFiles(t *testing.T) {
	tokenRealFiles(t, parseApache, nil, "httpd/*.in", "httpd/extra/*.in", "proftpd/*.conf")
}
func TestHaproxyRealFiles(t *testing.T) { tokenRealFiles(t, parseHaproxy, nil, "haproxy/*.cfg") }

func TestXinetdRealFiles(t *testing.T) {
	tokenRealFiles(t, parseXinetd, nil, "xinetd/*.conf", "xinetd/xinetd.d/*")
}
func TestRsyslogRealFiles(t *testing.T) { tokenRealFiles(t, parseRsyslog, nil, "rsyslog/*.conf") }
