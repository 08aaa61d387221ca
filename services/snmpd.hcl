# Net-SNMP's agent.

service "snmpd" {
  title     = "Net-SNMP agent"
  platforms = ["linux", "freebsd", "macos"]
  cites     = ["http://www.net-snmp.org/docs/man/snmpd.conf.html", "http://www.net-snmp.org/docs/man/snmpd.html"]

  file "conf" {
    format  = "snmpd"
    accept  = has("agent*") || has("com2sec*") || has("ro*") || has("rw*") || has("view") || has("access") || has("sys*") || has("master*") || has("trap*") || has("create*") || has("extend*") || has("include*") || !has("*")
    samples = ["/EXAMPLE.conf"]
    paths = {
      linux = ["/etc/snmp/snmpd.conf", "/usr/local/etc/snmp/snmpd.conf"]
    }
  }

  default "port" {
    setting = "agentAddress"
    case {
      value = 161
      cites = ["http://www.net-snmp.org/docs/man/snmpd.html", "https://github.com/net-snmp/net-snmp/blob/f9374e9bf0a7e0cc9514edf38ea49a9fa77aab4a/EXAMPLE.conf.def#L15"]
    }
  }

  default "trap_port" {
    setting = "trapsink"
    case {
      value = 162
      cites = ["http://www.net-snmp.org/docs/man/snmpd.conf.html"]
    }
  }

  locals {
    # Each line is a list, and lines add up.
    addresses = flatten([for a in values("agentAddress") : items(a, ",")])
    # Behind a transport, or alone for UDP: a port, an address, or both. A path is a socket
    # in the file system. A transport is of one family, and so is localhost for it.
    bare   = [for a in local.addresses : a if length(match("^((?i:tcp|udp|unix|ssh|ipx|dtls|tls|alias|std|aal5)[a-z0-9]*:|/)", a)) == 0]
    udp4   = concat(local.bare, flatten([for a in local.addresses : match("^(?i:udp):([^/]+)$", a)]))
    udp6   = flatten([for a in local.addresses : match("^(?i:udp6|udpv6|udpipv6):([^/]+)$", a)])
    tcp4   = flatten([for a in local.addresses : match("^(?i:tcp):([^/]+)$", a)])
    tcp6   = flatten([for a in local.addresses : match("^(?i:tcp6|tcpv6|tcpipv6):([^/]+)$", a)])
    agentx = flatten([for a in items(value("agentXSocket"), ",") : match("^(?i:tcp):([^/]+)$", a)])
  }

  listen "snmp-default" {
    purpose  = "SNMP"
    when     = length(local.addresses) == 0
    protocol = ["udp"]
    port     = port(value("agentAddress"), default.port)
    bind     = ["0.0.0.0"]
    exposure = "admin"
    assigned = ["161"]
  }

  listen "snmp" {
    purpose  = "SNMP"
    for_each = local.udp4
    protocol = ["udp"]
    port     = port(hostport(each.value).port, default.port)
    bind     = [lower(text(hostport(each.value).host, "0.0.0.0")) == "localhost" ? "127.0.0.1" : text(hostport(each.value).host, "0.0.0.0")]
    exposure = "admin"
    assigned = ["161"]
  }

  listen "snmp-v6" {
    purpose  = "SNMP over IPv6"
    for_each = local.udp6
    protocol = ["udp"]
    port     = port(hostport(each.value).port, default.port)
    bind     = [lower(text(hostport(each.value).host, "::")) == "localhost" ? "::1" : text(hostport(each.value).host, "::")]
    v6only   = true
    exposure = "admin"
    assigned = ["161"]
  }

  listen "snmp-tcp" {
    purpose  = "SNMP over TCP"
    for_each = local.tcp4
    protocol = ["tcp"]
    port     = port(hostport(each.value).port, default.port)
    bind     = [lower(text(hostport(each.value).host, "0.0.0.0")) == "localhost" ? "127.0.0.1" : text(hostport(each.value).host, "0.0.0.0")]
    exposure = "admin"
    assigned = ["161"]
  }

  listen "snmp-tcp-v6" {
    purpose  = "SNMP over TCP and IPv6"
    for_each = local.tcp6
    protocol = ["tcp"]
    port     = port(hostport(each.value).port, default.port)
    bind     = [lower(text(hostport(each.value).host, "::")) == "localhost" ? "::1" : text(hostport(each.value).host, "::")]
    v6only   = true
    exposure = "admin"
    assigned = ["161"]
  }

  # The socket of subagents is a path unless somebody says otherwise.
  listen "agentx" {
    purpose  = "AgentX for subagents"
    for_each = value("master") == null ? [] : local.agentx
    protocol = ["tcp"]
    port     = port(hostport(each.value).port, null)
    bind     = [lower(text(hostport(each.value).host, "0.0.0.0")) == "localhost" ? "127.0.0.1" : text(hostport(each.value).host, "0.0.0.0")]
    exposure = "internal"
    assigned = ["705"]
  }

  # trapsink HOST [COMMUNITY [PORT]]
  each "trap" {
    for_each = [for n in concat(find("trapsink"), find("trap2sink"), find("informsink")) : args(n) if length(args(n)) > 0]

    locals {
      source = each.value[0]
      last   = length(each.value) > 2 ? each.value[2] : null
      parts  = match("^(?:(?i:udp6?|tcp6?):)?(\\[[^]]*\\]|[^:/]+)(?::([0-9]+))?$", each.value[0])
    }

    connect "trap" {
      purpose  = "receiver of traps"
      for_each = length(local.parts) > 0 ? [local.parts] : []
      protocol = starts_with(lower(local.source), "tcp") ? ["tcp"] : ["udp"]
      peer     = each.value[0]
      port     = port(first(each.value[1], local.last), default.trap_port)
    }
  }

  test "nothing written" {
    input  = "rocommunity calls 10.0.0.0/8\n"
    expect = ["snmp-default udp 0.0.0.0 161 default"]
  }

  test "receivers of traps" {
    input = <<-EOT
      agentaddress 1161
      trapsink traps.example secret
      trap2sink tcp:192.0.2.9:1162
      informsink 192.0.2.8 secret 1163
    EOT
    expect = [
      "snmp udp 0.0.0.0 1161 config L1", "trap udp -> traps.example 162 default", "trap tcp -> 192.0.2.9 1162 config L3",
      "trap udp -> 192.0.2.8 1163 config L4",
    ]
  }

  test "lists and transports" {
    input = <<-EOT
      agentaddress 10.6.0.1,udp:10.6.0.2:1161,1162
      agentAddress udp6:[::1]:161,tcp:1163,unix:/run/snmpd.sock
    EOT
    expect = [
      "snmp udp 10.6.0.1 161 default L1",
      "snmp udp 10.6.0.2 1161 config L1",
      "snmp udp 0.0.0.0 1162 config L1",
      "snmp-v6 udp ::1 161 config L2",
      "snmp-tcp tcp 0.0.0.0 1163 config L2",
    ]
  }

  test "localhost is of the transport's family" {
    input = <<-EOT
      agentaddress udp:localhost:1161,udp6:localhost:1162
      master agentx
      agentXSocket tcp:localhost:7050,/run/agentx
    EOT
    expect = [
      "snmp udp 127.0.0.1 1161 config L1",
      "snmp-v6 udp ::1 1162 config L1",
      "agentx tcp 127.0.0.1 7050 config L3",
    ]
  }
}
