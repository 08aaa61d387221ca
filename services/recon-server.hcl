# reConServer, the conference server of reSIProcate. As in repro, numbered transports stand in
# the place of all simple ports, and 0 switches a port off.

service "recon-server" {
  title     = "reConServer conference server"
  platforms = ["linux"]
  cites = [
    "https://github.com/resiprocate/resiprocate/blob/68c54f2994e466b2aa62e18e8e0c246f4ed049e6/apps/reConServer/reConServer.config",
    "https://github.com/resiprocate/resiprocate/blob/020cbf2baa8b043cefb486663fa0152e9084c737/apps/reConServer/reConServer.cxx",
  ]

  file "conf" {
    format = "resiprocate"
    paths = {
      linux = ["/etc/reConServer/reConServer.config"] # the unit of its packages names this one
    }
  }

  default "udp_port" {
    setting = "UDPPort"
    case {
      value = 5062
      cites = ["https://github.com/resiprocate/resiprocate/blob/020cbf2baa8b043cefb486663fa0152e9084c737/apps/reConServer/reConServer.cxx"]
    }
  }

  default "tcp_port" {
    setting = "TCPPort"
    case {
      value = 5062
      cites = ["https://github.com/resiprocate/resiprocate/blob/020cbf2baa8b043cefb486663fa0152e9084c737/apps/reConServer/reConServer.cxx"]
    }
  }

  default "tls_port" {
    setting = "TLSPort"
    case {
      value = 5063
      cites = ["https://github.com/resiprocate/resiprocate/blob/020cbf2baa8b043cefb486663fa0152e9084c737/apps/reConServer/reConServer.cxx"]
    }
  }

  default "ws_port" {
    setting = "WSPort"
    case {
      value = 5064
      cites = ["https://github.com/resiprocate/resiprocate/blob/020cbf2baa8b043cefb486663fa0152e9084c737/apps/reConServer/reConServer.cxx"]
    }
  }

  default "wss_port" {
    setting = "WSSPort"
    case {
      value = 5065
      cites = ["https://github.com/resiprocate/resiprocate/blob/020cbf2baa8b043cefb486663fa0152e9084c737/apps/reConServer/reConServer.cxx"]
    }
  }

  default "media_port" {
    setting = "MediaPortStart"
    case {
      value = 17384
      cites = ["https://github.com/resiprocate/resiprocate/blob/020cbf2baa8b043cefb486663fa0152e9084c737/apps/reConServer/reConServer.cxx"]
    }
  }

  default "capture_port" {
    setting = "CapturePort"
    case {
      value = 9060
      cites = ["https://github.com/resiprocate/resiprocate/blob/020cbf2baa8b043cefb486663fa0152e9084c737/apps/reConServer/reConServer.cxx"]
    }
  }

  default "nat_port" {
    setting = "NatTraversalServerPort"
    case {
      value = 3478
      cites = ["https://github.com/resiprocate/resiprocate/blob/020cbf2baa8b043cefb486663fa0152e9084c737/apps/reConServer/reConServer.cxx"]
    }
  }

  locals {
    # Without an address it takes one that it finds on the host.
    bind    = [text(nonempty(setting("", "IPAddress")), "auto")]
    numbers = [for n in find("transport*interface") : { number = match("(?i)^transport([0-9]+)interface$", name(n)), interface = value(n, "") }]
    classic = length(local.numbers) == 0
    capture = nonempty(setting("", "CaptureHost"))
    nat     = nonempty(setting("", "NatTraversalServerHostname"))
    mode    = lower(text(setting("", "NatTraversalMode"), "")) # UdpAlloc, TcpAlloc, TlsAlloc, …
    media   = port(setting("", "MediaPortStart"), default.media_port)
  }

  listen "udp" {
    purpose  = "SIP"
    when     = local.classic
    protocol = ["udp"]
    port     = port(setting("", "UDPPort"), default.udp_port)
    bind     = local.bind
    exposure = "public"
    assigned = ["5060"]
  }

  listen "tcp" {
    purpose  = "SIP over TCP"
    when     = local.classic
    protocol = ["tcp"]
    port     = port(setting("", "TCPPort"), default.tcp_port)
    bind     = local.bind
    exposure = "public"
    assigned = ["5060"]
  }

  listen "tls" {
    purpose  = "SIP over TLS"
    when     = local.classic
    protocol = ["tcp"]
    port     = port(setting("", "TLSPort"), default.tls_port)
    bind     = local.bind
    exposure = "public"
    assigned = ["5061"]
  }

  listen "ws" {
    purpose  = "SIP over WebSocket"
    when     = local.classic
    protocol = ["tcp"]
    port     = port(setting("", "WSPort"), default.ws_port)
    bind     = local.bind
    exposure = "public"
    assigned = ["80"]
  }

  listen "wss" {
    purpose  = "SIP over secure WebSocket"
    when     = local.classic
    protocol = ["tcp"]
    port     = port(setting("", "WSSPort"), default.wss_port)
    bind     = local.bind
    exposure = "public"
    assigned = ["443"]
  }

  each "transport" {
    for_each = [for n in local.numbers : n if length(n.number) == 1]

    locals {
      # An IPv6 address has no brackets: the last colon ends it.
      interface = match("^(.*):([0-9]+)$", each.value.interface)
      type      = lower(text(setting("", "Transport${each.value.number[0]}Type"), "udp"))
    }

    listen "transport" {
      purpose  = "SIP"
      when     = length(local.interface) == 2
      protocol = [contains(["udp", "dtls"], local.type) ? "udp" : "tcp"]
      port     = port(local.interface[1], null)
      bind     = [local.interface[0]]
      exposure = "public"
      zero     = "unknown"
      assigned = ["5060-5061", "80", "443"]
    }
  }

  # The end is 101 above the start, whatever the comment in the source says of 100 streams.
  # RTP takes even ports of it and RTCP the next one: resip/recon/RTPPortManager.cxx.
  listen "rtp" {
    purpose  = "RTP and RTCP"
    protocol = ["udp"]
    first    = even_up(local.media)
    last     = even_down(local.media + 101) + 1
    nominal  = [local.media, local.media + 101]
    pairs    = true
    zero     = "unknown"
    exposure = "public"
  }

  connect "capture" {
    purpose  = "HEP capture"
    when     = local.capture != null
    protocol = ["udp"]
    peer     = local.capture
    port     = port(setting("", "CapturePort"), default.capture_port)
  }

  connect "nat-traversal" {
    purpose  = "STUN or TURN server"
    when     = local.nat != null && !contains(["", "none"], local.mode)
    protocol = [starts_with(local.mode, "tcp") || starts_with(local.mode, "tls") ? "tcp" : "udp"]
    peer     = local.nat
    port     = port(setting("", "NatTraversalServerPort"), default.nat_port)
  }

  lint "transport-without-port" {
    when     = length([for n in local.numbers : n if length(match("^(.*):([0-9]+)$", n.interface)) != 2]) > 0
    severity = "warning"
    message  = "a numbered transport has no port, so it is in no claim"
    help     = "write its interface as ADDRESS:PORT"
  }

  test "nothing set" {
    input = <<-EOT
      LogLevel = INFO
      IPAddress =
    EOT
    expect = [
      "udp udp auto 5062 default",
      "tcp tcp auto 5062 default",
      "tls tcp auto 5063 default",
      "ws tcp auto 5064 default",
      "wss tcp auto 5065 default",
      "rtp udp * 17384-17485 default",
    ]
  }

  test "everything set, some of it off" {
    input = <<-EOT
      IPAddress = 192.0.2.1
      UDPPort = 5070
      TCPPort = 5071
      TLSPort = 0
      WSPort = 0
      WSSPort = 5072
      MediaPortStart = 20001
    EOT
    expect = [
      "udp udp 192.0.2.1 5070 config L2",
      "tcp tcp 192.0.2.1 5071 config L3",
      "wss tcp 192.0.2.1 5072 config L6",
      "rtp udp * 20002-20103 config nominal 20001-20102 L7",
    ]
  }

  test "what it connects to" {
    input = <<-EOT
      Transport1Interface = 192.0.2.1:5060
      CaptureHost = homer.example
      NatTraversalMode = TlsAlloc
      NatTraversalServerHostname = turn.example
      NatTraversalServerPort = 5350
    EOT
    expect = [
      "transport udp 192.0.2.1 5060 config L1",
      "capture udp -> homer.example 9060 default",
      "nat-traversal tcp -> turn.example 5350 config L5",
      "rtp udp * 17384-17485 default",
    ]
  }

  test "numbered transports replace the simple ports" {
    input = <<-EOT
      udpport = 5070
      Transport1Interface = 192.0.2.1:5060
      Transport1Type = TLS
      Transport2Interface = 2001:db8::4:5062
      # Transport3Interface = 192.0.2.9:5090
      MediaPortStart = 30000
    EOT
    expect = [
      "transport tcp 192.0.2.1 5060 config L2",
      "transport udp 2001:db8::4 5062 config L4",
      "rtp udp * 30000-30101 config L6",
    ]
  }
}
