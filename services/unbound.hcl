# Unbound, a resolver. Without an interface it serves this host only. Which protocol a port speaks
# is decided by its number: tls-port and https-port take no UDP (services/listen_dnsport.c); releases such as
# 1.17.1 of Debian 12 take plain UDP there too, and no file tells the release. Whether
# it was built with QUIC no file tells: UDP on quic-port is claimed where somebody wrote the option.

service "unbound" {
  title     = "Unbound"
  platforms = ["linux", "freebsd", "openbsd", "netbsd", "macos", "windows-server"]
  cites     = ["https://github.com/NLnetLabs/unbound/blob/7fb79b0677a03d6922c29880854e8fdeb271679e/doc/unbound.conf.rst", "https://github.com/NLnetLabs/unbound/blob/7fb79b0677a03d6922c29880854e8fdeb271679e/services/listen_dnsport.c#L1297"]

  file "conf" {
    format = "lines"
    paths = {
      linux   = ["/etc/unbound/unbound.conf"]
      windows = ["C:/Program Files/Unbound/service.conf"]
    }
    accept = has("server") || has("remote-control") || has("forward-zone") || has("stub-zone") || has("auth-zone")
    dialect {
      comments   = "#"
      inline     = "#"
      delimiters = ":"
      quotes     = "\"'"
      bare       = "empty"
      opens      = ["server", "stub-zone", "forward-zone", "auth-zone", "view", "python", "remote-control", "dnscrypt", "cachedb", "ipset", "dnstap", "dynlib", "rpz"]
      include "include" {
        need   = "nothing"
        inside = true
      }
      include "include-toplevel" {
        need = "nothing"
      }
    }
  }

  default "port" {
    setting = "port"
    case {
      value = 53
      cites = ["https://github.com/NLnetLabs/unbound/blob/7fb79b0677a03d6922c29880854e8fdeb271679e/doc/unbound.conf.rst#L272"]
    }
  }

  default "tls" {
    setting = "tls-port"
    case {
      value = 853
      cites = ["https://github.com/NLnetLabs/unbound/blob/7fb79b0677a03d6922c29880854e8fdeb271679e/doc/unbound.conf.rst#L1084"]
    }
  }

  default "https" {
    setting = "https-port"
    case {
      value = 443
      cites = ["https://github.com/NLnetLabs/unbound/blob/7fb79b0677a03d6922c29880854e8fdeb271679e/doc/unbound.conf.rst#L1227"]
    }
  }

  default "control" {
    setting = "control-port"
    case {
      value = 8953
      cites = ["https://github.com/NLnetLabs/unbound/blob/7fb79b0677a03d6922c29880854e8fdeb271679e/util/config_file.c#L317"]
    }
  }

  locals {
    v4  = truthy(value("server/do-ip4"), true)
    v6  = truthy(value("server/do-ip6"), true)
    udp = truthy(value("server/do-udp"), true)
    tcp = truthy(value("server/do-tcp"), true) && number(value("server/incoming-num-tcp"), 10) > 0

    # "interface-automatic" takes the place of the interfaces, and needs UDP.
    automatic = truthy(value("server/interface-automatic"), false) && local.udp
    extra     = [for p in items(text(value("server/interface-automatic-ports"), ""), " ") : p if local.automatic]
    named     = concat(values("server/interface"), values("server/ip-address"))
    usual     = local.automatic ? ["0.0.0.0", "::"] : ["127.0.0.1", "::1"]
    where     = length(local.named) > 0 && !local.automatic ? local.named : local.usual
    served    = [for a in local.where : a if length(match("^[^@]*(:)", a)) > 0 ? local.v6 : local.v4]
    port      = port(value("server/port"), default.port)
    tls       = concat([port(first(value("server/tls-port"), value("server/ssl-port")), default.tls)], [for p in concat(values("server/tls-additional-port"), values("server/ssl-additional-port")) : port(p, null)])
    https     = port(value("server/https-port"), default.https)
    quic      = port(value("server/quic-port"), 0)
  }

  each "address" {
    for_each = local.served
    locals {
      bind   = match("^([^@]*)", each.value)
      number = port(first(match("@(.*)", each.value)...), local.port)

      # Beside each other, DNS over TLS and over QUIC are on one number.
      encrypted = contains(local.tls, local.number) || local.number == local.https
      doq       = local.quic > 0 && local.number == local.quic
    }

    listen "dns" {
      for_each = length(local.extra) > 0 ? [] : ["x"]
      purpose  = local.number == local.https ? "DNS over HTTPS" : local.encrypted ? "DNS over TLS" : "DNS"
      protocol = concat(local.udp && !local.encrypted && !local.doq ? ["udp"] : [], local.tcp && (local.encrypted || !local.doq) ? ["tcp"] : [])
      port     = local.number
      bind     = local.bind
      v6only   = true
      exposure = "public"
      assigned = ["53", "853", "443"]
    }

    listen "quic" {
      for_each = local.doq && local.udp && length(local.extra) == 0 ? ["x"] : []
      purpose  = "DNS over QUIC"
      protocol = ["udp"]
      port     = local.number
      bind     = local.bind
      v6only   = true
      exposure = "public"
      assigned = ["853"]
    }

    listen "automatic" {
      for_each = local.extra
      purpose  = "DNS on all interfaces"
      protocol = concat(local.udp && !contains(local.tls, port(each.value, null)) && port(each.value, null) != local.https ? ["udp"] : [], local.tcp ? ["tcp"] : [])
      port     = port(each.value, null)
      bind     = local.bind
      v6only   = true
      exposure = "public"
      assigned = ["53", "853", "443"]
    }
  }

  listen "control" {
    purpose  = "remote control by unbound-control"
    protocol = ["tcp"]
    when     = truthy(value("remote-control/control-enable"), false)
    for_each = length(values("remote-control/control-interface")) > 0 ? [for a in values("remote-control/control-interface") : a if !starts_with(a, "/")] : concat(local.v4 ? ["127.0.0.1"] : [], local.v6 ? ["::1"] : [])
    port     = port(value("remote-control/control-port"), default.control)
    bind     = [each.value]
    v6only   = true
    exposure = "admin"
    assigned = ["8953"]
  }

  each "zone" {
    for_each = concat(find("forward-zone"), find("stub-zone"))
    locals {
      over_tls  = truthy(first(value(each.value, "forward-tls-upstream"), value(each.value, "stub-tls-upstream"), value("server/tls-upstream")), false)
      addresses = concat(values(each.value, "forward-addr"), values(each.value, "stub-addr"))
    }

    connect "upstream" {
      for_each = local.over_tls ? [] : local.addresses
      purpose  = "a server that is asked"
      protocol = ["udp", "tcp"]
      peer     = match("^([^@#]*)", each.value)[0]
      port     = port(first(match("@([0-9]+)", each.value)...), default.port)
    }

    connect "upstream-tls" {
      for_each = local.over_tls ? local.addresses : []
      purpose  = "a server that is asked over TLS"
      protocol = ["tcp"]
      peer     = match("^([^@#]*)", each.value)[0]
      port     = port(first(match("@([0-9]+)", each.value)...), default.tls)
    }
  }

  test "one family" {
    input = <<-EOT
      server:
        do-ip4: no
      remote-control:
        control-enable: yes
    EOT
    expect = [
      "control tcp ::1 8953 default",
      "dns tcp ::1 53 default",
      "dns udp ::1 53 default",
    ]
  }

  test "nothing written" {
    input = "# interface: 192.0.2.1\nserver:\n"
    expect = [
      "dns tcp 127.0.0.1 53 default",
      "dns tcp ::1 53 default",
      "dns udp 127.0.0.1 53 default",
      "dns udp ::1 53 default",
    ]
  }

  test "addresses and ports" {
    input = <<-EOT
      server:
        interface: 192.0.2.1@5301
        interface: 192.0.2.2
        ip-address: "2001:db8::2" # in quotes
        port: 5300
    EOT
    expect = [
      "dns tcp 192.0.2.1 5301 config L2",
      "dns tcp 192.0.2.2 5300 config L5",
      "dns tcp 2001:db8::2 5300 config L5",
      "dns udp 192.0.2.1 5301 config L2",
      "dns udp 192.0.2.2 5300 config L5",
      "dns udp 2001:db8::2 5300 config L5",
    ]
  }

  test "encrypted, and without UDP elsewhere" {
    input = <<-EOT
      server:
          interface: 192.0.2.1@853
          interface: 192.0.2.1@8443
          interface: 192.0.2.1@8853
          interface: 192.0.2.1@8854
          https-port: 8443
          tls-additional-port: 8853
          quic-port: 8854
          interface: 192.0.2.1
          do-udp: yes
    EOT
    expect = [
      "dns tcp 192.0.2.1 53 default",
      "dns tcp 192.0.2.1 8443 config L3",
      "dns tcp 192.0.2.1 853 config L2",
      "dns tcp 192.0.2.1 8853 config L4",
      "dns udp 192.0.2.1 53 default",
      "quic udp 192.0.2.1 8854 config L5",
    ]
  }

  test "one family and one protocol" {
    input = "server:\n  do-ip6: no\n  do-udp: no\n  interface: 192.0.2.7\n  interface: 2001:db8::7\n"
    expect = [
      "dns tcp 192.0.2.7 53 default",
    ]
  }

  test "automatic" {
    input = "server:\n  interface-automatic: yes\n  interface-automatic-ports: \"5310 853\"\n  interface: 192.0.2.7\n"
    expect = [
      "automatic tcp 0.0.0.0 5310 config L3",
      "automatic tcp 0.0.0.0 853 config L3",
      "automatic tcp :: 5310 config L3",
      "automatic tcp :: 853 config L3",
      "automatic udp 0.0.0.0 5310 config L3",
      "automatic udp :: 5310 config L3",
    ]
  }

  test "control, and servers that are asked" {
    input = <<-EOT
      server:
        interface: 127.0.0.1
      remote-control:
        control-enable: yes
        control-interface: 192.0.2.3
        control-interface: /run/unbound.ctl
        control-port: 8954
      forward-zone:
        name: "."
        forward-addr: 192.0.2.53
        forward-addr: 192.0.2.54@5353#dns.example
      stub-zone:
        name: "acme.example"
        stub-addr: 2001:db8::53
        stub-tls-upstream: yes
    EOT
    expect = [
      "control tcp 192.0.2.3 8954 config L7",
      "dns tcp 127.0.0.1 53 default",
      "dns udp 127.0.0.1 53 default",
      "upstream tcp -> 192.0.2.53 53 default",
      "upstream tcp -> 192.0.2.54 5353 config L11",
      "upstream udp -> 192.0.2.53 53 default",
      "upstream udp -> 192.0.2.54 5353 config L11",
      "upstream-tls tcp -> 2001:db8::53 853 default",
    ]
  }
}
