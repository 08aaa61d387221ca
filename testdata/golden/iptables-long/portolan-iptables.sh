#!/bin/sh
# portolan 0.1.0: a firewall for iptables and ip6tables, 1.8.7 and later
# policy: portolan.hcl
# made from:
#   etc/lumenvox/media_server.conf
#   etc/ssh/sshd_config

set -eu
umask 077
LC_ALL=C
PATH=${PATH:-/usr/bin:/bin}:/usr/sbin:/sbin
export LC_ALL PATH
unset IFS

usage() {
	cat <<'EOF'
usage: portolan-iptables.sh COMMAND [--ipv4-only]

  apply [--rollback-after SECONDS]
             load the rules below. When a step fails, what was loaded of ours before is
             loaded again. With --rollback-after that also happens SECONDS later, unless
             "confirm" was said, even when this session is lost
  confirm    keep what was applied
  rollback   go back to what was loaded before the last apply or remove
  check      is what is loaded what this file says? exit 0 if so, 1 if not
  status     what is loaded, and whether a confirm is awaited
  remove     unload everything of ours
  save       write the rules that are loaded where the boot reads them
  help       this text

  --ipv4-only  leave IPv6 alone, on a host without it

Only chains that begin with PL- and sets such as pl-0123456789abcdef0123-4 are changed, and
one rule each in INPUT, OUTPUT and the table raw that leads to them. The rules of others
stay as they are. A rule of theirs that stands before ours decides before ours.

Each table of each family is replaced at once, filter before raw and IPv4 before IPv6.

The environment may say:
  IPTABLES         the program, such as iptables-legacy; "iptables" if not given. The one
                   for IPv6 is called the same with ip6tables
  PORTOLAN_STATE   a directory for what was loaded before, /var/lib/portolan-iptables
  PORTOLAN_SAVE    the directory that save writes into, /etc/iptables
EOF
}

# The rules, for iptables-restore --noflush, ip6tables-restore and ipset -exist restore.

