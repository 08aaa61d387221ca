# A media relay with thousands of calls, which connection tracking would cost more than the
# rules.
#
# Linux only: Windows Firewall has no such thing.
zone "trunks" { sources = ["10.9.0.0/24", "2001:db8:9::/48"] }
zone "operators" { sources = ["10.1.0.0/24"] }

# With notrack no packet of these ports is tracked, and none is known as an answer: each is
# asked for its source, so that the list of who may send has to be whole. The rules for it
# stand first of all. What is sent from the ports is not tracked either.
#
# Three things do not go with it: translated addresses (NAT, published ports of containers),
# ports that the system hands out to other programs (reserve them in
# net.ipv4.ip_local_reserved_ports), and limit, connections or log of the same ports.
allow "media" {
  service   = "rtpengine"
  listen    = ["rtp"]
  otherwise = ["30000-40000/udp"]
  from      = [zone.trunks]
  notrack   = true
}

# Signalling is a small part of the packets and stays tracked.
allow "sip" {
  service   = "kamailio"
  otherwise = ["5060/udp", "5060/tcp"]
  from      = [zone.trunks]
}

allow "ssh" {
  service   = "sshd"
  otherwise = ["22/tcp"]
  from      = [zone.operators]
}

default {
  input = "drop"
  log   = "5/minute"
}
