# A host that lets in what it serves and lets out what it needs, and nothing else.
zone "voice-platform" { sources = ["10.20.0.0/16"] }
zone "operators" { sources = ["10.1.0.0/24"] }
zone "resolvers" { sources = ["10.0.0.53", "10.0.1.53"] }
zone "updates" { sources = ["10.0.0.80"] }

allow "speech" {
  exposure = ["public"]
  from     = [zone.voice-platform]
}

# Operators come by the network for management only.
allow "ssh" {
  service    = "sshd"
  otherwise  = ["22/tcp"]
  from       = [zone.operators]
  interfaces = ["eth1"]
}

# What the files of the services name: licence servers, databases, directories. A peer that
# has a name may have any address, so that its ports are open to all of them.
connect "found" {}

# What no file of a service says.
connect "dns" {
  ports = ["53/udp", "53/tcp"]
  to    = [zone.resolvers]
}
connect "time" {
  ports = ["123/udp"]
  to    = ["10.0.0.123"]
}
connect "updates" {
  ports = ["80/tcp", "443/tcp"]
  to    = [zone.updates]
  log   = "10/minute"
}

# With output = "drop" a host still answers what comes in, sends media from the UDP ports that
# are opened above, and does what its network needs: loopback, ping and errors, neighbour
# discovery, DHCP. What it is not allowed to send is logged, at most five times a minute.
#
# IPv6 is not used here, so that nothing of it comes in or leaves.
default {
  input  = "drop"
  output = "drop"
  ipv6   = "off"
  log    = "5/minute"
}