rules_4() {
	cat <<'PORTOLAN_RULES_V4'
*filter
:PL-IN - [0:0]
:PL-OUT - [0:0]
:PL-trunks - [0:0]
:PL-branches - [0:0]
-A PL-IN -m conntrack --ctstate RELATED,ESTABLISHED -m comment --comment established -j ACCEPT
-A PL-IN -i lo -m comment --comment loopback -j ACCEPT
-A PL-IN -m conntrack --ctstate INVALID -m comment --comment invalid -j DROP
-A PL-IN -p icmp -m icmp --icmp-type 3 -m comment --comment icmp -j ACCEPT
-A PL-IN -p icmp -m icmp --icmp-type 8 -m comment --comment icmp -j ACCEPT
-A PL-IN -p icmp -m icmp --icmp-type 11 -m comment --comment icmp -j ACCEPT
-A PL-IN -p icmp -m icmp --icmp-type 12 -m comment --comment icmp -j ACCEPT
-A PL-IN -p udp -m udp --dport 68 -m comment --comment dhcp -j ACCEPT
-A PL-IN -s 10.20.0.0/16 -p tcp -m tcp --dport 554 -m comment --comment "lumenvox-media-server rtsp etc/lumenvox/media_server.conf:12" -j ACCEPT
-A PL-IN -s 10.20.0.0/16 -p tcp -m tcp --dport 20000:24999 -m comment --comment "lumenvox-media-server mrcp etc/lumenvox/media_server.conf:22" -j ACCEPT
-A PL-IN -p udp -m udp --dport 25000:25399 -m comment --comment "lumenvox-media-server rtp etc/lumenvox/media_server.conf:36" -j ACCEPT
-A PL-IN -s 10.20.0.0/16 -p udp -m udp --dport 5060 -m comment --comment "lumenvox-media-server sip etc/lumenvox/media_server.conf:9" -j ACCEPT
-A PL-IN -p udp -m multiport --dports 5060,5080 -m comment --comment "asterisk sip etc/asterisk/pjsip.conf:4" -j PL-trunks
-A PL-IN -p udp -m multiport --dports 10000:10499,25300:25500 -m comment --comment "asterisk rtp etc/asterisk/rtp.conf:3" -j PL-trunks
-A PL-IN -p tcp -m multiport --dports 80,443 -m comment --comment "nginx http etc/nginx/nginx.conf:8" -j ACCEPT
-A PL-IN -s 10.1.0.0/24 -p tcp -m tcp --dport 22 -m comment --comment "sshd ssh etc/ssh/sshd_config:13" -j ACCEPT
-A PL-IN -p udp -m udp --dport 5070 -m set --match-set pl-8c4395e4f1cece406e5c-4 src -m comment --comment "asterisk sip etc/asterisk/pjsip.conf:4" -j ACCEPT
-A PL-IN -p tcp -m multiport --dports 5061,5071 -m set --match-set pl-8c4395e4f1cece406e5c-4 src -m comment --comment "asterisk sip-tls etc/asterisk/pjsip.conf:14" -j ACCEPT
-A PL-IN -p tcp -m tcp --dport 8443 -m comment --comment branches -j PL-branches
-A PL-IN -m comment --comment "default: drop what no rule allows" -j DROP
-A PL-OUT -p tcp -m tcp --dport 25 -m set --match-set pl-8c4395e4f1cece406e5c-4 dst -m comment --comment abuse -j DROP
-A PL-trunks -s 192.0.2.0/24 -m comment --comment "asterisk sip etc/asterisk/pjsip.conf:4; asterisk rtp etc/asterisk/rtp.conf:3" -j ACCEPT
-A PL-trunks -s 198.51.100.7/32 -m comment --comment "asterisk sip etc/asterisk/pjsip.conf:4; asterisk rtp etc/asterisk/rtp.conf:3" -j ACCEPT
-A PL-trunks -s 198.51.100.64/26 -m comment --comment "asterisk sip etc/asterisk/pjsip.conf:4; asterisk rtp etc/asterisk/rtp.conf:3" -j ACCEPT
-A PL-trunks -s 203.0.113.5/32 -m comment --comment "asterisk sip etc/asterisk/pjsip.conf:4; asterisk rtp etc/asterisk/rtp.conf:3" -j ACCEPT
-A PL-trunks -s 203.0.113.6/31 -m comment --comment "asterisk sip etc/asterisk/pjsip.conf:4; asterisk rtp etc/asterisk/rtp.conf:3" -j ACCEPT
-A PL-trunks -s 203.0.113.8/29 -m comment --comment "asterisk sip etc/asterisk/pjsip.conf:4; asterisk rtp etc/asterisk/rtp.conf:3" -j ACCEPT
-A PL-trunks -s 203.0.113.16/28 -m comment --comment "asterisk sip etc/asterisk/pjsip.conf:4; asterisk rtp etc/asterisk/rtp.conf:3" -j ACCEPT
-A PL-trunks -s 203.0.113.32/27 -m comment --comment "asterisk sip etc/asterisk/pjsip.conf:4; asterisk rtp etc/asterisk/rtp.conf:3" -j ACCEPT
-A PL-trunks -s 203.0.113.64/29 -m comment --comment "asterisk sip etc/asterisk/pjsip.conf:4; asterisk rtp etc/asterisk/rtp.conf:3" -j ACCEPT
-A PL-trunks -s 203.0.113.72/30 -m comment --comment "asterisk sip etc/asterisk/pjsip.conf:4; asterisk rtp etc/asterisk/rtp.conf:3" -j ACCEPT
-A PL-trunks -s 203.0.113.76/31 -m comment --comment "asterisk sip etc/asterisk/pjsip.conf:4; asterisk rtp etc/asterisk/rtp.conf:3" -j ACCEPT
-A PL-branches -s 203.0.0.3/32 -m comment --comment branches -j ACCEPT
-A PL-branches -s 203.0.0.19/32 -m comment --comment branches -j ACCEPT
-A PL-branches -s 203.0.0.35/32 -m comment --comment branches -j ACCEPT
-A PL-branches -s 203.0.0.51/32 -m comment --comment branches -j ACCEPT
-A PL-branches -s 203.0.0.67/32 -m comment --comment branches -j ACCEPT
-A PL-branches -s 203.0.0.83/32 -m comment --comment branches -j ACCEPT
-A PL-branches -s 203.0.0.99/32 -m comment --comment branches -j ACCEPT
-A PL-branches -s 203.0.0.115/32 -m comment --comment branches -j ACCEPT
-A PL-branches -s 203.0.0.131/32 -m comment --comment branches -j ACCEPT
-A PL-branches -s 203.0.0.147/32 -m comment --comment branches -j ACCEPT
-A PL-branches -s 203.0.0.163/32 -m comment --comment branches -j ACCEPT
-A PL-branches -s 203.0.0.179/32 -m comment --comment branches -j ACCEPT
-A PL-branches -s 203.0.0.195/32 -m comment --comment branches -j ACCEPT
-A PL-branches -s 203.0.0.211/32 -m comment --comment branches -j ACCEPT
-A PL-branches -s 203.0.0.227/32 -m comment --comment branches -j ACCEPT
-A PL-branches -s 203.0.0.243/32 -m comment --comment branches -j ACCEPT
-A PL-branches -s 203.0.1.3/32 -m comment --comment branches -j ACCEPT
-A PL-branches -s 203.0.1.19/32 -m comment --comment branches -j ACCEPT
-A PL-branches -s 203.0.1.35/32 -m comment --comment branches -j ACCEPT
-A PL-branches -s 203.0.1.51/32 -m comment --comment branches -j ACCEPT
-A PL-branches -s 203.0.1.67/32 -m comment --comment branches -j ACCEPT
-A PL-branches -s 203.0.1.83/32 -m comment --comment branches -j ACCEPT
-A PL-branches -s 203.0.1.99/32 -m comment --comment branches -j ACCEPT
-A PL-branches -s 203.0.1.115/32 -m comment --comment branches -j ACCEPT
-A PL-branches -s 203.0.1.131/32 -m comment --comment branches -j ACCEPT
-A PL-branches -s 203.0.1.147/32 -m comment --comment branches -j ACCEPT
-A PL-branches -s 203.0.1.163/32 -m comment --comment branches -j ACCEPT
-A PL-branches -s 203.0.1.179/32 -m comment --comment branches -j ACCEPT
-A PL-branches -s 203.0.1.195/32 -m comment --comment branches -j ACCEPT
-A PL-branches -s 203.0.1.211/32 -m comment --comment branches -j ACCEPT
-A PL-branches -s 203.0.1.227/32 -m comment --comment branches -j ACCEPT
-A PL-branches -s 203.0.1.243/32 -m comment --comment branches -j ACCEPT
-A PL-branches -s 203.0.2.3/32 -m comment --comment branches -j ACCEPT
-A PL-branches -s 203.0.2.19/32 -m comment --comment branches -j ACCEPT
-A PL-branches -s 203.0.2.35/32 -m comment --comment branches -j ACCEPT
-A PL-branches -s 203.0.2.51/32 -m comment --comment branches -j ACCEPT
-A PL-branches -s 203.0.2.67/32 -m comment --comment branches -j ACCEPT
-A PL-branches -s 203.0.2.83/32 -m comment --comment branches -j ACCEPT
-A PL-branches -s 203.0.2.99/32 -m comment --comment branches -j ACCEPT
-A PL-branches -s 203.0.2.115/32 -m comment --comment branches -j ACCEPT
-A PL-branches -s 203.0.2.131/32 -m comment --comment branches -j ACCEPT
-A PL-branches -s 203.0.2.147/32 -m comment --comment branches -j ACCEPT
-A PL-branches -s 203.0.2.163/32 -m comment --comment branches -j ACCEPT
-A PL-branches -s 203.0.2.179/32 -m comment --comment branches -j ACCEPT
-A PL-branches -s 203.0.2.195/32 -m comment --comment branches -j ACCEPT
-A PL-branches -s 203.0.2.211/32 -m comment --comment branches -j ACCEPT
-A PL-branches -s 203.0.2.227/32 -m comment --comment branches -j ACCEPT
-A PL-branches -s 203.0.2.243/32 -m comment --comment branches -j ACCEPT
-A PL-branches -s 203.0.3.3/32 -m comment --comment branches -j ACCEPT
-A PL-branches -s 203.0.3.19/32 -m comment --comment branches -j ACCEPT
-A PL-branches -s 203.0.3.35/32 -m comment --comment branches -j ACCEPT
-A PL-branches -s 203.0.3.51/32 -m comment --comment branches -j ACCEPT
-A PL-branches -s 203.0.3.67/32 -m comment --comment branches -j ACCEPT
-A PL-branches -s 203.0.3.83/32 -m comment --comment branches -j ACCEPT
-A PL-branches -s 203.0.3.99/32 -m comment --comment branches -j ACCEPT
-A PL-branches -s 203.0.3.115/32 -m comment --comment branches -j ACCEPT
-A PL-branches -s 203.0.3.131/32 -m comment --comment branches -j ACCEPT
-A PL-branches -s 203.0.3.147/32 -m comment --comment branches -j ACCEPT
-A PL-branches -s 203.0.3.163/32 -m comment --comment branches -j ACCEPT
-A PL-branches -s 203.0.3.179/32 -m comment --comment branches -j ACCEPT
-A PL-branches -s 203.0.3.195/32 -m comment --comment branches -j ACCEPT
-A PL-branches -s 203.0.3.211/32 -m comment --comment branches -j ACCEPT
-A PL-branches -s 203.0.3.227/32 -m comment --comment branches -j ACCEPT
COMMIT
*raw
:PL-RAW-IN - [0:0]
:PL-RAW-OUT - [0:0]
COMMIT
PORTOLAN_RULES_V4
}

