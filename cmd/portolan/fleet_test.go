package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"text/template"

	"golang.org/x/tools/txtar"
)

// speechHost is a speech host of ten services, as they are installed, with little changed
// and no two alike. Every fourth has ranges that meet what the system hands out, and every
// tenth a manager on a port of the media server.
var speechHost = template.Must(template.New("host").Parse(`
-- etc/os-release --
PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
NAME="Debian GNU/Linux"
VERSION_ID="12"
VERSION="12 (bookworm)"
ID=debian
-- etc/sysctl.d/10-net.conf --
# Ranges of the media server stay clear of what the kernel hands out.
net.core.rmem_max = 16777216
net.core.wmem_max = 16777216
net.ipv4.ip_local_port_range = {{if .Meets}}32768 60999{{else}}40000 60999{{end}}
net.ipv4.tcp_keepalive_time = 600
-- etc/lumenvox/media_server.conf --
[GLOBAL]
#**************************************************************#
#* Version of this file's layout. Leave it as it is.
#* Default: 11.3.100
#**************************************************************#
VERSION = 11.3.100

#**************************************************************#
#* Address that is told to clients.
#* Default: 127.0.0.1
#**************************************************************#
mrcp_server_ip = 10.{{.Net}}.0.{{.Node}}

#**************************************************************#
#* Lowest TCP port for MRCP.
#* Default: 30000
#**************************************************************#
mrcp_server_port_base = {{.MRCP}}

#**************************************************************#
#* Lowest UDP port for RTP and RTCP.
#* Default: 35000
#**************************************************************#
rtp_server_port_base = {{if .Meets}}default{{else}}{{.RTP}}{{end}}

#**************************************************************#
#* Most resources at a time.
#* Default: 200
#**************************************************************#
mrcp_server_resmax = {{.Channels}}

#**************************************************************#
#* Port for monitoring clients.
#* Default: 29900
#**************************************************************#
monitoring_port = default

#**************************************************************#
#* Port for messages of the manager.
#* Default: 7590
#**************************************************************#
messaging_port = default

#**************************************************************#
#* Address of the speech recognition server.
#* Default: 127.0.0.1
#**************************************************************#
sre_ip = 127.0.0.1

#**************************************************************#
#* How ports are taken from a range: 0 one after the other, 1 the lowest free one.
#* Default: 0
#**************************************************************#
port_allocation_mode = 0

#**************************************************************#
#* SIP port for MRCPv2, 0 to switch it off.
#* Default: 5060
#**************************************************************#
sip_port = {{.SIP}}

#**************************************************************#
#* RTSP port for MRCPv1, 0 to switch it off.
#* Default: 554
#**************************************************************#
rtsp_port = default

[MRCP]
#**************************************************************#
#* Prefix of the URL under which audio is offered.
#* Default:
#**************************************************************#
waveform_url_prefix =

[MRCPv1]
#**************************************************************#
#* Path of the recognizer.
#* Default: /media/speechrecognizer
#**************************************************************#
recognizer_resource_url = default
-- etc/lumenvox/manager.conf --
[GLOBAL]
VERSION = 11.3.100

[SETTINGS]
# Port of the service that watches the others.
ManagerPort = {{if .Clash}}7590{{else}}default{{end}}
-- etc/lumenvox/sre_server.conf --
[GLOBAL]
VERSION = 11.3.100

[SRE]
# Port of the recognizer.
SRE_PORTNUM = {{.SRE}}
-- etc/lumenvox/tts_server.conf --
[GLOBAL]
VERSION = 11.3.100
# Port of the synthesizer.
PORT_NUM = default
-- etc/asterisk/rtp.conf --
; RTP of calls. Every call takes two ports.
[general]
rtpstart={{.Calls}}
rtpend={{.CallsEnd}}
;rtpchecksums=no
strictrtp=yes
icesupport=no
;stunaddr=
-- etc/asterisk/manager.conf --
; The interface of the dialler.
[general]
enabled = yes
port = 5038
bindaddr = 127.0.0.1
;webenabled = no

[dialler]
secret = not-here
deny = 0.0.0.0/0.0.0.0
permit = 127.0.0.1/255.255.255.255
read = system,call,agent
write = originate
-- etc/asterisk/pjsip.conf --
; Transports
[transport-udp]
type=transport
protocol=udp
bind=0.0.0.0:5080
local_net=10.0.0.0/8

[transport-tcp]
type=transport
protocol=tcp
bind=0.0.0.0:5080

[endpoint](!)
type=endpoint
transport=transport-udp
context=from-phones
disallow=all
allow=alaw,ulaw
direct_media=no

[auth](!)
type=auth
auth_type=userpass

[aor](!)
type=aor
max_contacts=1
{{range .Phones}}
[{{.}}](endpoint)
auth=auth{{.}}
aors={{.}}
callerid="Desk {{.}}" <{{.}}>
[auth{{.}}](auth)
username={{.}}
password=not-here
[{{.}}](aor)
{{end}}
-- etc/redis/redis.conf --
# Who may connect.
bind 127.0.0.1 -::1
protected-mode yes
port 6379
tcp-backlog 511
timeout 0
tcp-keepalive 300

# How it runs.
daemonize yes
supervised systemd
pidfile /run/redis/redis-server.pid
loglevel notice
logfile /var/log/redis/redis-server.log
databases 16

# What is kept.
save 900 1
save 300 10
save 60 10000
stop-writes-on-bgsave-error yes
rdbcompression yes
dbfilename dump.rdb
dir /var/lib/redis
appendonly no
appendfilename "appendonly.aof"
maxmemory {{.Memory}}mb
-- etc/ssh/sshd_config --
Include /etc/ssh/sshd_config.d/*.conf

#Port 22
#AddressFamily any
#ListenAddress 0.0.0.0
#ListenAddress ::

#HostKey /etc/ssh/ssh_host_rsa_key
#HostKey /etc/ssh/ssh_host_ed25519_key

#SyslogFacility AUTH
#LogLevel INFO
#LoginGraceTime 2m
PermitRootLogin no
#StrictModes yes
#MaxAuthTries 6
#PubkeyAuthentication yes
KbdInteractiveAuthentication no
UsePAM yes
X11Forwarding no
PrintMotd no
AcceptEnv LANG LC_*
Subsystem sftp /usr/lib/openssh/sftp-server
-- etc/ssh/sshd_config.d/10-operators.conf --
AllowGroups operators node-{{.Node}}
-- etc/nginx/nginx.conf --
user www-data;
worker_processes auto;
pid /run/nginx.pid;

events {
    worker_connections 768;
}

http {
    sendfile on;
    tcp_nopush on;
    types_hash_max_size 2048;
    default_type application/octet-stream;
    access_log /var/log/nginx/access.log;
    error_log /var/log/nginx/error.log;
    gzip on;

    server {
        listen 80 default_server;
        listen [::]:80 default_server;
        server_name _;
        return 301 https://$host$request_uri;
    }

    server {
        listen {{.HTTPS}} ssl;
        listen [::]:{{.HTTPS}} ssl;
        server_name node-{{.Node}}.example.org;
        ssl_certificate /etc/ssl/node-{{.Node}}.pem;
        ssl_certificate_key /etc/ssl/private/node-{{.Node}}.key;

        location / {
            root /var/www/html;
            index index.html;
        }
        location /api/ {
            proxy_pass http://127.0.0.1:8080;
            proxy_set_header Host $host;
            proxy_set_header X-Real-IP $remote_addr;
        }
    }
}
`))

