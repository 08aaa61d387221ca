# repro, the SIP proxy of reSIProcate. The numbered transports, where there are any, stand in
# the place of all simple ports. 0 switches a port off.

service "repro" {
  title     = "repro SIP proxy"
  platforms = ["linux"]
  cites     = ["https://github.com/resiprocate/resiprocate/blob/68c54f2994e466b2aa62e18e8e0c246f4ed049e6/repro/repro.config"]

  file "conf" {
    format = "resiprocate"
    paths = {
      linux = ["/etc/repro/repro.config"]
    }
  }

  default "udp_port" {
    setting = "UDPPort"
    case {
      value = 5060
      cites = ["https://github.com/resiprocate/resiprocate/blob/68c54f2994e466b2aa62e18e8e0c246f4ed049e6/repro/repro.config#L132"]
    }
  }

  default "tcp_port" {
    setting = "TCPPort"
    case {
      value = 5060
      cites = ["https://github.com/resiprocate/resiprocate/blob/68c54f2994e466b2aa62e18e8e0c246f4ed049e6/repro/repro.config#L136"]
    }
  }

  default "tls_port" {
    setting = "TLSPort"
    case {
      value = 5061
      cites = ["https://github.com/resiprocate/resiprocate/blob/68c54f2994e466b2aa62e18e8e0c246f4ed049e6/repro/repro.config#L140"]
    }
  }

  default "ws_port" {
    setting = "WSPort"
    case {
      value = 80
      cites = ["https://github.com/resiprocate/resiprocate/blob/68c54f2994e466b2aa62e18e8e0c246f4ed049e6/repro/repro.config#L145"]
    }
  }

  default "wss_port" {
    setting = "WSSPort"
    case {
      value = 443
      cites = ["https://github.com/resiprocate/resiprocate/blob/68c54f2994e466b2aa62e18e8e0c246f4ed049e6/repro/repro.config#L150"]
    }
  }

  default "dtls_port" {
    setting = "DTLSPort"
    case {
      value = 0
      cites = ["https://github.com/resiprocate/resiprocate/blob/68c54f2994e466b2aa62e18e8e0c246f4ed049e6/repro/repro.config#L154"]
    }
  }

  default "http_port" {
    setting = "HttpPort"
    case {
      value = 5080
      cites = ["https://github.com/resiprocate/resiprocate/blob/68c54f2994e466b2aa62e18e8e0c246f4ed049e6/repro/repro.config#L359"]
    }
  }

  default "command_port" {
    setting = "CommandPort"
    case {
      value = 5081
      cites = ["https://github.com/resiprocate/resiprocate/blob/68c54f2994e466b2aa62e18e8e0c246f4ed049e6/repro/repro.config#L400"]
    }
  }

  default "sync_port" {
    setting = "RegSyncPort"
    case {
      value = 0
      cites = ["https://github.com/resiprocate/resiprocate/blob/68c54f2994e466b2aa62e18e8e0c246f4ed049e6/repro/repro.config#L422"]
    }
  }

  locals {
    address = items(setting("", "IPAddress"), ",")
    bind    = length(local.address) > 0 ? local.address : ["*"]
    numbers = [for n in find("transport*interface") : { number = match("(?i)^transport([0-9]+)interface$", name(n)), interface = value(n, "") }]
    classic = length(local.numbers) == 0
    http    = items(setting("", "HttpBindAddress"), ",")
    command = items(setting("", "CommandBindAddress"), ",")
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

  listen "dtls" {
    purpose  = "SIP over DTLS"
    when     = local.classic
    protocol = ["udp"]
    port     = port(setting("", "DTLSPort"), default.dtls_port)
    bind     = local.bind
    exposure = "public"
    assigned = ["5061"]
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

  listen "http" {
    purpose  = "web administration"
    protocol = ["tcp"]
    port     = port(setting("", "HttpPort"), default.http_port)
    bind     = length(local.http) > 0 ? local.http : ["*"]
    exposure = "admin"
  }

  listen "command" {
    purpose  = "command server (XML-RPC)"
    protocol = ["tcp"]
    port     = port(setting("", "CommandPort"), default.command_port)
    bind     = length(local.command) > 0 ? local.command : ["*"]
    exposure = "admin"
  }

  listen "registration-sync" {
    purpose  = "replication of registrations"
    protocol = ["tcp"]
    port     = port(setting("", "RegSyncPort"), default.sync_port)
    exposure = "internal"
  }

  lint "transport-without-port" {
    when     = length([for n in local.numbers : n if length(match("^(.*):([0-9]+)$", n.interface)) != 2]) > 0
    severity = "warning"
    message  = "a numbered transport has no port, so it is in no claim"
    help     = "write its interface as ADDRESS:PORT"
  }

  test "0 is off" {
    input = <<-EOT
      # the rest is as built in
      IPAddress = 192.0.2.1
      TLSPort = 0
      WSPort = 0
      WSSPort = 0
      HttpBindAddress = 127.0.0.1, ::1
      CommandPort = 0
      RegSyncPort = 5082
    EOT
    expect = [
      "udp udp 192.0.2.1 5060 default",
      "tcp tcp 192.0.2.1 5060 default",
      "http tcp 127.0.0.1,::1 5080 default",
      "registration-sync tcp * 5082 config L8",
    ]
  }

  test "numbered transports replace the simple ports" {
    input  = <<-EOT
      UDPPort = 5070
      Transport1Interface = 192.0.2.1:5060
      Transport1Type = TLS
      Transport2Interface = 2001:db8::4:5062
      HttpPort = 0
      CommandPort = 0
    EOT
    expect = ["transport tcp 192.0.2.1 5060 config L2", "transport udp 2001:db8::4 5062 config L4"]
  }

  test "nothing set" {
    input = <<-EOT
      LogLevel = INFO
    EOT
    expect = [
      "udp udp * 5060 default",
      "tcp tcp * 5060 default",
      "tls tcp * 5061 default",
      "ws tcp * 80 default",
      "wss tcp * 443 default",
      "http tcp * 5080 default",
      "command tcp * 5081 default",
    ]
  }
}