rules_6() {
	cat <<'PORTOLAN_RULES_V6'
*filter
:PL-IN - [0:0]
:PL-OUT - [0:0]
:PL-branches - [0:0]
-A PL-IN -m conntrack --ctstate RELATED,ESTABLISHED -m comment --comment established -j ACCEPT
-A PL-IN -i lo -m comment --comment loopback -j ACCEPT
-A PL-IN -m conntrack --ctstate INVALID -m comment --comment invalid -j DROP
-A PL-IN -p ipv6-icmp -m icmp6 --icmpv6-type 1 -m comment --comment icmpv6 -j ACCEPT
-A PL-IN -p ipv6-icmp -m icmp6 --icmpv6-type 2 -m comment --comment icmpv6 -j ACCEPT
-A PL-IN -p ipv6-icmp -m icmp6 --icmpv6-type 3 -m comment --comment icmpv6 -j ACCEPT
-A PL-IN -p ipv6-icmp -m icmp6 --icmpv6-type 4 -m comment --comment icmpv6 -j ACCEPT
-A PL-IN -p ipv6-icmp -m icmp6 --icmpv6-type 128 -m comment --comment icmpv6 -j ACCEPT
-A PL-IN -p ipv6-icmp -m icmp6 --icmpv6-type 129 -m comment --comment icmpv6 -j ACCEPT
-A PL-IN -p ipv6-icmp -m icmp6 --icmpv6-type 130 -m comment --comment icmpv6 -j ACCEPT
-A PL-IN -p ipv6-icmp -m icmp6 --icmpv6-type 131 -m comment --comment icmpv6 -j ACCEPT
-A PL-IN -p ipv6-icmp -m icmp6 --icmpv6-type 132 -m comment --comment icmpv6 -j ACCEPT
-A PL-IN -p ipv6-icmp -m icmp6 --icmpv6-type 133 -m comment --comment icmpv6 -j ACCEPT
-A PL-IN -p ipv6-icmp -m icmp6 --icmpv6-type 134 -m comment --comment icmpv6 -j ACCEPT
-A PL-IN -p ipv6-icmp -m icmp6 --icmpv6-type 135 -m comment --comment icmpv6 -j ACCEPT
-A PL-IN -p ipv6-icmp -m icmp6 --icmpv6-type 136 -m comment --comment icmpv6 -j ACCEPT
-A PL-IN -p ipv6-icmp -m icmp6 --icmpv6-type 143 -m comment --comment icmpv6 -j ACCEPT
-A PL-IN -p udp -m udp --dport 546 -m comment --comment dhcpv6 -j ACCEPT
-A PL-IN -s 2001:db8:20::/48 -p tcp -m tcp --dport 554 -m comment --comment "lumenvox-media-server rtsp etc/lumenvox/media_server.conf:12" -j ACCEPT
-A PL-IN -s 2001:db8:20::/48 -p tcp -m tcp --dport 20000:24999 -m comment --comment "lumenvox-media-server mrcp etc/lumenvox/media_server.conf:22" -j ACCEPT
-A PL-IN -p udp -m udp --dport 25000:25399 -m comment --comment "lumenvox-media-server rtp etc/lumenvox/media_server.conf:36" -j ACCEPT
-A PL-IN -s 2001:db8:20::/48 -p udp -m udp --dport 5060 -m comment --comment "lumenvox-media-server sip etc/lumenvox/media_server.conf:9" -j ACCEPT
-A PL-IN -s 2001:db8:7::/64 -p udp -m multiport --dports 5060,5080 -m comment --comment "asterisk sip etc/asterisk/pjsip.conf:4" -j ACCEPT
-A PL-IN -s 2001:db8:9::1/128 -p udp -m multiport --dports 5060,5080 -m comment --comment "asterisk sip etc/asterisk/pjsip.conf:4" -j ACCEPT
-A PL-IN -s 2001:db8:7::/64 -p udp -m multiport --dports 10000:10499,25300:25500 -m comment --comment "asterisk rtp etc/asterisk/rtp.conf:3" -j ACCEPT
-A PL-IN -s 2001:db8:9::1/128 -p udp -m multiport --dports 10000:10499,25300:25500 -m comment --comment "asterisk rtp etc/asterisk/rtp.conf:3" -j ACCEPT
-A PL-IN -p tcp -m multiport --dports 80,443 -m comment --comment "nginx http etc/nginx/nginx.conf:8" -j ACCEPT
-A PL-IN -s 2001:db8:1::/48 -p tcp -m tcp --dport 22 -m comment --comment "sshd ssh etc/ssh/sshd_config:13" -j ACCEPT
-A PL-IN -p udp -m udp --dport 5070 -m set --match-set pl-35c1c9267b8c0b706b7e-6 src -m comment --comment "asterisk sip etc/asterisk/pjsip.conf:4" -j ACCEPT
-A PL-IN -p tcp -m multiport --dports 5061,5071 -m set --match-set pl-35c1c9267b8c0b706b7e-6 src -m comment --comment "asterisk sip-tls etc/asterisk/pjsip.conf:14" -j ACCEPT
-A PL-IN -p tcp -m tcp --dport 8443 -m comment --comment branches -j PL-branches
-A PL-IN -m comment --comment "default: drop what no rule allows" -j DROP
-A PL-OUT -p tcp -m tcp --dport 25 -m set --match-set pl-35c1c9267b8c0b706b7e-6 dst -m comment --comment abuse -j DROP
-A PL-branches -s 2001:db8:0:1::/64 -m comment --comment branches -j ACCEPT
-A PL-branches -s 2001:db8:0:101::/128 -m comment --comment branches -j ACCEPT
-A PL-branches -s 2001:db8:0:201::/128 -m comment --comment branches -j ACCEPT
-A PL-branches -s 2001:db8:0:301::/128 -m comment --comment branches -j ACCEPT
-A PL-branches -s 2001:db8:0:401::/128 -m comment --comment branches -j ACCEPT
-A PL-branches -s 2001:db8:0:501::/64 -m comment --comment branches -j ACCEPT
-A PL-branches -s 2001:db8:0:601::/128 -m comment --comment branches -j ACCEPT
-A PL-branches -s 2001:db8:0:701::/128 -m comment --comment branches -j ACCEPT
-A PL-branches -s 2001:db8:0:801::/128 -m comment --comment branches -j ACCEPT
-A PL-branches -s 2001:db8:0:901::/128 -m comment --comment branches -j ACCEPT
-A PL-branches -s 2001:db8:0:a01::/64 -m comment --comment branches -j ACCEPT
-A PL-branches -s 2001:db8:0:b01::/128 -m comment --comment branches -j ACCEPT
-A PL-branches -s 2001:db8:0:c01::/128 -m comment --comment branches -j ACCEPT
-A PL-branches -s 2001:db8:0:d01::/128 -m comment --comment branches -j ACCEPT
-A PL-branches -s 2001:db8:0:e01::/128 -m comment --comment branches -j ACCEPT
-A PL-branches -s 2001:db8:0:f01::/64 -m comment --comment branches -j ACCEPT
-A PL-branches -s 2001:db8:0:1001::/128 -m comment --comment branches -j ACCEPT
-A PL-branches -s 2001:db8:0:1101::/128 -m comment --comment branches -j ACCEPT
-A PL-branches -s 2001:db8:0:1201::/128 -m comment --comment branches -j ACCEPT
-A PL-branches -s 2001:db8:0:1301::/128 -m comment --comment branches -j ACCEPT
-A PL-branches -s 2001:db8:0:1401::/64 -m comment --comment branches -j ACCEPT
-A PL-branches -s 2001:db8:0:1501::/128 -m comment --comment branches -j ACCEPT
-A PL-branches -s 2001:db8:0:1601::/128 -m comment --comment branches -j ACCEPT
-A PL-branches -s 2001:db8:0:1701::/128 -m comment --comment branches -j ACCEPT
-A PL-branches -s 2001:db8:0:1801::/128 -m comment --comment branches -j ACCEPT
-A PL-branches -s 2001:db8:0:1901::/64 -m comment --comment branches -j ACCEPT
-A PL-branches -s 2001:db8:0:1a01::/128 -m comment --comment branches -j ACCEPT
-A PL-branches -s 2001:db8:0:1b01::/128 -m comment --comment branches -j ACCEPT
-A PL-branches -s 2001:db8:0:1c01::/128 -m comment --comment branches -j ACCEPT
-A PL-branches -s 2001:db8:0:1d01::/128 -m comment --comment branches -j ACCEPT
-A PL-branches -s 2001:db8:0:1e01::/64 -m comment --comment branches -j ACCEPT
-A PL-branches -s 2001:db8:0:1f01::/128 -m comment --comment branches -j ACCEPT
-A PL-branches -s 2001:db8:0:2001::/128 -m comment --comment branches -j ACCEPT
-A PL-branches -s 2001:db8:0:2101::/128 -m comment --comment branches -j ACCEPT
-A PL-branches -s 2001:db8:0:2201::/128 -m comment --comment branches -j ACCEPT
-A PL-branches -s 2001:db8:0:2301::/64 -m comment --comment branches -j ACCEPT
-A PL-branches -s 2001:db8:0:2401::/128 -m comment --comment branches -j ACCEPT
-A PL-branches -s 2001:db8:0:2501::/128 -m comment --comment branches -j ACCEPT
-A PL-branches -s 2001:db8:0:2601::/128 -m comment --comment branches -j ACCEPT
-A PL-branches -s 2001:db8:0:2701::/128 -m comment --comment branches -j ACCEPT
-A PL-branches -s 2001:db8:0:2801::/64 -m comment --comment branches -j ACCEPT
-A PL-branches -s 2001:db8:0:2901::/128 -m comment --comment branches -j ACCEPT
-A PL-branches -s 2001:db8:0:2a01::/128 -m comment --comment branches -j ACCEPT
-A PL-branches -s 2001:db8:0:2b01::/128 -m comment --comment branches -j ACCEPT
-A PL-branches -s 2001:db8:0:2c01::/128 -m comment --comment branches -j ACCEPT
-A PL-branches -s 2001:db8:0:2d01::/64 -m comment --comment branches -j ACCEPT
-A PL-branches -s 2001:db8:0:2e01::/128 -m comment --comment branches -j ACCEPT
-A PL-branches -s 2001:db8:0:2f01::/128 -m comment --comment branches -j ACCEPT
-A PL-branches -s 2001:db8:0:3001::/128 -m comment --comment branches -j ACCEPT
-A PL-branches -s 2001:db8:0:3101::/128 -m comment --comment branches -j ACCEPT
-A PL-branches -s 2001:db8:0:3201::/64 -m comment --comment branches -j ACCEPT
-A PL-branches -s 2001:db8:0:3301::/128 -m comment --comment branches -j ACCEPT
-A PL-branches -s 2001:db8:0:3401::/128 -m comment --comment branches -j ACCEPT
-A PL-branches -s 2001:db8:0:3501::/128 -m comment --comment branches -j ACCEPT
-A PL-branches -s 2001:db8:0:3601::/128 -m comment --comment branches -j ACCEPT
-A PL-branches -s 2001:db8:0:3701::/64 -m comment --comment branches -j ACCEPT
-A PL-branches -s 2001:db8:0:3801::/128 -m comment --comment branches -j ACCEPT
-A PL-branches -s 2001:db8:0:3901::/128 -m comment --comment branches -j ACCEPT
-A PL-branches -s 2001:db8:0:3a01::/128 -m comment --comment branches -j ACCEPT
-A PL-branches -s 2001:db8:0:3b01::/128 -m comment --comment branches -j ACCEPT
-A PL-branches -s 2001:db8:0:3c01::/64 -m comment --comment branches -j ACCEPT
-A PL-branches -s 2001:db8:0:3d01::/128 -m comment --comment branches -j ACCEPT
-A PL-branches -s 2001:db8:0:3e01::/128 -m comment --comment branches -j ACCEPT
COMMIT
*raw
:PL-RAW-IN - [0:0]
:PL-RAW-OUT - [0:0]
COMMIT
PORTOLAN_RULES_V6
}