// speechHosts lays out n hosts below dir, see speechHost, and returns their roots.
func speechHosts(t testing.TB, dir string, n int) []string {
	t.Helper()
	roots := make([]string, n)
	for i := range n {
		phones := make([]int, 20+i%20)
		for k := range phones {
			phones[k] = 1000 + 10*(i%50) + k
		}
		var b bytes.Buffer
		if err := speechHost.Execute(&b, map[string]any{
			"Meets": i%4 == 0, "Clash": i%10 == 0, "Net": i / 250, "Node": 1 + i%250, "MRCP": 20000 + 10*(i%100), "RTP": 25000 + 10*(i%100),
			"Channels": 100 + 10*(i%30), "SIP": 5060 + 2*(i%5), "SRE": 5730 + i%40, "Calls": 10000 + 100*(i%10), "CallsEnd": 18999 + 100*(i%10),
			"Phones": phones, "Memory": 256 + i%512, "HTTPS": 443 + 8000*(i%2),
		}); err != nil {
			t.Fatal(err)
		}
		roots[i] = filepath.Join(dir, fmt.Sprintf("speech-%05d", i))
		for _, f := range txtar.Parse(b.Bytes()).Files {
			name := filepath.Join(roots[i], filepath.FromSlash(f.Name))
			if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, f.Data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	return roots
}
