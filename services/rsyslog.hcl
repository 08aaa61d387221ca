# rsyslog. It receives what its inputs say, and sends on what its actions say. An input
# without its module or its port is an error to it and opens nothing: seen with 8.2302.0,
# though the manual names 514 as the port of imudp.

service "rsyslog" {
  title     = "rsyslog"
  platforms = ["linux", "freebsd"]
  cites     = ["https://www.rsyslog.com/doc/configuration/modules/idx_input.html", "https://www.rsyslog.com/doc/configuration/modules/omfwd.html"]

  file "conf" {
    format = "rsyslog"
    paths = {
      linux = ["/etc/rsyslog.conf", "/usr/local/etc/rsyslog.conf"]
    }
  }

  # Files that the first one usually includes, for when they are named alone.
  file "part" {
    format      = "rsyslog"
    accept      = has("module") || has("input") || has("action") || has("$*") || has("@*")
    common_name = true # many programs have a folder of parts
    paths = {
      linux = ["/etc/rsyslog.d/*.conf"]
    }
  }

  # Of a forwarding action.
  default "target" {
    setting = "port"
    case {
      value = 514
      cites = ["https://www.rsyslog.com/doc/v5-stable/omfwd.html"]
    }
  }

  default "relp" {
    setting = "port"
    case {
      value = 514
      cites = ["https://www.rsyslog.com/doc/reference/parameters/omrelp-port.html"]
    }
  }

  locals {
    # What the main file includes is in it; other files of the folder are named beside it.
    part    = file("part")
    whole   = has("*")
    inputs  = concat(find("input"), find(local.part, "input"))
    actions = concat(find("action"), find(local.part, "action"))
    legacy  = concat(find("$*ServerRun"), find(local.part, "$*ServerRun"))
    tcp     = concat(values("@@"), values(local.part, "@@"))
    udp     = concat(values("@"), values(local.part, "@"))
    relp    = concat(values(":omrelp:"), values(local.part, ":omrelp:"))

    # Some write the ending too: imtcp.so. A part alone does not load them.
    modules = concat(values("module/load"), values("$ModLoad"), values(local.part, "module/load"), values(local.part, "$ModLoad"))
    loaded  = [for m in local.modules : lower(trim_suffix(m, ".so"))]
  }

  each "legacy" {
    for_each = [for n in local.legacy : n if length(args(n)) > 0 && length(match("^(?i)[$](udp|inputtcp|inputptcp|inputrelp)serverrun$", name(n))) > 0]

    locals {
      kind = lower(match("^(?i)[$](?:input)?(.*)serverrun$", name(each.value))[0])
    }

    listen "legacy" {
      purpose  = "log messages"
      when     = !local.whole || contains(local.loaded, "im${local.kind}")
      protocol = local.kind == "udp" ? ["udp"] : ["tcp"]
      port     = port(args(each.value)[0], null)
      bind     = [for i, a in args(each.value) : a if i == 1 && a != "*"]
      zero     = "chosen"
      exposure = "internal"
      assigned = ["514", "601", "6514"]
      share    = "rsyslog"
    }
  }

  each "input" {
    for_each = [for i in local.inputs : i if length(match("^(?i)(imudp|imtcp|imptcp|imrelp)(?:[.]so)?$", value(i, "type"))) > 0]

    locals {
      module  = lower(trim_suffix(lower(value(each.value, "type")), ".so"))
      present = !local.whole || contains(local.loaded, local.module)
      ports   = values(each.value, "port")
      address = text(value(each.value, "address"), "*")
    }

    listen "input" {
      purpose  = "log messages"
      for_each = local.ports
      when     = local.present
      protocol = local.module == "imudp" ? ["udp"] : ["tcp"]
      port     = port(each.value, null)
      bind     = [local.address]
      zero     = "chosen"
      exposure = "internal"
      assigned = ["514", "601", "6514"]
      share    = "rsyslog"
    }
  }

  # HOST[:PORT], where a port may have a name.
  connect "tcp" {
    purpose  = "log server"
    for_each = [for h in [for t in local.tcp : hostport(t)] : h if h.port == null]
    protocol = ["tcp"]
    peer     = each.value.host
    port     = port(each.value.port, default.target)
  }

  connect "tcp-port" {
    purpose  = "log server"
    for_each = [for h in [for t in local.tcp : hostport(t)] : h if h.port != null]
    protocol = ["tcp"]
    peer     = each.value.host
    port     = port(first(numeric(each.value.port), service_port(each.value.port, "tcp")), null)
  }

  connect "udp" {
    purpose  = "log server"
    for_each = [for h in [for t in local.udp : hostport(t)] : h if h.port == null]
    protocol = ["udp"]
    peer     = each.value.host
    port     = port(each.value.port, default.target)
  }

  connect "udp-port" {
    purpose  = "log server"
    for_each = [for h in [for t in local.udp : hostport(t)] : h if h.port != null]
    protocol = ["udp"]
    peer     = each.value.host
    port     = port(first(numeric(each.value.port), service_port(each.value.port, "udp")), null)
  }

  connect "relp" {
    purpose  = "log server (RELP)"
    for_each = [for h in [for t in local.relp : hostport(t)] : h if h.port == null]
    protocol = ["tcp"]
    peer     = each.value.host
    port     = port(each.value.port, default.relp)
  }

  connect "relp-port" {
    purpose  = "log server (RELP)"
    for_each = [for h in [for t in local.relp : hostport(t)] : h if h.port != null]
    protocol = ["tcp"]
    peer     = each.value.host
    port     = port(first(numeric(each.value.port), service_port(each.value.port, "tcp")), null)
  }

  each "action" {
    for_each = [for a in local.actions : a if length(match("^(?i)(omfwd|omrelp)(?:[.]so)?$", value(a, "type"))) > 0]

    locals {
      over_relp = length(match("^(?i)(omrelp)", value(each.value, "type"))) > 0
      proto     = lower(text(value(each.value, "protocol"), "udp")) # of omfwd, without one
      said      = value(each.value, "port")
      port      = first(numeric(local.said), service_port(local.said, local.over_relp || local.proto == "tcp" ? "tcp" : "udp"))
    }

    connect "forward" {
      purpose  = local.over_relp ? "log server (RELP)" : "log server"
      for_each = local.said == null ? values(each.value, "target") : []
      protocol = local.over_relp || local.proto == "tcp" ? ["tcp"] : ["udp"]
      peer     = each.value
      port     = local.over_relp ? port(local.said, default.relp) : port(local.said, default.target)
    }

    connect "forward-port" {
      purpose  = local.over_relp ? "log server (RELP)" : "log server"
      for_each = local.said == null ? [] : values(each.value, "target")
      protocol = local.over_relp || local.proto == "tcp" ? ["tcp"] : ["udp"]
      peer     = each.value
      port     = port(local.port, null)
    }
  }

  test "inputs" {
    input = <<-EOT
      module(load="imudp")
      module(load="imtcp" MaxSessions="500")
      input(type="imudp" address="10.4.0.1" port=["1514", "1515"])
      input(type="imtcp"
            port="6514")
      input(type="imptcp" port="1516")
      #input(type="imtcp" port="1517")
      input(type="imudp")
      input(type="imfile" file="/var/log/calls.log" tag="calls")
    EOT
    expect = [
      "input udp 10.4.0.1 1514 config L3", "input udp 10.4.0.1 1515 config L3", "input tcp * 6514 config L5",
    ]
  }

  test "the old way" {
    input  = <<-EOT
      $ModLoad imudp
      $UDPServerAddress 127.0.0.1
      $UDPServerRun 1514
      #$ModLoad imtcp
      $InputTCPServerRun 1514
      $ModLoad imrelp.so
      $InputRELPServerRun 2514
    EOT
    expect = ["legacy udp 127.0.0.1 1514 config L3", "legacy tcp * 2514 config L7"]
  }

  test "where messages go" {
    role  = "part"
    input = <<-EOT
      *.* @@(o)log.calls.example:6514;RSYSLOG_ForwardFormat
      mail.* @192.0.2.9
      local0.* :omrelp:192.0.2.9:2515
      if $programname == "asterisk" then {
        action(type="omfwd" target="192.0.2.8" port="1519" protocol="tcp")
      }
      *.* /var/log/all
    EOT
    expect = [
      "tcp-port tcp -> log.calls.example 6514 config L1", "udp udp -> 192.0.2.9 514 default L2",
      "relp-port tcp -> 192.0.2.9 2515 config L3", "forward-port tcp -> 192.0.2.8 1519 config L5",
    ]
  }

  test "a part beside the main file" {
    files = {
      conf = "module(load=\"imudp\")\ninput(type=\"imudp\" port=\"1514\")\n"
      part = "module(load=\"imtcp\")\ninput(type=\"imtcp\" port=\"1515\")\n"
    }
    expect = ["input udp * 1514 config L2", "input tcp * 1515 config L2"]
  }

  test "names of ports, and no port" {
    input  = <<-EOT
      module(load="imtcp")
      input(type="imtcp" port="0" listenPortFileName="/run/port")
      *.* @@log.example:nobody-knows
      action(type="omfwd" target="192.0.2.8" port="nobody-knows")
      action(type="omfwd" target="192.0.2.9")
    EOT
    expect = ["forward udp -> 192.0.2.9 514 default"]
  }

  test "nothing but files" {
    input  = <<-EOT
      module(load="imuxsock")
      *.info;mail.none /var/log/messages
    EOT
    expect = []
  }
}