sets() {
	cat <<'PORTOLAN_SETS'
create pl-8c4395e4f1cece406e5c-4 hash:net family inet hashsize 1024 maxelem 65536
add pl-8c4395e4f1cece406e5c-4 203.0.0.3
add pl-8c4395e4f1cece406e5c-4 203.0.0.19
add pl-8c4395e4f1cece406e5c-4 203.0.0.35
add pl-8c4395e4f1cece406e5c-4 203.0.0.51
add pl-8c4395e4f1cece406e5c-4 203.0.0.67
add pl-8c4395e4f1cece406e5c-4 203.0.0.83
add pl-8c4395e4f1cece406e5c-4 203.0.0.99
add pl-8c4395e4f1cece406e5c-4 203.0.0.115
add pl-8c4395e4f1cece406e5c-4 203.0.0.131
add pl-8c4395e4f1cece406e5c-4 203.0.0.147
add pl-8c4395e4f1cece406e5c-4 203.0.0.163
add pl-8c4395e4f1cece406e5c-4 203.0.0.179
add pl-8c4395e4f1cece406e5c-4 203.0.0.195
add pl-8c4395e4f1cece406e5c-4 203.0.0.211
add pl-8c4395e4f1cece406e5c-4 203.0.0.227
add pl-8c4395e4f1cece406e5c-4 203.0.0.243
add pl-8c4395e4f1cece406e5c-4 203.0.1.3
add pl-8c4395e4f1cece406e5c-4 203.0.1.19
add pl-8c4395e4f1cece406e5c-4 203.0.1.35
add pl-8c4395e4f1cece406e5c-4 203.0.1.51
add pl-8c4395e4f1cece406e5c-4 203.0.1.67
add pl-8c4395e4f1cece406e5c-4 203.0.1.83
add pl-8c4395e4f1cece406e5c-4 203.0.1.99
add pl-8c4395e4f1cece406e5c-4 203.0.1.115
add pl-8c4395e4f1cece406e5c-4 203.0.1.131
add pl-8c4395e4f1cece406e5c-4 203.0.1.147
add pl-8c4395e4f1cece406e5c-4 203.0.1.163
add pl-8c4395e4f1cece406e5c-4 203.0.1.179
add pl-8c4395e4f1cece406e5c-4 203.0.1.195
add pl-8c4395e4f1cece406e5c-4 203.0.1.211
add pl-8c4395e4f1cece406e5c-4 203.0.1.227
add pl-8c4395e4f1cece406e5c-4 203.0.1.243
add pl-8c4395e4f1cece406e5c-4 203.0.2.3
add pl-8c4395e4f1cece406e5c-4 203.0.2.19
add pl-8c4395e4f1cece406e5c-4 203.0.2.35
add pl-8c4395e4f1cece406e5c-4 203.0.2.51
add pl-8c4395e4f1cece406e5c-4 203.0.2.67
add pl-8c4395e4f1cece406e5c-4 203.0.2.83
add pl-8c4395e4f1cece406e5c-4 203.0.2.99
add pl-8c4395e4f1cece406e5c-4 203.0.2.115
add pl-8c4395e4f1cece406e5c-4 203.0.2.131
add pl-8c4395e4f1cece406e5c-4 203.0.2.147
add pl-8c4395e4f1cece406e5c-4 203.0.2.163
add pl-8c4395e4f1cece406e5c-4 203.0.2.179
add pl-8c4395e4f1cece406e5c-4 203.0.2.195
add pl-8c4395e4f1cece406e5c-4 203.0.2.211
add pl-8c4395e4f1cece406e5c-4 203.0.2.227
add pl-8c4395e4f1cece406e5c-4 203.0.2.243
add pl-8c4395e4f1cece406e5c-4 203.0.3.3
add pl-8c4395e4f1cece406e5c-4 203.0.3.19
add pl-8c4395e4f1cece406e5c-4 203.0.3.35
add pl-8c4395e4f1cece406e5c-4 203.0.3.51
add pl-8c4395e4f1cece406e5c-4 203.0.3.67
add pl-8c4395e4f1cece406e5c-4 203.0.3.83
add pl-8c4395e4f1cece406e5c-4 203.0.3.99
add pl-8c4395e4f1cece406e5c-4 203.0.3.115
add pl-8c4395e4f1cece406e5c-4 203.0.3.131
add pl-8c4395e4f1cece406e5c-4 203.0.3.147
add pl-8c4395e4f1cece406e5c-4 203.0.3.163
add pl-8c4395e4f1cece406e5c-4 203.0.3.179
add pl-8c4395e4f1cece406e5c-4 203.0.3.195
add pl-8c4395e4f1cece406e5c-4 203.0.3.211
add pl-8c4395e4f1cece406e5c-4 203.0.3.227
add pl-8c4395e4f1cece406e5c-4 203.0.3.243
add pl-8c4395e4f1cece406e5c-4 203.0.4.3
add pl-8c4395e4f1cece406e5c-4 203.0.4.19
add pl-8c4395e4f1cece406e5c-4 203.0.4.35
add pl-8c4395e4f1cece406e5c-4 203.0.4.51
add pl-8c4395e4f1cece406e5c-4 203.0.4.67
add pl-8c4395e4f1cece406e5c-4 203.0.4.83
create pl-35c1c9267b8c0b706b7e-6 hash:net family inet6 hashsize 1024 maxelem 65536
add pl-35c1c9267b8c0b706b7e-6 2001:db8:0:1::/64
add pl-35c1c9267b8c0b706b7e-6 2001:db8:0:101::
add pl-35c1c9267b8c0b706b7e-6 2001:db8:0:201::
add pl-35c1c9267b8c0b706b7e-6 2001:db8:0:301::
add pl-35c1c9267b8c0b706b7e-6 2001:db8:0:401::
add pl-35c1c9267b8c0b706b7e-6 2001:db8:0:501::/64
add pl-35c1c9267b8c0b706b7e-6 2001:db8:0:601::
add pl-35c1c9267b8c0b706b7e-6 2001:db8:0:701::
add pl-35c1c9267b8c0b706b7e-6 2001:db8:0:801::
add pl-35c1c9267b8c0b706b7e-6 2001:db8:0:901::
add pl-35c1c9267b8c0b706b7e-6 2001:db8:0:a01::/64
add pl-35c1c9267b8c0b706b7e-6 2001:db8:0:b01::
add pl-35c1c9267b8c0b706b7e-6 2001:db8:0:c01::
add pl-35c1c9267b8c0b706b7e-6 2001:db8:0:d01::
add pl-35c1c9267b8c0b706b7e-6 2001:db8:0:e01::
add pl-35c1c9267b8c0b706b7e-6 2001:db8:0:f01::/64
add pl-35c1c9267b8c0b706b7e-6 2001:db8:0:1001::
add pl-35c1c9267b8c0b706b7e-6 2001:db8:0:1101::
add pl-35c1c9267b8c0b706b7e-6 2001:db8:0:1201::
add pl-35c1c9267b8c0b706b7e-6 2001:db8:0:1301::
add pl-35c1c9267b8c0b706b7e-6 2001:db8:0:1401::/64
add pl-35c1c9267b8c0b706b7e-6 2001:db8:0:1501::
add pl-35c1c9267b8c0b706b7e-6 2001:db8:0:1601::
add pl-35c1c9267b8c0b706b7e-6 2001:db8:0:1701::
add pl-35c1c9267b8c0b706b7e-6 2001:db8:0:1801::
add pl-35c1c9267b8c0b706b7e-6 2001:db8:0:1901::/64
add pl-35c1c9267b8c0b706b7e-6 2001:db8:0:1a01::
add pl-35c1c9267b8c0b706b7e-6 2001:db8:0:1b01::
add pl-35c1c9267b8c0b706b7e-6 2001:db8:0:1c01::
add pl-35c1c9267b8c0b706b7e-6 2001:db8:0:1d01::
add pl-35c1c9267b8c0b706b7e-6 2001:db8:0:1e01::/64
add pl-35c1c9267b8c0b706b7e-6 2001:db8:0:1f01::
add pl-35c1c9267b8c0b706b7e-6 2001:db8:0:2001::
add pl-35c1c9267b8c0b706b7e-6 2001:db8:0:2101::
add pl-35c1c9267b8c0b706b7e-6 2001:db8:0:2201::
add pl-35c1c9267b8c0b706b7e-6 2001:db8:0:2301::/64
add pl-35c1c9267b8c0b706b7e-6 2001:db8:0:2401::
add pl-35c1c9267b8c0b706b7e-6 2001:db8:0:2501::
add pl-35c1c9267b8c0b706b7e-6 2001:db8:0:2601::
add pl-35c1c9267b8c0b706b7e-6 2001:db8:0:2701::
add pl-35c1c9267b8c0b706b7e-6 2001:db8:0:2801::/64
add pl-35c1c9267b8c0b706b7e-6 2001:db8:0:2901::
add pl-35c1c9267b8c0b706b7e-6 2001:db8:0:2a01::
add pl-35c1c9267b8c0b706b7e-6 2001:db8:0:2b01::
add pl-35c1c9267b8c0b706b7e-6 2001:db8:0:2c01::
add pl-35c1c9267b8c0b706b7e-6 2001:db8:0:2d01::/64
add pl-35c1c9267b8c0b706b7e-6 2001:db8:0:2e01::
add pl-35c1c9267b8c0b706b7e-6 2001:db8:0:2f01::
add pl-35c1c9267b8c0b706b7e-6 2001:db8:0:3001::
add pl-35c1c9267b8c0b706b7e-6 2001:db8:0:3101::
add pl-35c1c9267b8c0b706b7e-6 2001:db8:0:3201::/64
add pl-35c1c9267b8c0b706b7e-6 2001:db8:0:3301::
add pl-35c1c9267b8c0b706b7e-6 2001:db8:0:3401::
add pl-35c1c9267b8c0b706b7e-6 2001:db8:0:3501::
add pl-35c1c9267b8c0b706b7e-6 2001:db8:0:3601::
add pl-35c1c9267b8c0b706b7e-6 2001:db8:0:3701::/64
add pl-35c1c9267b8c0b706b7e-6 2001:db8:0:3801::
add pl-35c1c9267b8c0b706b7e-6 2001:db8:0:3901::
add pl-35c1c9267b8c0b706b7e-6 2001:db8:0:3a01::
add pl-35c1c9267b8c0b706b7e-6 2001:db8:0:3b01::
add pl-35c1c9267b8c0b706b7e-6 2001:db8:0:3c01::/64
add pl-35c1c9267b8c0b706b7e-6 2001:db8:0:3d01::
add pl-35c1c9267b8c0b706b7e-6 2001:db8:0:3e01::
add pl-35c1c9267b8c0b706b7e-6 2001:db8:0:3f01::
add pl-35c1c9267b8c0b706b7e-6 2001:db8:0:4001::
add pl-35c1c9267b8c0b706b7e-6 2001:db8:0:4101::/64
add pl-35c1c9267b8c0b706b7e-6 2001:db8:0:4201::
add pl-35c1c9267b8c0b706b7e-6 2001:db8:0:4301::
add pl-35c1c9267b8c0b706b7e-6 2001:db8:0:4401::
add pl-35c1c9267b8c0b706b7e-6 2001:db8:0:4501::
PORTOLAN_SETS
}

