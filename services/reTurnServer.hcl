# reTurn, the STUN and TURN server of reSIProcate. 0 switches TLS and classic STUN off.

service "reTurnServer" {
  title     = "reTurn STUN and TURN server"
  platforms = ["linux"]
  cites     = ["https://github.com/resiprocate/resiprocate/blob/68c54f2994e466b2aa62e18e8e0c246f4ed049e6/reTurn/reTurnServer.config"]

  file "conf" {
    format = "resiprocate"
    paths = {
      linux = ["/etc/reTurn/reTurnServer.config"]
    }
  }

  default "port" {
    setting = "TurnPort"
    case {
      value = 3478
      cites = ["https://github.com/resiprocate/resiprocate/blob/00bcf508f9e7bd06825d21281770d24688865693/reTurn/ReTurnConfig.cxx"]
    }
  }

  default "tls_port" {
    setting = "TlsTurnPort"
    case {
      value = 5349
      cites = ["https://github.com/resiprocate/resiprocate/blob/00bcf508f9e7bd06825d21281770d24688865693/reTurn/ReTurnConfig.cxx"]
    }
  }

  default "alternate_port" {
    setting = "AltStunPort"
    case {
      value = 0
      cites = ["https://github.com/resiprocate/resiprocate/blob/00bcf508f9e7bd06825d21281770d24688865693/reTurn/ReTurnConfig.cxx"]
    }
  }

  default "address" {
    setting = "TurnAddress"
    case {
      value = "0.0.0.0"
      cites = ["https://github.com/resiprocate/resiprocate/blob/00bcf508f9e7bd06825d21281770d24688865693/reTurn/ReTurnConfig.cxx"]
    }
  }

  default "address6" {
    setting = "TurnV6Address"
    case {
      value = "::0"
      cites = ["https://github.com/resiprocate/resiprocate/blob/00bcf508f9e7bd06825d21281770d24688865693/reTurn/ReTurnConfig.cxx"]
    }
  }

  default "alternate_address" {
    setting = "AltStunAddress"
    case {
      value = "0.0.0.0"
      cites = ["https://github.com/resiprocate/resiprocate/blob/00bcf508f9e7bd06825d21281770d24688865693/reTurn/ReTurnConfig.cxx"]
    }
  }

  default "first" {
    setting = "AllocationPortRangeMin"
    case {
      value = 49152
      cites = ["https://github.com/resiprocate/resiprocate/blob/00bcf508f9e7bd06825d21281770d24688865693/reTurn/ReTurnConfig.cxx"]
    }
  }

  default "last" {
    setting = "AllocationPortRangeMax"
    case {
      value = 65535
      cites = ["https://github.com/resiprocate/resiprocate/blob/00bcf508f9e7bd06825d21281770d24688865693/reTurn/ReTurnConfig.cxx"]
    }
  }

  locals {
    address   = text(setting("", "TurnAddress"), default.address)
    both      = [local.address, text(setting("", "TurnV6Address"), default.address6)]
    alternate = text(setting("", "AltStunAddress"), default.alternate_address)
    # Classic STUN (RFC 3489) needs a second address and a second port.
    other   = port(setting("", "AltStunPort"), default.alternate_port)
    classic = local.other != 0 && local.alternate != "0.0.0.0"
  }

  listen "turn" {
    purpose  = "STUN and TURN"
    protocol = ["udp", "tcp"]
    port     = port(setting("", "TurnPort"), default.port)
    bind     = local.both
    exposure = "public"
    zero     = "unknown"
    assigned = ["3478"]
  }

  listen "turns" {
    purpose  = "STUN and TURN over TLS"
    protocol = ["tcp"]
    port     = port(setting("", "TlsTurnPort"), default.tls_port)
    bind     = local.both
    exposure = "public"
    assigned = ["5349"]
  }

  # The four sockets of classic STUN: both ports on both addresses, one of them is above.
  listen "stun-other-port" {
    purpose  = "classic STUN, other port"
    when     = local.classic
    protocol = ["udp"]
    port     = local.other
    bind     = [local.address, local.alternate]
    exposure = "public"
  }

  listen "stun-other-address" {
    purpose  = "classic STUN, other address"
    when     = local.classic
    protocol = ["udp"]
    port     = port(setting("", "TurnPort"), default.port)
    bind     = [local.alternate]
    exposure = "public"
    zero     = "unknown"
    assigned = ["3478"]
  }

  listen "relay" {
    purpose  = "TURN allocations"
    protocol = ["udp"]
    first    = port(setting("", "AllocationPortRangeMin"), default.first)
    last     = port(setting("", "AllocationPortRangeMax"), default.last)
    bind     = local.both
    exposure = "public"
    zero     = "unknown"
  }

  test "nothing set" {
    input = <<-EOT
      AuthenticationRealm = harbour
    EOT
    expect = [
      "turn udp 0.0.0.0,::0 3478 default",
      "turn tcp 0.0.0.0,::0 3478 default",
      "turns tcp 0.0.0.0,::0 5349 default",
      "relay udp 0.0.0.0,::0 49152-65535 default",
    ]
  }

  test "classic STUN and no TLS" {
    input = <<-EOT
      TurnAddress = 192.0.2.1
      TurnV6Address = 2001:db8::1
      TurnPort = 3480
      TlsTurnPort = 0
      AltStunAddress = 192.0.2.2
      AltStunPort = 3481
      AllocationPortRangeMin = 40000
      AllocationPortRangeMax = 40999
    EOT
    expect = [
      "turn udp 192.0.2.1,2001:db8::1 3480 config L3",
      "turn tcp 192.0.2.1,2001:db8::1 3480 config L3",
      "stun-other-port udp 192.0.2.1,192.0.2.2 3481 config L6",
      "stun-other-address udp 192.0.2.2 3480 config L3",
      "relay udp 192.0.2.1,2001:db8::1 40000-40999 config L7",
    ]
  }
}
