# Kamailio. A file of listeners that kamailio.cfg includes can be named alone. Claims are of
# TCP and UDP: a socket of SCTP is a finding.

service "kamailio" {
  title     = "Kamailio"
  platforms = ["linux"]
  runs      = ["kamailio.service"]
  cites     = ["https://www.kamailio.org/wikidocs/cookbooks/devel/core/"]

  file "conf" {
    format = "kamailio"
    accept = has("loadmodule") || has("listen") || has("socket/bind")
    paths = {
      linux = ["/etc/kamailio/kamailio.cfg", "/usr/local/etc/kamailio/kamailio.cfg", "/etc/kamailio_*/kamailio.cfg"]
    }
    samples = [
      "/kamailio-minimal*.cfg", "/xhttp.cfg",
      "/pcscf.cfg", "/icscf.cfg", "/scscf.cfg", "/listeners.cfg", "/kamailio-local.cfg", # parts that are included
    ]
  }

  file "container" {
    format = "compose"
    images = ["kamailio*"]
  }

  default "port" {
    setting = "port"
    case {
      value = 5060
      cites = ["https://github.com/kamailio/kamailio/blob/38711a3e788de0130d48cb485578c482b57d9351/src/core/config.h#L41"]
    }
  }

  default "tls_port" {
    setting = "tls_port_no"
    case {
      value = 5061
      cites = ["https://github.com/kamailio/kamailio/blob/38711a3e788de0130d48cb485578c482b57d9351/src/core/config.h#L42"]
    }
  }

  default "ipsec_client_port" {
    setting = "ipsec_client_port"
    case {
      value = 5062
      cites = ["https://github.com/kamailio/kamailio/blob/38711a3e788de0130d48cb485578c482b57d9351/src/modules/ims_ipsec_pcscf/ims_ipsec_pcscf_mod.c", "https://www.kamailio.org/docs/modules/devel/modules/ims_ipsec_pcscf.html"]
    }
  }

  default "ipsec_server_port" {
    setting = "ipsec_server_port"
    case {
      value = 5063
      cites = ["https://github.com/kamailio/kamailio/blob/38711a3e788de0130d48cb485578c482b57d9351/src/modules/ims_ipsec_pcscf/ims_ipsec_pcscf_mod.c", "https://www.kamailio.org/docs/modules/devel/modules/ims_ipsec_pcscf.html"]
    }
  }

  default "ipsec_max_connections" {
    setting = "ipsec_max_connections"
    case {
      value = 2
      cites = ["https://github.com/kamailio/kamailio/blob/38711a3e788de0130d48cb485578c482b57d9351/src/modules/ims_ipsec_pcscf/ims_ipsec_pcscf_mod.c", "https://www.kamailio.org/docs/modules/devel/modules/ims_ipsec_pcscf.html"]
    }
  }

  default "ctl_port" {
    setting = "binrpc"
    case {
      value = 2049
      cites = ["https://www.kamailio.org/docs/modules/devel/modules/ctl.html#ctl.p.binrpc"]
    }
  }

  locals {
    protocols = ["udp", "tcp", "tls", "sctp"]
    # Words of "listen" are sockets, but not those behind "advertise" and "name".
    lists   = [for n in find("listen") : args(n)]
    listed  = flatten([for l in local.lists : [for i, w in l : w if !contains(["advertise", "name", "virtual"], lower(w)) && (i == 0 ? true : !contains(["advertise", "name"], lower(l[max(i - 1, 0)])))]])
    sockets = concat(local.listed, values("socket/bind"))
    # What clients are told of a socket, and of those of which nothing else is said.
    advertised = concat(
      flatten([for l in local.lists : [for i, w in l : { socket = l[0], at = hostport(w).host } if i > 0 && lower(l[max(i - 1, 0)]) == "advertise"]]),
      [for s in find("socket") : { socket = value(s, "bind"), at = hostport(value(s, "advertise")).host } if has(s, "advertise")],
    )
    outside = values("advertised_address")

    tcp  = !truthy(value("disable_tcp"), false)
    tls  = truthy(first(value("enable_tls"), value("tls_enable")), false)
    port = port(value("port"), default.port)
    # https://www.kamailio.org/wikidocs/cookbooks/devel/core/#auto_bind_ipv6
    everywhere = truthy(value("auto_bind_ipv6"), false) ? "*" : "0.0.0.0"
    # Without a module there is no SIP: then it is only a part of a configuration.
    alone = length(local.sockets) == 0 && has("loadmodule")

    params  = [for n in find("modparam") : args(n)]
    modules = [for n in find("loadmodule") : args(n)[0] if length(args(n)) > 0]
    ipsec   = length([for m in local.modules : m if length(match("^(?:.*/)?(ims_ipsec_pcscf)(?:[.]so)?$", m)) > 0]) > 0
    ctl     = [for p in local.params : p[2] if length(p) == 3 && p[0] == "ctl" && p[1] == "binrpc" && length(match("^(tcp|udp):", p[2])) > 0]
    rpc     = [for p in local.params : p[2] if length(p) == 3 && p[0] == "jsonrpcs" && p[1] == "dgram_socket" && length(match("^(udp):", p[2])) > 0]

    # Sockets of media relays, "1 == udp:localhost:2223=2 udp:localhost:2224": a set in front,
    # weights behind, and what is no UDP is a socket of UNIX or a web socket.
    relays    = [for p in local.params : p if length(p) == 3 && contains(["rtpengine_sock", "rtpproxy_sock"], p[1])]
    rtpengine = [for m in [for w in flatten([for p in local.relays : items(p[2], " ") if p[1] == "rtpengine_sock"]) : match("^udp6?:(\\[[^]]*\\]|[^:=]+):([0-9]+)", w)] : m if length(m) == 2]
    rtpproxy  = [for m in [for w in flatten([for p in local.relays : items(p[2], " ") if p[1] == "rtpproxy_sock"]) : match("^udp6?:(\\[[^]]*\\]|[^:=]+):([0-9]+)", w)] : m if length(m) == 2]
  }

  # Without a socket there is one for each local address, of IPv4 unless told otherwise:
  # fix_all_socket_lists() of src/core/socket_info.c.
  listen "sip-default" {
    purpose   = "SIP"
    for_each  = local.alone ? ["default"] : []
    protocol  = local.tcp ? ["udp", "tcp"] : ["udp"]
    port      = local.port
    bind      = [local.everywhere]
    zero      = "unknown"
    advertise = local.outside
    exposure  = "public"
    assigned  = ["5060"]
  }

  listen "sips-default" {
    purpose   = "SIP over TLS"
    for_each  = local.alone ? ["default"] : []
    when      = local.tls && local.tcp
    protocol  = ["tcp"]
    port      = port(value("tls_port_no"), default.tls_port)
    bind      = [local.everywhere]
    zero      = "unknown"
    advertise = local.outside
    exposure  = "public"
    assigned  = ["5061"]
  }

  each "socket" {
    for_each = local.sockets

    locals {
      parts = hostport(each.value)
      # "udp:eth0" is a protocol and an interface, not a host and a port.
      short = contains(local.protocols, lower(text(local.parts.host, "")))
      proto = lower(text(local.short ? local.parts.host : local.parts.scheme, "any"))
      place = local.short ? hostport(local.parts.port) : local.parts
      # "(a,b)" are the addresses of a multi-homed socket.
      hosts = items(local.place.host, "()[],")
      own   = [for a in local.advertised : a.at if a.socket == each.value]
      told  = length(local.own) > 0 ? local.own : local.outside
    }

    listen "sip" {
      purpose   = "SIP"
      for_each  = contains(["udp", "tcp", "any"], local.proto) ? [local.proto] : []
      when      = local.proto != "tcp" || local.tcp
      protocol  = local.proto == "any" ? (local.tcp ? ["udp", "tcp"] : ["udp"]) : [local.proto]
      port      = port(local.place.port, local.port)
      bind      = local.hosts
      zero      = "unknown"
      advertise = local.told
      exposure  = "public"
      assigned  = ["5060"]
    }

    listen "sips" {
      purpose   = "SIP over TLS"
      for_each  = local.proto == "tls" ? ["tls"] : []
      when      = local.tls
      protocol  = ["tcp"]
      port      = port(local.place.port, default.tls_port)
      bind      = local.hosts
      zero      = "unknown"
      advertise = local.told
      exposure  = "public"
      assigned  = ["5061"]
    }

    # A socket without a protocol is TLS too, on the next port: add_listen_socket() of
    # src/core/socket_info.c, line 1178.
    listen "sips-next" {
      purpose   = "SIP over TLS"
      for_each  = local.proto == "any" ? [local.proto] : []
      when      = local.tls && local.tcp
      protocol  = ["tcp"]
      port      = local.place.port == null ? default.tls_port : port(local.place.port, default.tls_port) + 1
      bind      = local.hosts
      advertise = local.told
      exposure  = "public"
      assigned  = ["5061"]
    }
  }

  # The module adds sockets of its own, as many as connections, for each of its addresses:
  # ipsec_add_listen_ifaces() of ims_ipsec_pcscf_mod.c.
  each "ipsec" {
    for_each = local.ipsec ? ["ims_ipsec_pcscf"] : []

    locals {
      settings  = values("modparam")
      addresses = flatten([for t in local.settings : match("^ims_ipsec_pcscf ipsec_listen_addr6? (.*)$", t)])
      clients   = flatten([for t in local.settings : match("^ims_ipsec_pcscf ipsec_client_port (.*)$", t)])
      servers   = flatten([for t in local.settings : match("^ims_ipsec_pcscf ipsec_server_port (.*)$", t)])
      counts    = flatten([for t in local.settings : match("^ims_ipsec_pcscf ipsec_max_connections (.*)$", t)])
      count     = length(local.counts) > 0 ? number(local.counts[length(local.counts) - 1], default.ipsec_max_connections) : default.ipsec_max_connections
    }

    listen "ipsec-client" {
      purpose  = "SIP in IPsec, client ports"
      for_each = length(local.addresses) > 0 ? ["client"] : []
      protocol = local.tcp ? ["udp", "tcp"] : ["udp"]
      first    = length(local.clients) > 0 ? port(local.clients[length(local.clients) - 1], default.ipsec_client_port) : default.ipsec_client_port
      count    = local.count
      bind     = local.addresses
      zero     = "unknown"
      exposure = "public"
    }

    listen "ipsec-server" {
      purpose  = "SIP in IPsec, server ports"
      for_each = length(local.addresses) > 0 ? ["server"] : []
      protocol = local.tcp ? ["udp", "tcp"] : ["udp"]
      first    = length(local.servers) > 0 ? port(local.servers[length(local.servers) - 1], default.ipsec_server_port) : default.ipsec_server_port
      count    = local.count
      bind     = local.addresses
      zero     = "unknown"
      exposure = "public"
    }
  }

  # https://www.kamailio.org/docs/modules/devel/modules/rtpengine.html#rtpengine.p.rtpengine_sock
  connect "rtpengine" {
    purpose  = "rtpengine (NG control protocol)"
    for_each = local.rtpengine
    protocol = ["udp"]
    peer     = trim_suffix(trim_prefix(each.value[0], "["), "]")
    port     = port(each.value[1], null)
    to       = ["rtpengine.ng"]
  }

  # https://www.kamailio.org/docs/modules/devel/modules/rtpproxy.html#rtpproxy.p.rtpproxy_sock
  connect "rtpproxy" {
    purpose  = "RTPproxy"
    for_each = local.rtpproxy
    protocol = ["udp"]
    peer     = trim_suffix(trim_prefix(each.value[0], "["), "]")
    port     = port(each.value[1], null)
    to       = ["rtpproxy.control"]
  }

  lint "no-claim-for-protocol" {
    when     = first([for s in concat(values("listen"), values("socket/bind"), ["none"]) : first(concat(match("(?i)(?:^|\\s)(sctp:\\S*)", s), [null])...)]...) != null
    severity = "warning"
    message  = "a socket of SCTP is not in the inventory, which is of TCP and UDP"
    help     = "look after it in the firewall yourself"
  }

  # https://www.kamailio.org/docs/modules/devel/modules/jsonrpcs.html#jsonrpcs.p.dgram_socket
  listen "jsonrpc" {
    purpose   = "Kamailio control (JSON-RPC)"
    for_each  = [for r in local.rpc : hostport(trim_prefix(r, "udp:"))]
    protocol  = ["udp"]
    port      = port(each.value.port, null)
    bind      = [text(each.value.host, "*")]
    zero      = "unknown"
    unguarded = "whoever gets there controls Kamailio: nothing asks for a log-in"
    exposure  = "admin"
  }

  each "ctl" {
    for_each = local.ctl

    locals {
      proto = lower(match("^(tcp|udp):", each.value)[0])
      rest  = match("^(?:tcp|udp):(.*)$", each.value)[0]
      parts = hostport(local.rest)
    }

    listen "ctl" {
      purpose   = "Kamailio control (binrpc)"
      protocol  = [local.proto]
      port      = port(local.parts.port, default.ctl_port)
      bind      = [text(local.parts.host, "*")]
      zero      = "unknown"
      unguarded = "whoever gets there controls Kamailio: nothing asks for a log-in"
      exposure  = "admin"
    }
  }

  test "media relays" {
    input = <<-EOT
      listen=udp:192.0.2.1:5060
      modparam("rtpengine", "rtpengine_sock", "1 == udp:localhost:2223=2 udp:192.0.2.9:2224=1")
      modparam("rtpengine", "rtpengine_sock", "udp6:[2001:db8::1]:2225")
      modparam("rtpproxy", "rtpproxy_sock", "unix:/run/rtpproxy/rtpproxy.sock udp:127.0.0.1:7722")
      modparam("rtpproxy", "rtpproxy_sock", RTPPROXY)
    EOT
    expect = [
      "sip udp 192.0.2.1 5060 config L1",
      "rtpengine udp -> localhost 2223 config L2",
      "rtpengine udp -> 192.0.2.9 2224 config L2",
      "rtpengine udp -> 2001:db8::1 2225 config L3",
      "rtpproxy udp -> 127.0.0.1 7722 config L4",
    ]
  }

  test "no socket" {
    input  = <<-EOT
      #!KAMAILIO
      # listen=udp:192.0.2.1:5070
      ##!define WITH_TLS
      #!ifdef WITH_TLS
      enable_tls=yes
      #!endif
      loadmodule "tm.so"
      request_route {
        forward("192.0.2.9", 5099);
      }
    EOT
    expect = ["sip-default udp 0.0.0.0 5060 default", "sip-default tcp 0.0.0.0 5060 default"]
  }

  test "sockets" {
    input = <<-EOT
      #!KAMAILIO
      #!define MY_IP "192.0.2.1"
      enable_tls=yes
      listen=udp:MY_IP:5070 advertise 198.51.100.1:5080 name "one"
      listen=tls:eth0
      listen=192.0.2.2:5090
      listen=udp:(192.0.2.3, 192.0.2.4):5062
      loadmodule "ctl.so"
      modparam("ctl", "binrpc", "unix:/run/kamailio/ctl")
      modparam("ctl", "binrpc", "tcp:127.0.0.1:2050")
    EOT
    expect = [
      "sip udp 192.0.2.1 5070 config advertises 198.51.100.1 L4", "sips tcp eth0 5061 default L5", "sip udp 192.0.2.2 5090 config L6", "sip tcp 192.0.2.2 5090 config L6",
      "sips-next tcp 192.0.2.2 5091 config L6", "sip udp 192.0.2.3,192.0.2.4 5062 config L7", "ctl tcp 127.0.0.1 2050 config L10",
    ]
  }

  test "sockets for IPsec" {
    input = <<-EOT
      listen=udp:192.0.2.1:5060
      loadmodule "ims_ipsec_pcscf.so"
      modparam("ims_ipsec_pcscf", "ipsec_listen_addr", "192.0.2.1")
      modparam("ims_ipsec_pcscf", "ipsec_client_port", 5200)
      modparam("ims_ipsec_pcscf", "ipsec_max_connections", 4)
    EOT
    expect = [
      "sip udp 192.0.2.1 5060 config L1",
      "ipsec-client udp 192.0.2.1 5200-5203 config L4", "ipsec-client tcp 192.0.2.1 5200-5203 config L4",
      "ipsec-server udp 192.0.2.1 5063-5066 default", "ipsec-server tcp 192.0.2.1 5063-5066 default",
    ]
  }

  test "IPsec without an address" {
    input  = <<-EOT
      disable_tcp=yes
      listen=udp:192.0.2.1:5060
      loadmodule "ims_ipsec_pcscf"
    EOT
    expect = ["sip udp 192.0.2.1 5060 config L2"]
  }

  test "a socket of SCTP" {
    input  = <<-EOT
      enable_sctp=yes
      listen=sctp:192.0.2.1:5070
      listen=udp:192.0.2.1:5070
    EOT
    expect = ["sip udp 192.0.2.1 5070 config L3"]
  }

  test "no TCP, another port" {
    input  = <<-EOT
      disable_tcp=yes
      port=5070
      loadmodule "tm.so"
    EOT
    expect = ["sip-default udp 0.0.0.0 5070 config L2"]
  }

  test "what is included is not there" {
    input  = <<-EOT
      include_file "listeners.cfg"
      loadmodule "tm.so"
    EOT
    expect = []
  }

  test "JSON-RPC over UDP" {
    input  = <<-EOT
      listen=udp:192.0.2.1:5060
      loadmodule "jsonrpcs.so"
      modparam("jsonrpcs", "dgram_socket", "udp:127.0.0.1:8091")
      modparam("jsonrpcs", "dgram_socket", "/run/kamailio/rpc.sock")
    EOT
    expect = ["sip udp 192.0.2.1 5060 config L1", "jsonrpc udp 127.0.0.1 8091 config L3"]
  }
}
