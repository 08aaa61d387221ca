# A speech server whose callers and operators are known.
#
# A zone is a name for networks, of both families: prefixes, single addresses, or ranges
# such as "10.20.0.10-10.20.0.29".
zone "voice-platform" { sources = ["10.20.0.0/16", "2001:db8:20::/48"] }
zone "operators" { sources = ["10.1.0.0/24"] }

# The platform may reach the media server. "listen" chooses among its listeners; without
# it, every public one would be open.
allow "speech" {
  service = "lumenvox-media-server"
  listen  = ["sip", "rtsp", "mrcp", "rtp"]
  from    = [zone.voice-platform]
}

# Operators may open ten SSH connections a minute from each address. Connections that
# exist are not counted.
allow "ssh" {
  service = "sshd"
  from    = [zone.operators]
  limit   = "10/minute per source"
}

# Everything else is dropped, and at most five drops a minute are logged.
default {
  input = "drop"
  log   = "5/minute"
}