# From here on it is the same for every policy.

name=portolan-iptables
state=${PORTOLAN_STATE:-/var/lib/portolan-iptables}
IPTABLES=${IPTABLES:-iptables}
IP6TABLES=${IPTABLES%iptables*}ip6tables${IPTABLES##*iptables}
families='4 6'
work='' # our own directory inside $state
locked=no
going='' # the snapshot to go back to when a step fails or a signal comes

say() { printf '%s: %s\n' "$name" "$*"; }
warn() { printf '%s: %s\n' "$name" "$*" >&2; }
die() {
	warn "$*"
	exit 1
}

ipt() {
	family=$1
	shift
	case $family in
	4) "$IPTABLES" -w 5 "$@" ;;
	6) "$IP6TABLES" -w 5 "$@" ;;
	esac
}

ipt_save() {
	case $1 in
	4) "$IPTABLES-save" -t "$2" ;;
	6) "$IP6TABLES-save" -t "$2" ;;
	esac
}

ipt_restore() {
	family=$1
	shift
	case $family in
	4) "$IPTABLES-restore" --noflush -w 5 "$@" ;;
	6) "$IP6TABLES-restore" --noflush -w 5 "$@" ;;
	esac
}

rules() {
	case $1 in
	4) rules_4 ;;
	6) rules_6 ;;
	esac
}

