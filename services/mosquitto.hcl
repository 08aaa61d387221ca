# Mosquitto. Without a listener it serves this host only.

service "mosquitto" {
  title     = "Eclipse Mosquitto"
  platforms = ["linux", "freebsd", "macos", "windows-server"]
  runs      = ["mosquitto.service"]
  cites     = ["https://mosquitto.org/man/mosquitto-conf-5.html"]

  file "conf" {
    format = "mosquitto"
    paths = {
      linux   = ["/etc/mosquitto/mosquitto.conf", "/mosquitto/config/mosquitto.conf"]
      windows = ["C:/Program Files/mosquitto/mosquitto.conf"]
    }
  }

  file "container" {
    format = "compose"
    images = ["eclipse-mosquitto", "mosquitto"]
  }

  default "port" {
    setting = "listener"
    case {
      value = 1883
      note  = "on every address before 2.0"
      cites = ["https://mosquitto.org/documentation/migrating-to-2-0/", "https://github.com/eclipse-mosquitto/mosquitto/blob/7b8aba105b77253309de24664bbae69d0cae3da0/src/listeners.c#L194"]
    }
  }

  locals {
    # Either of these makes a listener that is not for this host only:
    # https://github.com/eclipse-mosquitto/mosquitto/blob/7b8aba105b77253309de24664bbae69d0cae3da0/src/conf.c#L1275
    old = first(value("port"), value("bind_address"))

    # listener PORT [ADDRESS]; a socket in the file system has port 0.
    listeners = [for l in find("listener") : l if length(args(l)) > 0]
    plain     = [for l in local.listeners : l if value(l, "protocol") == null || value(l, "protocol") != "http_api"]
    api       = [for l in local.listeners : l if value(l, "protocol") != null && value(l, "protocol") == "http_api"]
  }

  listen "local" {
    purpose  = "MQTT on this host only"
    when     = length(local.listeners) == 0 && local.old == null
    protocol = ["tcp"]
    port     = port(value("port"), default.port)
    bind     = ["127.0.0.1", "::1"]
    v6only   = true
    exposure = "loopback"
    assigned = ["1883"]
  }

  # The old way to say one listener.
  listen "old" {
    purpose  = "MQTT"
    when     = local.old != null
    protocol = ["tcp"]
    port     = port(value("port"), default.port)
    bind     = [text(first(value("bind_address"), value("bind_interface")), "*")]
    v6only   = true
    exposure = "public"
    assigned = ["1883", "8883"]
  }

  each "mqtt" {
    for_each = local.plain

    locals {
      web    = lower(text(value(each.value, "protocol"), "mqtt")) == "websockets"
      domain = lower(text(value(each.value, "socket_domain"), ""))
      any    = local.domain == "ipv4" ? "0.0.0.0" : (local.domain == "ipv6" ? "::" : "*")
      host   = first(concat([for i, a in args(each.value) : a if i == 1], [local.web ? null : value(each.value, "bind_interface")])...)
      # libwebsockets takes every address when it is given one of IPv4 and not told the
      # family, and knows no bind_interface: seen with 2.0.11 of Debian 12.
      wide = local.web && local.domain == "" && length(match("^([0-9.]+)$", text(local.host, ""))) > 0
    }

    listen "mqtt" {
      purpose  = "MQTT"
      protocol = ["tcp"]
      port     = port(first(args(each.value)...), null)
      bind     = [local.wide ? local.any : text(local.host, local.any)]
      v6only   = true
      exposure = "public"
      assigned = ["1883", "8883"]
    }
  }

  listen "http-api" {
    purpose  = "HTTP API and dashboard"
    for_each = local.api
    protocol = ["tcp"]
    port     = port(first(args(each.value)...), null)
    bind     = [for i, a in args(each.value) : a if i == 1]
    v6only   = true
    exposure = "admin"
  }

  # address HOST[:PORT] HOST[:PORT] of a connection to another broker, with its old name
  each "bridge" {
    for_each = find("connection")

    connect "bridge" {
      purpose  = "another broker"
      for_each = [for a in flatten([for n in concat(find(each.value, "address"), find(each.value, "addresses")) : args(n)]) : hostport(a)]
      protocol = ["tcp"]
      peer     = each.value.host
      port     = port(each.value.port, default.port)
    }
  }

  test "no listener" {
    input  = "persistence true\n"
    expect = ["local tcp 127.0.0.1,::1 1883 default"]
  }

  test "an address in the old way" {
    input  = "bind_address 10.8.0.2\n"
    expect = ["old tcp 10.8.0.2 1883 default"]
  }

  test "a bridge" {
    input  = <<-EOT
      listener 1885
      connection upstairs
      address broker.example:1886 192.0.2.9
      topic # both
    EOT
    expect = ["mqtt tcp * 1885 config L1", "bridge tcp -> broker.example 1886 config L3", "bridge tcp -> 192.0.2.9 1883 default L3"]
  }

  test "several listeners" {
    input  = <<-EOT
      listener 1884 10.8.0.1
      allow_anonymous false
      listener 0 /run/mosquitto.sock
      listener 9443
      protocol http_api
    EOT
    expect = ["mqtt tcp 10.8.0.1 1884 config L1", "http-api tcp * 9443 config L4"]
  }

  test "interfaces, families and websockets" {
    input = <<-EOT
      listener 1884
      bind_interface eth1
      listener 1885
      socket_domain ipv4
      listener 1886
      socket_domain ipv6
      listener 9001 10.8.0.2
      protocol websockets
      listener 9002 10.8.0.2
      protocol websockets
      socket_domain ipv4
    EOT
    expect = [
      "mqtt tcp eth1 1884 config L1", "mqtt tcp 0.0.0.0 1885 config L3", "mqtt tcp :: 1886 config L5",
      "mqtt tcp * 9001 config L7", "mqtt tcp 10.8.0.2 9002 config L9",
    ]
  }
}
