# A SIP server at the edge: trunks that are known, phones anywhere, and scanners.
#
# Allows and denies are asked from top to bottom, and the first that fits decides. An allow
# with a limit is asked as long as the limit lasts; beyond it the next ones are asked, and
# behind the last everything is dropped.
zone "trunks" {
  sources = ["203.0.113.16/28", "2001:db8:7::/48"]
  except  = ["203.0.113.31"]
}
zone "operators" { sources = ["10.1.0.0/24"] }

# What a list of known scanners would hold. A file with one prefix on each line does too:
#
#   zone "scanners" { files = ["scanners.txt"] }
#
zone "scanners" { sources = ["198.51.100.0/24"] }

# First of all, so that no allow below lets them in. A deny ends nothing that is established,
# and ping stays.
deny "scanners" {
  from = [zone.scanners]
  log  = "1/minute"
}

# The trunks stand above the limiter: however many calls they send at once, none of them is
# counted. A limit that stood above them would hold them back too.
allow "trunks" {
  exposure = ["public"]
  from     = [zone.trunks]
}

# Phones may be anywhere. A phone registers and keeps its connection; who tries names and
# passwords sends hundreds of requests a minute, most of them as new flows. What is beyond the
# limit is dropped, because nothing below opens these ports.
allow "phones" {
  service     = "kamailio"
  otherwise   = ["5060/udp"]
  limit       = "20/minute per source"
  connections = "30 per source"
}

# Media of the calls that were set up.
allow "media" {
  service   = "rtpengine"
  listen    = ["rtp"]
  otherwise = ["30000-40000/udp"]
}

allow "ssh" {
  service     = "sshd"
  otherwise   = ["22/tcp"]
  from        = [zone.operators]
  connections = "8 per source"
  log         = "10/minute"
}

default {
  input = "drop"
  log   = "5/minute"
}