# The chains of others that lead to ours, and ours.
hooks() {
	case $1 in
	filter) printf '%s\n' 'INPUT PL-IN' 'OUTPUT PL-OUT' ;;
	raw) printf '%s\n' 'PREROUTING PL-RAW-IN' 'OUTPUT PL-RAW-OUT' ;;
	esac
}

hooked() { # FAMILY TABLE FROM TO
	ipt "$1" -t "$2" -C "$3" -j "$4" </dev/null >/dev/null 2>&1
}

# loaded FAMILY TABLE: our chains and rules that are loaded, without counters.
loaded() {
	ipt_save "$1" "$2" >"$work/listed" 2>/dev/null || return 1
	sed -n -e 's/^\(:PL-[A-Za-z0-9_-]* -\) .*/\1 [0:0]/p' -e '/^-A PL-/p' "$work/listed"
}

# wanted FAMILY TABLE: the chains and rules of this file.
wanted() {
	rules "$1" | sed -n -e "/^\\*$2\$/,/^COMMIT\$/p" | sed -n -e '/^:/p' -e '/^-A /p'
}

chains() { sed -n -e 's/^:\(PL-[A-Za-z0-9_-]*\) .*/\1/p'; }

# numbers: makes numbers of the names of protocols, but for those that this file calls by
# their names. A listing has the names that /etc/protocols of the host gives them, or those
# that iptables itself knows.
numbers() {
	if [ -r /etc/protocols ]; then
		cat /etc/protocols
	fi | sed -n -e '/^tcp[^a-z]/d' -e '/^udp[^a-z]/d' -e '/^icmp[^a-z]/d' -e '/^ipv6-icmp[^a-z]/d' \
		-e 's/^\([A-Za-z0-9][A-Za-z0-9./_+-]*\)[[:space:]][[:space:]]*\([0-9][0-9]*\).*/s= -p \1 = -p \2 =/p' >"$work/numbers"
	sed -f "$work/numbers" -e 's/ -p icmpv6 / -p ipv6-icmp /' -e 's/ -p esp / -p 50 /' \
		-e 's/ -p ah / -p 51 /' -e 's/ -p sctp / -p 132 /' -e 's/ -p udplite / -p 136 /' -e 's/ -p mh / -p 135 /' -e 's/ -p ipv6-mh / -p 135 /'
}

# canonical: chains by name, then rules by chain, those of a chain in their order.
canonical() {
	numbers >"$work/unsorted"
	grep '^:' "$work/unsorted" | sort || :
	grep -n '^-A ' "$work/unsorted" | sort -t ' ' -k 2,2 -k 1,1n | sed -e 's/^[0-9]*://' || :
}

have_sets() { sets | grep -q '^create '; }

wanted_sets() { sets | sed -n -e 's/^create \([^ ]*\) .*/\1/p'; }

# our_sets: the names of the sets of ours that are loaded.
our_sets() {
	command -v ipset >/dev/null 2>&1 || return 0
	ipset -n list 2>/dev/null | grep -E '^pl-[0-9a-f]{20}-[46]$' || :
}

# plain_sets: sets in one form, whatever the kernel adds when it lists them.
plain_sets() {
	sed -e 's/^\(create [^ ]* hash:net family inet6*\) .*/\1/' -e '/^#/d' | sort
}

# destroy_others FILE: sets of ours that are not named in a file. The kernel refuses it for
# a set that a rule asks.
destroy_others() {
	our_sets | grep -v -x -F -f "$1" >"$work/gone" || :
	while read -r set; do
		ipset destroy "$set" </dev/null >/dev/null 2>&1 || :
	done <"$work/gone"
}

# differs: what is loaded is not what this file says; it says where.
differs() {
	different=1
	for f in $families; do
		for t in filter raw; do
			wanted "$f" "$t" | canonical >"$work/wanted"
			loaded "$f" "$t" >"$work/loaded" || {
				say "IPv$f, table $t: it cannot be listed"
				different=0
				continue
			}
			# Chains of an older text that nothing leads to do not matter.
			chains <"$work/wanted" | sed -e 's/.*/^:& /' >"$work/own"
			chains <"$work/wanted" | sed -e 's/.*/^-A & /' >>"$work/own"
			grep -f "$work/own" "$work/loaded" | canonical >"$work/found" || :
			if ! cmp -s "$work/wanted" "$work/found"; then
				different=0
				say "IPv$f, table $t, < as in this file, > as it is loaded:"
				diff "$work/wanted" "$work/found" | grep '^[<>]' | head -n 20 || :
			fi
			hooks "$t" >"$work/hooks"
			while read -r from to; do
				if grep -q "^-A $to " "$work/wanted" && ! hooked "$f" "$t" "$from" "$to"; then
					different=0
					say "IPv$f, table $t: no rule \"-A $from -j $to\""
				fi
			done <"$work/hooks"
		done
	done
	if have_sets; then
		sets | plain_sets >"$work/wanted"
		wanted_sets >"$work/names"
		: >"$work/listed"
		while read -r set; do
			ipset save "$set" </dev/null >>"$work/listed" 2>/dev/null || :
		done <"$work/names"
		plain_sets <"$work/listed" >"$work/found"
		if ! cmp -s "$work/wanted" "$work/found"; then
			different=0
			say 'sets, < as in this file, > as they are loaded:'
			diff "$work/wanted" "$work/found" | grep '^[<>]' | head -n 20 || :
		fi
	fi
	return "$different"
}

# snapshot DIRECTORY: what is loaded of ours.
snapshot() {
	printf '%s\n' "$families" >"$1/families"
	printf '%s\n' "$kind" >"$1/kind"
	boot >"$1/boot"
	for f in $families; do
		for t in filter raw; do
			loaded "$f" "$t" >"$1/rules.$f.$t" || return 1
			hooks "$t" >"$work/hooks"
			: >"$1/hooks.$f.$t"
			while read -r from to; do
				if hooked "$f" "$t" "$from" "$to"; then
					printf '%s %s\n' "$from" "$to" >>"$1/hooks.$f.$t"
				fi
			done <"$work/hooks"
		done
	done
	our_sets >"$1/names"
	: >"$1/sets"
	while read -r set; do
		ipset save "$set" </dev/null >>"$1/sets" || return 1
	done <"$1/names"
}

# back DIRECTORY FAMILY TABLE: the lines that lead back to a snapshot, in one table. With
# a fourth word, chains that the snapshot does not have stay, empty.
back() {
	loaded "$2" "$3" | chains >"$work/now"
	chains <"$1/rules.$2.$3" >"$work/then"
	[ -s "$work/now" ] || [ -s "$work/then" ] || return 0
	printf '*%s\n' "$3"
	sed -e 's/.*/:& - [0:0]/' "$work/then"
	grep -v -x -F -f "$work/then" "$work/now" >"$work/gone" || :
	sed -e 's/.*/:& - [0:0]/' "$work/gone"
	sed -n -e '/^-A /p' "$1/rules.$2.$3"
	hooks "$3" >"$work/hooks"
	while read -r from to; do
		was=no
		is=no
		if grep -q -x -F "$from $to" "$1/hooks.$2.$3"; then was=yes; fi
		if hooked "$2" "$3" "$from" "$to"; then is=yes; fi
		case $was$is in
		yesno) printf -- '-I %s 1 -j %s\n' "$from" "$to" ;;
		noyes) printf -- '-D %s -j %s\n' "$from" "$to" ;;
		esac
	done <"$work/hooks"
	[ -n "${4:-}" ] || sed -e 's/.*/-X &/' "$work/gone"
	echo COMMIT
}

