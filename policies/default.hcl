# The policy that holds when there is no other one. Copy it to portolan.hcl and change
# what does not fit.
#
# Every ruleset also lets in, without being asked: loopback, the answers to what this
# host began, the ICMP and ICMPv6 messages that networks need, and DHCP answers. And it
# drops everything that nothing here allows.

# Voice: whatever the services found on this host offer to their clients, such as SIP,
# RTSP, MRCP and RTP, for everybody. Listeners that are meant for administrators, for
# other parts of the same product or for this host alone stay closed.
#
# To let in only those you know, name their networks and uncomment the line with "from":
#
#   zone "voice-platform" { sources = ["10.20.0.0/16", "2001:db8:20::/48"] }
#
allow "voice" {
  exposure = ["public"]
  # from   = [zone.voice-platform]
}

# SSH, so that nobody is locked out of the host: on the ports that its configuration
# says, and on port 22 when no such configuration is found.
allow "ssh" {
  service   = "sshd"
  exposure  = ["public", "admin"]
  otherwise = ["22/tcp"]
}

# This host drops what is not allowed above. The other choice is "additive": then these
# rules only add accepts, and other firewalls on the host decide about the rest.
default {
  input = "drop"
}
