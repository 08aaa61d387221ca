# OpenSIPS. Samples of its source tree have names of their own; on a host these are never
# at the top folder, so that nothing is read twice. Claims are of TCP and UDP: a socket of
# SCTP is a finding, and so is one of a protocol that is not described here.

service "opensips" {
  title     = "OpenSIPS"
  platforms = ["linux"]
  runs      = ["opensips.service"]
  cites     = ["https://github.com/OpenSIPS/opensips/blob/8f4f1e1b4015a52f88953e6c16758f800bd0e9fb/net/trans.c#L267"]

  file "conf" {
    format = "kamailio"
    accept = has("loadmodule") || has("socket") || has("listen") || !has("*") # a template for m4 has no nodes
    paths = {
      linux = [
        "/etc/opensips/opensips.cfg", "/usr/local/etc/opensips/opensips.cfg", "/etc/opensips/opensips_*.cfg",
        "/opensips-*.cfg", "/dispatcher.cfg", "/residential.m4",
      ]
    }
  }

  default "port" {
    setting = "socket"
    case {
      value = 5060
      cites = ["https://github.com/OpenSIPS/opensips/blob/8f4f1e1b4015a52f88953e6c16758f800bd0e9fb/config.h#L38"]
    }
  }

  default "tls_port" {
    setting = "socket"
    case {
      value = 5061
      cites = ["https://github.com/OpenSIPS/opensips/blob/8f4f1e1b4015a52f88953e6c16758f800bd0e9fb/config.h#L39"]
    }
  }

  default "ws_port" {
    setting = "socket"
    case {
      value = 80
      cites = ["https://github.com/OpenSIPS/opensips/blob/8f4f1e1b4015a52f88953e6c16758f800bd0e9fb/modules/proto_ws/proto_ws.h"]
    }
  }

  default "wss_port" {
    setting = "socket"
    case {
      value = 443
      cites = ["https://github.com/OpenSIPS/opensips/blob/8f4f1e1b4015a52f88953e6c16758f800bd0e9fb/modules/proto_wss/proto_wss.h#L29"]
    }
  }

  default "hep_port" {
    setting = "socket"
    case {
      value = 9060
      cites = ["https://github.com/OpenSIPS/opensips/blob/8f4f1e1b4015a52f88953e6c16758f800bd0e9fb/modules/proto_hep/hep.h#L35"]
    }
  }

  default "bin_port" {
    setting = "socket"
    case {
      value = 5555
      cites = ["https://github.com/OpenSIPS/opensips/blob/8f4f1e1b4015a52f88953e6c16758f800bd0e9fb/modules/proto_bin/proto_bin.c#L54"]
    }
  }

  default "bins_port" {
    setting = "socket"
    case {
      value = 5556
      cites = ["https://github.com/OpenSIPS/opensips/blob/07774e9da57b98cecff72ce4b7e61fa5b542cba6/modules/proto_bins/proto_bins.c"]
    }
  }

  default "httpd_port" {
    setting = "port"
    case {
      value = 8888
      cites = ["https://github.com/OpenSIPS/opensips/blob/8f4f1e1b4015a52f88953e6c16758f800bd0e9fb/modules/httpd/httpd.c#L59"]
    }
  }

  locals {
    protocols = ["udp", "tcp", "tls", "sctp", "ws", "wss", "bin", "bins", "hep_udp", "hep_tcp", "hep_tls", "smpp", "msrp", "msrps", "ipsec"]
    # "socket" since 3.0, "listen" before. Behind the socket stand "as", "anycast" and their kin.
    sockets = [for n in concat(find("socket"), find("listen")) : args(n)[0] if length(args(n)) > 0]
    # What clients are told of a socket, "socket = udp:10.0.0.5:5060 as 192.0.2.5:5060", and of
    # those of which nothing else is said.
    advertised = [for n in concat(find("socket"), find("listen")) : { socket = args(n)[0], at = hostport(flag(args(n), "as")).host } if has_flag(args(n), "as")]
    outside    = values("advertised_address")

    params = [for n in find("modparam") : args(n)]
    httpd  = length([for n in find("loadmodule") : n if length(args(n)) > 0 && length(match("^(?:.*/)?(httpd)(?:[.]so)?$", args(n)[0])) > 0]) > 0
    # Metrics are made to be read; commands are not.
    commands   = length([for n in find("loadmodule") : n if length(args(n)) > 0 && length(match("^(?:.*/)?(mi_http|mi_xmlrpc_ng)(?:[.]so)?$", args(n)[0])) > 0]) > 0
    httpd_port = [for p in local.params : p[2] if length(p) == 3 && p[0] == "httpd" && p[1] == "port"]
    httpd_ip   = [for p in local.params : p[2] if length(p) == 3 && p[0] == "httpd" && p[1] == "ip"]

    # Sockets of media relays, "1 == udp:localhost:2223=2 udp:localhost:2224": a set in front,
    # weights behind, and what is no UDP is a socket of UNIX or a web socket.
    relays    = [for p in local.params : p if length(p) == 3 && contains(["rtpengine_sock", "rtpproxy_sock"], p[1])]
    rtpengine = [for m in [for w in flatten([for p in local.relays : items(p[2], " ") if p[1] == "rtpengine_sock"]) : match("^udp6?:(\\[[^]]*\\]|[^:=]+):([0-9]+)", w)] : m if length(m) == 2]
    rtpproxy  = [for m in [for w in flatten([for p in local.relays : items(p[2], " ") if p[1] == "rtpproxy_sock"]) : match("^udp6?:(\\[[^]]*\\]|[^:=]+):([0-9]+)", w)] : m if length(m) == 2]
  }

  each "socket" {
    for_each = local.sockets

    locals {
      parts = hostport(each.value)
      # "udp:eth0" is a protocol and an interface, not a host and a port.
      short = contains(local.protocols, lower(text(local.parts.host, "")))
      proto = lower(text(local.short ? local.parts.host : local.parts.scheme, "udp"))
      place = local.short ? hostport(local.parts.port) : local.parts
      # A module for a protocol may have another default: modparam("proto_udp", "udp_port", 5070).
      said  = [for p in local.params : p[2] if length(p) == 3 && starts_with(p[0], "proto_") && p[1] == "${starts_with(local.proto, "hep") ? "hep" : local.proto}_port"]
      moved = length(local.said) > 0 ? local.said : [local.place.port]
      bind  = [text(local.place.host, "*")]
      own   = [for a in local.advertised : a.at if a.socket == each.value]
      told  = length(local.own) > 0 ? local.own : local.outside
    }

    listen "sip" {
      purpose   = "SIP"
      for_each  = contains(["udp", "tcp"], local.proto) ? local.moved : []
      protocol  = [local.proto]
      port      = port(first(local.place.port, each.value), default.port)
      bind      = local.bind
      zero      = "unknown"
      advertise = local.told
      exposure  = "public"
      assigned  = ["5060"]
    }

    listen "sips" {
      purpose   = "SIP over TLS"
      for_each  = local.proto == "tls" ? local.moved : []
      protocol  = ["tcp"]
      port      = port(first(local.place.port, each.value), default.tls_port)
      bind      = local.bind
      zero      = "unknown"
      advertise = local.told
      exposure  = "public"
      assigned  = ["5061"]
    }

    listen "ws" {
      purpose   = "SIP over WebSocket"
      for_each  = local.proto == "ws" ? local.moved : []
      protocol  = ["tcp"]
      port      = port(first(local.place.port, each.value), default.ws_port)
      bind      = local.bind
      zero      = "unknown"
      advertise = local.told
      exposure  = "public"
      assigned  = ["80"]
    }

    listen "wss" {
      purpose   = "SIP over secure WebSocket"
      for_each  = local.proto == "wss" ? local.moved : []
      protocol  = ["tcp"]
      port      = port(first(local.place.port, each.value), default.wss_port)
      bind      = local.bind
      zero      = "unknown"
      advertise = local.told
      exposure  = "public"
      assigned  = ["443"]
    }

    listen "bin" {
      purpose  = "OpenSIPS cluster"
      for_each = local.proto == "bin" ? local.moved : []
      protocol = ["tcp"]
      port     = port(first(local.place.port, each.value), default.bin_port)
      bind     = local.bind
      zero     = "unknown"
      exposure = "internal"
    }

    listen "bins" {
      purpose  = "OpenSIPS cluster over TLS"
      for_each = local.proto == "bins" ? local.moved : []
      protocol = ["tcp"]
      port     = port(first(local.place.port, each.value), default.bins_port)
      bind     = local.bind
      zero     = "unknown"
      exposure = "internal"
    }

    listen "hep" {
      purpose  = "HEP capture"
      for_each = contains(["hep_udp", "hep_tcp", "hep_tls"], local.proto) ? local.moved : []
      protocol = local.proto == "hep_udp" ? ["udp"] : ["tcp"]
      port     = port(first(local.place.port, each.value), default.hep_port)
      bind     = local.bind
      zero     = "unknown"
      exposure = "internal"
    }
  }

  listen "httpd" {
    purpose   = "OpenSIPS HTTP management"
    for_each  = !local.httpd ? [] : length(local.httpd_port) > 0 ? local.httpd_port : [null]
    protocol  = ["tcp"]
    port      = port(each.value, default.httpd_port)
    bind      = length(local.httpd_ip) > 0 ? local.httpd_ip : ["0.0.0.0"]
    zero      = "unknown"
    unguarded = local.commands ? "whoever gets there controls OpenSIPS: its commands ask for no log-in" : null
    exposure  = "admin"
  }

  # https://opensips.org/html/docs/modules/devel/rtpengine.html#param_rtpengine_sock
  connect "rtpengine" {
    purpose  = "rtpengine (NG control protocol)"
    for_each = local.rtpengine
    protocol = ["udp"]
    peer     = trim_suffix(trim_prefix(each.value[0], "["), "]")
    port     = port(each.value[1], null)
    to       = ["rtpengine.ng"]
  }

  # https://opensips.org/html/docs/modules/devel/rtpproxy.html#param_rtpproxy_sock
  connect "rtpproxy" {
    purpose  = "RTPproxy"
    for_each = local.rtpproxy
    protocol = ["udp"]
    peer     = trim_suffix(trim_prefix(each.value[0], "["), "]")
    port     = port(each.value[1], null)
    to       = ["rtpproxy.control"]
  }

  lint "not-claimed" {
    when     = first([for s in concat(local.sockets, ["none"]) : first(concat(match("(?i)^((?:sctp|smpp|msrps?|ipsec):.*)$", s), [null])...)]...) != null
    severity = "warning"
    message  = "a socket of SCTP, SMPP, MSRP or IPsec is not claimed: its port is not counted"
    help     = "open its port in the firewall by hand"
  }

  test "sockets" {
    input  = <<-EOT
      socket=udp:192.0.2.1:5070 as 198.51.100.1:5080
      socket = tls:eth0
      socket=wss:192.0.2.1:8443
      socket=udp:*
      socket=ws:192.0.2.1
      loadmodule "proto_udp.so"
      modparam("rtpengine", "rtpengine_sock", "udp:127.0.0.1:2223")
    EOT
    expect = ["sip udp 192.0.2.1 5070 config advertises 198.51.100.1 L1", "sips tcp eth0 5061 default L2", "wss tcp 192.0.2.1 8443 config L3", "sip udp * 5060 default L4", "ws tcp 192.0.2.1 80 default L5", "rtpengine udp -> 127.0.0.1 2223 config L7"]
  }

  test "a module moves the default" {
    input = <<-EOT
      socket=udp:192.0.2.1
      socket=tcp:192.0.2.1
      socket=udp:192.0.2.1:5071
      socket=hep_udp:192.0.2.1
      loadmodule "proto_udp.so"
      modparam("proto_udp", "udp_port", 5070)
      modparam("proto_hep", "hep_port", 9070)
    EOT
    expect = [
      "sip udp 192.0.2.1 5070 config L6", "sip tcp 192.0.2.1 5060 default L2", "sip udp 192.0.2.1 5071 config L3",
      "hep udp 192.0.2.1 9070 config L7",
    ]
  }

  test "the HTTP interface" {
    input  = <<-EOT
      loadmodule "/usr/lib/opensips/modules/httpd.so"
      modparam("httpd", "ip", "127.0.0.1")
      modparam("httpd", "port", 8890)
      route {
        socket("udp:192.0.2.9:5099");
      }
    EOT
    expect = ["httpd tcp 127.0.0.1 8890 config L3"]
  }

  test "the module is not loaded" {
    input  = <<-EOT
      socket=hep_udp:192.0.2.1
      socket=hep_tcp:192.0.2.1:9062
      socket=bins:192.0.2.1
      socket=sctp:192.0.2.1:5060
      #loadmodule "httpd.so"
      loadmodule "mi_http.so"
      modparam("httpd", "port", 8890)
    EOT
    expect = ["hep udp 192.0.2.1 9060 default L1", "hep tcp 192.0.2.1 9062 config L2", "bins tcp 192.0.2.1 5556 default L3"]
  }
}