# go_back DIRECTORY: load a snapshot.
go_back() {
	failed=0
	if [ -s "$1/sets" ]; then
		ipset -exist restore <"$1/sets" || failed=1
	fi
	saved=$(cat "$1/families")
	for f in $saved; do
		for t in filter raw; do
			back "$1" "$f" "$t" >"$work/back"
			[ -s "$work/back" ] || continue
			if ! ipt_restore "$f" <"$work/back" 2>/dev/null; then
				# A chain that others lead to cannot go.
				back "$1" "$f" "$t" stay >"$work/back"
				ipt_restore "$f" <"$work/back" || failed=1
			fi
		done
	done
	destroy_others "$1/names"
	return "$failed"
}

# tidy: what older files of ours have left and nothing uses.
tidy() {
	for f in $families; do
		for t in filter raw; do
			loaded "$f" "$t" >"$work/loaded" || continue
			hooks "$t" >"$work/hooks"
			while read -r from to; do
				if [ "$to" != PL-IN ] && ! grep -q "^-A $to " "$work/loaded" && hooked "$f" "$t" "$from" "$to"; then
					ipt "$f" -t "$t" -D "$from" -j "$to" </dev/null || :
				fi
			done <"$work/hooks"
			wanted "$f" "$t" | chains >"$work/then"
			chains <"$work/loaded" | grep -v -x -F -f "$work/then" >"$work/gone" || continue
			{
				printf '*%s\n' "$t"
				sed -e 's/.*/-F &/' "$work/gone"
				sed -e 's/.*/-X &/' "$work/gone"
				echo COMMIT
			} >"$work/tidy"
			ipt_restore "$f" <"$work/tidy" 2>/dev/null ||
				warn "IPv$f, table $t: older chains of ours stay, because something leads to them"
		done
	done
	wanted_sets >"$work/then"
	destroy_others "$work/then"
}

