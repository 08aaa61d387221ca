# coturn. The same file means other ports in other releases, and no file says the release:
# people choose it.

service "coturn" {
  title     = "coturn TURN server"
  platforms = ["linux", "freebsd", "macos"]
  runs      = ["coturn.service"]
  cites     = ["https://github.com/coturn/coturn/blob/8024aa634eb52ecff80d7fd88ebc444ca1dc9381/examples/etc/turnserver.conf"]

  file "conf" {
    format = "coturn"
    paths = {
      linux = ["/etc/turnserver.conf", "/etc/coturn/turnserver.conf", "/usr/local/etc/turnserver.conf"]
    }
  }

  file "container" {
    format  = "compose"
    images  = ["coturn"]
    options = { "-p" = "listening-port", "-L" = "listening-ip", "-E" = "relay-ip", "-X" = "external-ip" }
  }

  option "release" {
    title   = "the release of coturn, which decides what runs without being asked for"
    default = "4.17"
    choice "4.17" {
      value = 17
      note  = "DTLS only with dtls"
      cites = ["https://github.com/coturn/coturn/blob/8024aa634eb52ecff80d7fd88ebc444ca1dc9381/examples/etc/turnserver.conf#L526"]
    }
    choice "4.10" {
      value = 10
      note  = "DTLS unless no-dtls, command line interface only with cli"
    }
    choice "4.7" {
      value = 7
      note  = "DTLS unless no-dtls, command line interface unless no-cli"
    }
    choice "4.6" {
      value = 6
      note  = "like 4.7, and RFC 5780 unless no-rfc5780"
    }
  }

  default "listening-port" {
    setting = "listening-port"
    case {
      value = 3478
      cites = ["https://github.com/coturn/coturn/blob/8024aa634eb52ecff80d7fd88ebc444ca1dc9381/examples/etc/turnserver.conf#L14"]
    }
  }

  default "tls-listening-port" {
    setting = "tls-listening-port"
    case {
      value = 5349
      cites = ["https://github.com/coturn/coturn/blob/8024aa634eb52ecff80d7fd88ebc444ca1dc9381/examples/etc/turnserver.conf#L20"]
    }
  }

  default "min-port" {
    setting = "min-port"
    case {
      value = 49152
      cites = ["https://github.com/coturn/coturn/blob/8024aa634eb52ecff80d7fd88ebc444ca1dc9381/examples/etc/turnserver.conf#L176"]
    }
  }

  default "max-port" {
    setting = "max-port"
    case {
      value = 65535
      cites = ["https://github.com/coturn/coturn/blob/8024aa634eb52ecff80d7fd88ebc444ca1dc9381/examples/etc/turnserver.conf#L176"]
    }
  }

  default "prometheus-port" {
    setting = "prometheus-port"
    case {
      value = 9641
      cites = ["https://github.com/coturn/coturn/blob/8024aa634eb52ecff80d7fd88ebc444ca1dc9381/examples/etc/turnserver.conf#L308"]
    }
  }

  default "cli-port" {
    setting = "cli-port"
    case {
      value = 5766
      cites = ["https://github.com/coturn/coturn/blob/8024aa634eb52ecff80d7fd88ebc444ca1dc9381/examples/etc/turnserver.conf#L869"]
    }
  }

  default "web-admin-port" {
    setting = "web-admin-port"
    case {
      value = 8080
      cites = ["https://github.com/coturn/coturn/blob/8024aa634eb52ecff80d7fd88ebc444ca1dc9381/examples/etc/turnserver.conf#L896"]
    }
  }

  locals {
    listening = values("listening-ip")
    relay     = length(values("relay-ip")) > 0 ? values("relay-ip") : local.listening
    # Each relay address has the range for itself, once for each protocol. Without one that is
    # written, it is not known how many there are.
    relayed = ((truthy(value("no-udp-relay"), false) ? 0 : 1) + (truthy(value("no-tcp-relay"), false) ? 0 : 1)) * length(local.relay)
    quota   = local.relayed > 0 ? ceil(number(value("total-quota"), 0) / local.relayed) : 0

    plain = port(value("listening-port"), default.listening-port)
    tcp   = !truthy(value("no-tcp"), false)
    udp   = !truthy(value("no-udp"), false)
    # Behind a proxy TCP is on its port alone, and there is no TLS.
    proxied = has("tcp-proxy-port")
    # TLS needs a certificate and its key.
    tls      = has("cert") && has("pkey") && !truthy(value("no-tls"), false)
    dtls     = has("cert") && has("pkey") && (option.release >= 17 ? truthy(value("dtls"), false) : !truthy(value("no-dtls"), false))
    tls_port = port(value("tls-listening-port"), default.tls-listening-port)
    # Without a password nobody can use the command line interface, and it is not opened:
    # src/apps/relay/mainrelay.c, line 3729, and seen with 4.6.1.
    cli = has("cli-password") && (option.release >= 10 ? truthy(value("cli"), false) : !truthy(value("no-cli"), false))

    # NAT discovery needs a second port and two addresses. A host has two when none is
    # written, because loopback counts. What an address is outside takes it away:
    # setup_listener() of src/apps/relay/netengine.c.
    rfc5780 = length(local.listening) != 1 && !has("external-ip") && (option.release >= 7 ? truthy(value("rfc5780"), false) : !truthy(value("no-rfc5780"), false))
    alt     = number(value("alt-listening-port"), 0)
    alt_tls = number(value("alt-tls-listening-port"), 0)
  }

  listen "turn-udp" {
    purpose  = "STUN and TURN"
    when     = local.udp
    protocol = ["udp"]
    port     = local.plain
    bind     = local.listening
    share    = "turn"
    exposure = "public"
    assigned = ["3478"]
  }

  listen "turn-tcp" {
    purpose  = "STUN and TURN"
    when     = local.tcp && !local.proxied
    protocol = ["tcp"]
    port     = local.plain
    bind     = local.listening
    share    = "turn"
    exposure = "public"
    assigned = ["3478"]
  }

  listen "turns-tcp" {
    purpose  = "TURN over TLS"
    when     = local.tls && !local.proxied
    protocol = ["tcp"]
    port     = local.tls_port
    bind     = local.listening
    share    = "turn"
    exposure = "public"
    assigned = ["443", "5349"]
  }

  listen "turns-udp" {
    purpose  = "TURN over DTLS"
    when     = local.dtls
    protocol = ["udp"]
    port     = local.tls_port
    bind     = local.listening
    share    = "turn"
    exposure = "public"
    assigned = ["443", "5349"]
  }

  listen "alternative" {
    purpose  = "NAT discovery (RFC 5780)"
    when     = local.rfc5780 && local.udp
    protocol = ["udp"]
    port     = local.alt != 0 ? local.alt : local.plain + 1
    bind     = local.listening
    share    = "turn"
    exposure = "public"
  }

  listen "alternative-dtls" {
    purpose  = "NAT discovery over DTLS (RFC 5780)"
    when     = local.rfc5780 && local.dtls
    protocol = ["udp"]
    port     = local.alt_tls != 0 ? local.alt_tls : local.tls_port + 1
    bind     = local.listening
    share    = "turn"
    exposure = "public"
  }

  listen "alternative-tcp" {
    purpose  = "NAT discovery over TCP (RFC 5780)"
    when     = local.rfc5780 && local.tcp && !local.proxied
    protocol = ["tcp"]
    port     = local.alt != 0 ? local.alt : local.plain + 1
    bind     = local.listening
    share    = "turn"
    exposure = "public"
  }

  listen "alternative-tls" {
    purpose  = "NAT discovery over TLS (RFC 5780)"
    when     = local.rfc5780 && local.tls && !local.proxied
    protocol = ["tcp"]
    port     = local.alt_tls != 0 ? local.alt_tls : local.tls_port + 1
    bind     = local.listening
    share    = "turn"
    exposure = "public"
  }

  # An auxiliary server is an address and a port more, for all that is switched on.
  listen "auxiliary-udp" {
    purpose  = "STUN and TURN, auxiliary"
    when     = local.udp || local.dtls
    for_each = [for a in values("aux-server") : hostport(a)]
    protocol = ["udp"]
    port     = port(each.value.port, null)
    bind     = [each.value.host]
    share    = "turn"
    exposure = "public"
  }

  listen "auxiliary-tcp" {
    purpose  = "STUN and TURN, auxiliary"
    when     = (local.tcp || local.tls) && !local.proxied
    for_each = [for a in values("aux-server") : hostport(a)]
    protocol = ["tcp"]
    port     = port(each.value.port, null)
    bind     = [each.value.host]
    share    = "turn"
    exposure = "public"
  }

  listen "relay-udp" {
    purpose   = "relayed UDP"
    when      = !truthy(value("no-udp-relay"), false)
    protocol  = ["udp"]
    first     = port(value("min-port"), default.min-port)
    last      = port(value("max-port"), default.max-port)
    bind      = local.relay
    advertise = [for a in values("external-ip") : first(items(a, "/")...)]
    needs     = local.quota
    exposure  = "public"
  }

  listen "relay-tcp" {
    purpose   = "relayed TCP (RFC 6062)"
    when      = !truthy(value("no-tcp-relay"), false)
    protocol  = ["tcp"]
    first     = port(value("min-port"), default.min-port)
    last      = port(value("max-port"), default.max-port)
    bind      = local.relay
    advertise = [for a in values("external-ip") : first(items(a, "/")...)]
    exposure  = "public"
  }

  listen "tcp-proxy" {
    purpose  = "clients behind a proxy (PROXY protocol)"
    when     = local.proxied && local.tcp
    protocol = ["tcp"]
    port     = port(value("tcp-proxy-port"), null)
    bind     = local.listening
    exposure = "internal"
  }

  listen "prometheus" {
    purpose  = "metrics for Prometheus"
    when     = truthy(value("prometheus"), false)
    protocol = ["tcp"]
    port     = port(value("prometheus-port"), default.prometheus-port)
    bind     = [text(value("prometheus-address"), "*")]
    exposure = "internal"
  }

  listen "cli" {
    purpose   = "command line interface"
    when      = local.cli
    protocol  = ["tcp"]
    port      = port(value("cli-port"), default.cli-port)
    bind      = [text(value("cli-ip"), "127.0.0.1")]
    unguarded = "the password and all commands cross the network in clear (telnet)"
    exposure  = "admin"
  }

  listen "web-admin" {
    purpose  = "administration over HTTPS"
    when     = local.tls && truthy(value("web-admin"), false)
    protocol = ["tcp"]
    port     = port(value("web-admin-port"), default.web-admin-port)
    bind     = [text(value("web-admin-ip"), "127.0.0.1")]
    exposure = "admin"
  }

  test "a quota is of both protocols, and of every address" {
    input = <<-EOT
      relay-ip=10.5.0.1
      external-ip=198.51.100.7/10.5.0.1
      total-quota=1200
      min-port=50000
      max-port=50999
      no-tcp
      no-udp
    EOT
    expect = [
      "relay-udp udp 10.5.0.1 50000-50999 config advertises 198.51.100.7 needs 600 L4",
      "relay-tcp tcp 10.5.0.1 50000-50999 config advertises 198.51.100.7 L4",
    ]
  }

  test "nothing written" {
    input = <<-EOT
      # cli
      realm=calls.example
    EOT
    expect = [
      "turn-udp udp * 3478 default",
      "turn-tcp tcp * 3478 default",
      "relay-udp udp * 49152-65535 default",
      "relay-tcp tcp * 49152-65535 default",
    ]
  }

  test "a certificate opens TLS but not DTLS, and only with its key" {
    input = <<-EOT
      listening-port 3480
      listening-ip=10.5.0.1
      no-tcp
      no-tcp-relay=yes
      cert=/etc/ssl/a.pem
      pkey=/etc/ssl/a.key
      tls-listening-port = 443
      min-port=50000
      max-port=50999
      cli
      cli-port=5800
      cli-password=secret
    EOT
    expect = [
      "turn-udp udp 10.5.0.1 3480 config L1",
      "turns-tcp tcp 10.5.0.1 443 config L7",
      "relay-udp udp 10.5.0.1 50000-50999 config L8",
      "cli tcp 127.0.0.1 5800 config L11",
    ]
  }

  test "alternative ports that are written" {
    input  = <<-EOT
      listening-port=3480
      listening-ip=10.5.0.1
      listening-ip=10.5.0.2
      rfc5780
      alt-listening-port=3490
      no-tcp
      no-udp-relay
      no-tcp-relay
    EOT
    expect = ["turn-udp udp 10.5.0.1,10.5.0.2 3480 config L1", "alternative udp 10.5.0.1,10.5.0.2 3490 config L5"]
  }

  test "an old release" {
    set   = { release = "4.6" }
    input = <<-EOT
      listening-ip=10.5.0.1
      listening-ip=10.5.0.2
      no-udp-relay
      no-tcp-relay
      cli-password=secret
    EOT
    expect = [
      "turn-udp udp 10.5.0.1,10.5.0.2 3478 default",
      "turn-tcp tcp 10.5.0.1,10.5.0.2 3478 default",
      "alternative udp 10.5.0.1,10.5.0.2 3479 default",
      "alternative-tcp tcp 10.5.0.1,10.5.0.2 3479 default",
      "cli tcp 127.0.0.1 5766 default",
    ]
  }

  test "NAT discovery over everything" {
    input = <<-EOT
      rfc5780
      cert=/etc/ssl/a.pem
      pkey=/etc/ssl/a.key
      dtls
      alt-listening-port=3999
      no-udp-relay
      no-tcp-relay
    EOT
    expect = [
      "turn-udp udp * 3478 default", "turn-tcp tcp * 3478 default", "turns-udp udp * 5349 default", "turns-tcp tcp * 5349 default",
      "alternative udp * 3999 config L5", "alternative-tcp tcp * 3999 config L5", "alternative-dtls udp * 5350 default", "alternative-tls tcp * 5350 default",
    ]
  }

  test "an address outside takes NAT discovery away, and a password is missing" {
    set    = { release = "4.6" }
    input  = <<-EOT
      external-ip=198.51.100.7
      no-udp-relay
      no-tcp-relay
    EOT
    expect = ["turn-udp udp * 3478 default", "turn-tcp tcp * 3478 default"]
  }

  test "behind a proxy, and auxiliary servers" {
    input = <<-EOT
      tcp-proxy-port=3500
      listening-ip=10.5.0.1
      aux-server=10.5.0.3:3501
      aux-server=[2001:db8::5]:3502
      cert=/etc/ssl/a.pem
      pkey=/etc/ssl/a.key
      no-udp-relay
      no-tcp-relay
    EOT
    expect = [
      "turn-udp udp 10.5.0.1 3478 default", "tcp-proxy tcp 10.5.0.1 3500 config L1",
      "auxiliary-udp udp 10.5.0.3 3501 config L3", "auxiliary-udp udp 2001:db8::5 3502 config L4",
    ]
  }

  test "a container" {
    role  = "container"
    input = <<-EOT
      services:
        turn:
          image: coturn/coturn:4.6
          network_mode: host
          command:
            - -n
            - --log-file=stdout
            - -p
            - "3479"
            - --no-tcp
            - --no-tcp-relay
            - --min-port=$${MIN:-51000}
            - --max-port=51999
    EOT
    expect = [
      "turn-udp udp * 3479 config L9",
      "relay-udp udp * 51000-51999 config L12",
    ]
  }
}