# The state directory is ours alone, so that nobody else can put files or links there.
open_state() {
	[ "$(id -u)" -eq 0 ] || die 'only root can do this'
	case $state in
	/*) ;;
	*) die "PORTOLAN_STATE must be a full path, and is $state" ;;
	esac
	[ -d "$state" ] || mkdir "$state" || die "cannot make the directory $state"
	[ -n "$(find "$state" -prune -type d -user 0 -perm 700)" ] ||
		die "$state must be a directory of root with mode 0700 and not a link: look at what it is, and remove it"
	lock
	work=$state/work.$$
	rm -rf "$work"
	mkdir "$work"
}

# One at a time. A holder that was killed has left its lock behind.
lock() {
	tries=0
	until mkdir "$state/lock" 2>/dev/null; do
		tries=$((tries + 1))
		[ "$tries" -le 120 ] || die "another one is at work and does not end: $state/lock"
		holder=$(cat "$state/lock/pid" 2>/dev/null || :)
		if [ -n "$holder" ] && ! kill -0 "$holder" 2>/dev/null; then
			rm -rf "$state/lock" "$state/work.$holder"
			continue
		fi
		sleep 1
	done
	echo $$ >"$state/lock/pid"
	locked=yes
}

# shellcheck disable=SC2317 # a trap calls it
finish() {
	[ -z "$work" ] || rm -rf "$work"
	[ "$locked" = no ] || rm -rf "$state/lock"
	work=''
	locked=no
}

# take_over: from here on the process that watches does nothing any more. Whoever moves
# the directory away first has decided.
take_over() {
	case $going in
	"$state"/pending.*)
		if mv "$going" "$work/over" 2>/dev/null; then
			going=$work/over
		fi
		;;
	esac
}

# give_up WORDS: load again what was loaded before.
give_up() {
	trap '' HUP INT TERM
	warn "$1"
	take_over
	[ -d "$going" ] || die 'the time is over, and the rules from before are being loaded'
	if go_back "$going"; then
		die 'everything of ours is as it was before'
	fi
	die 'and not everything of ours could be loaded again: look at status'
}

# shellcheck disable=SC2317 # a trap calls it
interrupted() {
	[ -z "$going" ] || give_up 'interrupted'
	exit 1
}

trap finish EXIT
trap interrupted HUP INT TERM

backend() {
	command -v "$IPTABLES" >/dev/null 2>&1 || die "there is no program $IPTABLES"
	case $("$IPTABLES" -V 2>/dev/null) in
	*nf_tables*) kind=nft other=legacy ;;
	*legacy*) kind=legacy other=nft ;;
	*) die "$IPTABLES -V does not say which part of the kernel it speaks to" ;;
	esac
	case $families in
	*6*)
		command -v "$IP6TABLES" >/dev/null 2>&1 ||
			die "there is no program $IP6TABLES: install it, or say --ipv4-only if this host has no IPv6"
		ipt 6 -t filter -S INPUT >/dev/null 2>&1 ||
			die "$IP6TABLES cannot reach the kernel's tables: say --ipv4-only if this host has no IPv6"
		;;
	*)
		if [ -r /proc/net/if_inet6 ] && grep -q -v ' lo$' /proc/net/if_inet6; then
			warn 'this host has IPv6 addresses, and with --ipv4-only nothing is done about them'
		fi
		;;
	esac
}

# Both parts of the kernel are asked about every packet, whoever loaded rules there.
warn_of_other() {
	for program in "iptables-$other-save" "ip6tables-$other-save"; do
		command -v "$program" >/dev/null 2>&1 || continue
		if "$program" 2>/dev/null | grep -q '^-A '; then
			warn "$program lists rules too, which stay: they and ours in iptables-$kind both decide"
		fi
	done
}

boot() { cat /proc/sys/kernel/random/boot_id 2>/dev/null || echo unknown; }

# pending: the snapshot of an apply that waits for a confirm, if there is one.
pending() {
	for dir in "$state"/pending.*; do
		[ -d "$dir" ] || continue
		if [ "$(cat "$dir/boot" 2>/dev/null || :)" != "$(boot)" ]; then
			warn 'the host was started again since an apply that nobody confirmed: loaded is what was saved for the boot'
			rm -rf "$dir"
			continue
		fi
		printf '%s\n' "$dir"
		return 0
	done
}

nothing_pending() {
	if [ -n "$(pending)" ]; then
		die 'an apply waits for its confirm: say confirm or rollback first'
	fi
}

do_apply() { # SECONDS or nothing
	open_state
	backend
	warn_of_other
	nothing_pending
	if have_sets; then
		command -v ipset >/dev/null 2>&1 || die 'the rules ask for sets of addresses: install ipset'
	fi
	mkdir "$work/new"
	snapshot "$work/new" || die 'what is loaded cannot be listed'
	going=$work/new
	# New sets have new names, so loading them changes nothing yet; the rules need them.
	if have_sets; then
		sets | ipset -exist restore || give_up 'the sets were refused'
	fi
	for f in $families; do
		rules "$f" | ipt_restore "$f" --test || give_up "the rules for IPv$f were refused before anything was changed"
	done
	[ -z "$1" ] || watch "$1"
	for f in $families; do
		rules "$f" | ipt_restore "$f" || give_up "the rules for IPv$f were refused"
	done
	for f in $families; do
		for t in filter raw; do
			hooks "$t" >"$work/hooks"
			wanted "$f" "$t" >"$work/wanted"
			while read -r from to; do
				# PL-IN is always led to, the others when they have rules.
				if [ "$to" = PL-IN ] || grep -q "^-A $to " "$work/wanted"; then
					hooked "$f" "$t" "$from" "$to" ||
						ipt "$f" -t "$t" -I "$from" 1 -j "$to" </dev/null ||
						give_up "IPv$f, table $t: $from could not be led to $to"
				fi
			done <"$work/hooks"
		done
	done
	if differs >"$work/differences"; then
		cat "$work/differences" >&2
		give_up 'what is loaded now is not what this file says'
	fi
	if [ -n "$1" ]; then
		going=''
		say "loaded. Look whether all works, from a new session too, and say confirm within $1 seconds"
		return
	fi
	rm -rf "$state/last"
	mv "$going" "$state/last"
	going=''
	tidy
	say 'loaded. It is gone after a restart of the host unless you say save, too'
}

# watch SECONDS starts the process that goes back, and waits until it stands. It runs a
# copy of this file out of the state directory, in a session of its own, so that neither a
# lost connection nor a changed file ends it.
watch() {
	[ -f "$0" ] || give_up '--rollback-after needs this to be run as a file and not read from a pipe'
	token=$(date +%s).$$
	cat "$0" >"$going/script"
	mv "$going" "$state/pending.$token"
	going=$state/pending.$token
	if command -v setsid >/dev/null 2>&1; then
		setsid sh "$going/script" watch-and-roll-back "$token" "$1" </dev/null >>"$state/log" 2>&1 &
	else
		nohup sh "$going/script" watch-and-roll-back "$token" "$1" </dev/null >>"$state/log" 2>&1 &
	fi
	tries=0
	until [ -f "$going/watched" ]; do
		tries=$((tries + 1))
		[ "$tries" -le 50 ] || give_up 'the process that goes back does not start'
		sleep 0.1 2>/dev/null || sleep 1
	done
}

do_watch() { # TOKEN SECONDS
	trap '' HUP INT
	trap - TERM
	families=$(cat "$state/pending.$1/families")
	date >"$state/pending.$1/watched"
	sleep "$2"
	mv "$state/pending.$1" "$state/rolling.$1" 2>/dev/null || exit 0
	trap '' TERM
	open_state
	backend
	if go_back "$state/rolling.$1"; then
		say "$(date): nobody said confirm, and everything of ours is as it was before"
	else
		say "$(date): nobody said confirm, and not everything of ours could be loaded again"
	fi
	rm -rf "$state/rolling.$1"
}

do_confirm() {
	open_state
	backend
	dir=$(pending)
	[ -n "$dir" ] || die 'nothing waits for a confirm: see status'
	mv "$dir" "$work/over" 2>/dev/null || die 'too late: the rules from before are being loaded'
	rm -rf "$state/last"
	mv "$work/over" "$state/last"
	if differs >"$work/differences"; then
		warn 'confirmed. What is loaded is not what this file says, so nothing is tidied up: see check'
	else
		tidy
		say 'confirmed. It is gone after a restart of the host unless you say save, too'
	fi
}

do_rollback() {
	open_state
	backend
	dir=$(pending)
	[ -n "$dir" ] || dir=$state/last
	[ -d "$dir" ] || die 'there is nothing to go back to'
	[ "$(cat "$dir/kind")" = "$kind" ] || die "that was loaded with another iptables, not with iptables-$kind: set IPTABLES"
	mv "$dir" "$work/over" 2>/dev/null || die 'the rules from before are being loaded already'
	go_back "$work/over" || die 'not everything of ours could be loaded again: look at status'
	say 'everything of ours is as it was before'
}

do_remove() {
	open_state
	backend
	nothing_pending
	mkdir "$work/new" "$work/none"
	snapshot "$work/new" || die 'what is loaded cannot be listed'
	printf '%s\n' "$families" >"$work/none/families"
	: >"$work/none/names"
	for f in $families; do
		for t in filter raw; do
			: >"$work/none/rules.$f.$t"
			: >"$work/none/hooks.$f.$t"
		done
	done
	rm -rf "$state/last"
	mv "$work/new" "$state/last"
	go_back "$work/none" || die 'not everything of ours could be unloaded: look at status'
	say 'unloaded. What was saved for the boot is not changed: say save for that'
}

do_check() {
	open_state
	backend
	if differs; then
		exit 1
	fi
	say 'what is loaded is what this file says'
}

do_status() {
	open_state
	backend
	warn_of_other
	say "program: $IPTABLES, $kind"
	for f in $families; do
		for t in filter raw; do
			loaded "$f" "$t" >"$work/loaded" || continue
			say "IPv$f, table $t: $(grep -c '^:' "$work/loaded" || :) chains and $(grep -c '^-A' "$work/loaded" || :) rules of ours"
			hooks "$t" >"$work/hooks"
			while read -r from to; do
				if hooked "$f" "$t" "$from" "$to"; then
					say "IPv$f, table $t: $from leads to $to"
				fi
			done <"$work/hooks"
		done
	done
	dir=$(pending)
	if [ -n "$dir" ]; then
		say "an apply waits for its confirm, since $(cat "$dir/watched" 2>/dev/null || :)"
	fi
	if differs >"$work/differences"; then
		say 'what is loaded is not what this file says: see check'
	else
		say 'what is loaded is what this file says'
	fi
}

do_save() {
	open_state
	backend
	nothing_pending
	dir=${PORTOLAN_SAVE:-/etc/iptables}
	if [ ! -d "$dir" ]; then
		warn "there is no $dir, where the package iptables-persistent of Debian and Ubuntu keeps rules: install it, or"
		warn 'on Red Hat and its kin, with the package iptables-services, say:'
		warn "  $IPTABLES-save > /etc/sysconfig/iptables; $IP6TABLES-save > /etc/sysconfig/ip6tables"
		die 'nothing is saved'
	fi
	say "this saves the rules of everybody that are loaded now, those of docker or fail2ban too"
	for f in $families; do
		case $f in
		4) "$IPTABLES-save" >"$work/save.$f" ;;
		6) "$IP6TABLES-save" >"$work/save.$f" ;;
		esac || die "the rules for IPv$f cannot be listed, and nothing is saved"
		# iptables-legacy-save lists nothing where it cannot read /proc, and calls it success.
		loaded "$f" filter >"$work/loaded" || die "the rules for IPv$f cannot be listed, and nothing is saved"
		if [ -s "$work/loaded" ] && ! grep -q '^:PL-' "$work/save.$f"; then
			die "the rules for IPv$f cannot be listed, and nothing is saved"
		fi
	done
	our_sets >"$work/names"
	if [ -s "$work/names" ]; then
		ipset save >"$work/ipsets" || die 'the sets cannot be listed, and nothing is saved'
		cat "$work/ipsets" >"$dir/ipsets.new"
		mv "$dir/ipsets.new" "$dir/ipsets"
		say "saved $dir/ipsets"
		if [ ! -f /usr/share/netfilter-persistent/plugins.d/10-ipset ]; then
			warn "the rules ask for sets: install the package ipset-persistent, which loads $dir/ipsets before them"
		fi
	fi
	for f in $families; do
		cat "$work/save.$f" >"$dir/rules.v$f.new"
		mv "$dir/rules.v$f.new" "$dir/rules.v$f"
		say "saved $dir/rules.v$f"
	done
}

wrong_use() {
	warn "$1"
	usage >&2
	exit 2
}

main() {
	command=${1:-help}
	[ $# -eq 0 ] || shift
	if [ "$command" = watch-and-roll-back ] && [ $# -eq 2 ]; then
		do_watch "$1" "$2"
		exit 0
	fi
	after=''
	while [ $# -gt 0 ]; do
		case $1 in
		--ipv4-only) families=4 ;;
		--rollback-after)
			if [ "$command" != apply ] || [ $# -lt 2 ]; then
				wrong_use '--rollback-after belongs to apply and needs a number of seconds'
			fi
			shift
			case $1 in
			'' | 0* | *[!0-9]* | ??????*) wrong_use "$1 is not a number of seconds from 1 to 99999" ;;
			esac
			after=$1
			;;
		*) wrong_use "$1 is not known" ;;
		esac
		shift
	done
	case $command in
	apply) do_apply "$after" ;;
	confirm) do_confirm ;;
	rollback) do_rollback ;;
	check) do_check ;;
	status) do_status ;;
	remove) do_remove ;;
	save) do_save ;;
	help | -h | --help) usage ;;
	*) wrong_use "$command is not known" ;;
	esac
	exit 0
}

main "$@"
