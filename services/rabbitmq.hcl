# RabbitMQ. Which plugins are on stands in enabled_plugins, an Erlang term that is not
# read: the ports of a plugin are claimed when its settings are written.

service "rabbitmq" {
  title     = "RabbitMQ"
  platforms = ["linux", "freebsd", "windows-server"]
  cites     = ["https://www.rabbitmq.com/docs/networking#ports"]

  file "conf" {
    format = "cuttlefish"
    layers = ["conf.d/*.conf"] # https://www.rabbitmq.com/docs/configure#config-file
    paths = {
      linux = ["/etc/rabbitmq/rabbitmq.conf"]
    }
  }

  file "env" {
    format = "env"
    paths = {
      linux = ["/etc/rabbitmq/rabbitmq-env.conf"]
    }
  }

  # A list in Erlang: [rabbitmq_management,rabbitmq_mqtt].
  file "plugins" {
    format = "table"
    accept = length([for n in find("*") : n if starts_with(name(n), "[")]) > 0
    paths = {
      linux = ["/etc/rabbitmq/enabled_plugins"]
    }
  }

  # Debian lets systemd listen for the port mapper.
  file "epmd" {
    format = "systemd"
    paths = {
      linux = ["/etc/systemd/system/*.wants/epmd.socket"]
    }
  }

  default "amqp" {
    setting = "listeners.tcp.default"
    case {
      value = 5672
      cites = ["https://github.com/rabbitmq/rabbitmq-server/blob/5b09e556da53b8473f26843a2493d8460ced8c8e/deps/rabbit/docs/rabbitmq.conf.example#L34", "https://www.rabbitmq.com/docs/networking#ports"]
    }
  }

  default "distribution" {
    setting = "distribution.listener.port_range.min"
    case {
      value = 25672
      cites = ["https://github.com/rabbitmq/rabbitmq-server/blob/5b09e556da53b8473f26843a2493d8460ced8c8e/deps/rabbit/docs/rabbitmq.conf.example#L917", "https://www.rabbitmq.com/docs/networking#ports"]
    }
  }

  default "epmd" {
    setting = "ERL_EPMD_PORT"
    case {
      value = 4369
      cites = ["https://www.rabbitmq.com/docs/networking#ports"]
    }
  }

  default "management" {
    setting = "management.tcp.port"
    case {
      value = 15672
      cites = ["https://github.com/rabbitmq/rabbitmq-server/blob/5b09e556da53b8473f26843a2493d8460ced8c8e/deps/rabbit/docs/rabbitmq.conf.example#L957"]
    }
  }

  default "management_tls" {
    setting = "management.ssl.port"
    case {
      value = 15671
      cites = ["https://github.com/rabbitmq/rabbitmq-server/blob/5b09e556da53b8473f26843a2493d8460ced8c8e/deps/rabbit/docs/rabbitmq.conf.example#L974"]
    }
  }

  default "prometheus" {
    setting = "prometheus.tcp.port"
    case {
      value = 15692
      cites = ["https://www.rabbitmq.com/docs/prometheus"]
    }
  }

  default "mqtt" {
    setting = "mqtt.listeners.tcp"
    case {
      value = 1883
      cites = ["https://www.rabbitmq.com/docs/networking#ports"]
    }
  }

  default "stomp" {
    setting = "stomp.listeners.tcp"
    case {
      value = 61613
      cites = ["https://www.rabbitmq.com/docs/networking#ports"]
    }
  }

  default "stream" {
    setting = "stream.listeners.tcp"
    case {
      value = 5552
      cites = ["https://www.rabbitmq.com/docs/networking#ports"]
    }
  }

  locals {
    # With the list of plugins it is known which of them listen, also on ports that nobody
    # wrote. Without it, those whose ports are written are taken to be there.
    told    = file("plugins") != null
    plugins = flatten([for n in find(file("plugins"), "*") : flatten([for w in concat([name(n)], args(n)) : items(w, "[],.")])])
    web     = length([for p in local.plugins : p if length(match("(^rabbitmq_management$|_management$|^rabbitmq_(?:top|tracing)$)", p)) > 0]) > 0
    metrics = contains(local.plugins, "rabbitmq_prometheus")

    env      = file("env")
    env_port = first(value(local.env, "NODE_PORT"), value(local.env, "RABBITMQ_NODE_PORT"))
    env_ip   = first(value(local.env, "NODE_IP_ADDRESS"), value(local.env, "RABBITMQ_NODE_IP_ADDRESS"))
    env_dist = first(value(local.env, "DIST_PORT"), value(local.env, "RABBITMQ_DIST_PORT"))

    # A listener is a port, or an address and a port behind its last colon, IPv6 with or
    # without brackets. A Unix socket has port 0. What is no listener has a finding.
    tcp_off  = value("listeners.tcp") == "none"
    amqp     = [for v in latest("listeners.tcp.*") : match("^(?:\\[?([^]]*)\\]?:)?([^:]*)$", v) if !starts_with(v, "unix:") && !starts_with(v, "local:")]
    amqps    = value("listeners.ssl") == "none" ? [] : [for v in latest("listeners.ssl.*") : match("^(?:\\[?([^]]*)\\]?:)?([^:]*)$", v)]
    streams  = value("stream.listeners.tcp") == "none" ? [] : [for v in latest("stream.listeners.tcp.*") : match("^(?:\\[?([^]]*)\\]?:)?([^:]*)$", v)]
    streamss = value("stream.listeners.ssl") == "none" ? [] : [for v in latest("stream.listeners.ssl.*") : match("^(?:\\[?([^]]*)\\]?:)?([^:]*)$", v)]
    mqtt     = value("mqtt.listeners.tcp") == "none" ? [] : [for v in latest("mqtt.listeners.tcp.*") : match("^(?:\\[?([^]]*)\\]?:)?([^:]*)$", v)]
    mqtts    = value("mqtt.listeners.ssl") == "none" ? [] : [for v in latest("mqtt.listeners.ssl.*") : match("^(?:\\[?([^]]*)\\]?:)?([^:]*)$", v)]
    stomp    = value("stomp.listeners.tcp") == "none" ? [] : [for v in latest("stomp.listeners.tcp.*") : match("^(?:\\[?([^]]*)\\]?:)?([^:]*)$", v)]
    stomps   = value("stomp.listeners.ssl") == "none" ? [] : [for v in latest("stomp.listeners.ssl.*") : match("^(?:\\[?([^]]*)\\]?:)?([^:]*)$", v)]

    low = first(value("distribution.listener.port_range.min"), local.env_dist)
  }

  listen "amqp" {
    purpose  = "AMQP"
    for_each = local.tcp_off ? [] : [for m in local.amqp : m if length(m) > 0]
    protocol = ["tcp"]
    port     = port(each.value[1], null)
    bind     = [first(each.value[0], "*")]
    exposure = "internal"
    assigned = ["5672"]
  }

  listen "amqp-default" {
    purpose  = "AMQP"
    when     = !local.tcp_off && length(latest("listeners.tcp.*")) == 0
    protocol = ["tcp"]
    port     = port(local.env_port, default.amqp)
    bind     = [first(local.env_ip, "*")]
    exposure = "internal"
    assigned = ["5672"]
  }

  listen "amqps" {
    purpose  = "AMQP over TLS"
    for_each = [for m in local.amqps : m if length(m) > 0]
    protocol = ["tcp"]
    port     = port(each.value[1], null)
    bind     = [first(each.value[0], "*")]
    exposure = "internal"
    assigned = ["5671"]
  }

  # The port between nodes follows RABBITMQ_NODE_PORT, plus 20000.
  listen "distribution" {
    purpose      = "other nodes and command line tools"
    protocol     = ["tcp"]
    first        = local.low == null && local.env_port != null ? port(local.env_port, null) + 20000 : port(local.low, default.distribution)
    last         = local.low == null && local.env_port != null ? port(local.env_port, null) + 20000 : port(first(value("distribution.listener.port_range.max"), local.low), default.distribution)
    bind         = [first(value("distribution.listener.interface"), "0.0.0.0")] # seen with Erlang 25: IPv4 unless told otherwise
    exposure     = "internal"
    trusted_only = "https://www.rabbitmq.com/docs/networking"
  }

  # The Erlang port mapper is started with the first node of a host.
  listen "epmd-socket" {
    purpose      = "Erlang port mapper, by systemd"
    for_each     = [for t in values(file("epmd"), "Socket/ListenStream") : hostport(t)]
    protocol     = ["tcp"]
    port         = port(each.value.port, null)
    bind         = [first(each.value.host, "::")]
    exposure     = "internal"
    trusted_only = "https://www.rabbitmq.com/docs/networking"
    assigned     = ["4369"]
  }

  listen "epmd" {
    purpose      = "Erlang port mapper"
    for_each     = has(file("epmd"), "Socket") ? [] : ["started by RabbitMQ"]
    protocol     = ["tcp"]
    port         = port(value(local.env, "ERL_EPMD_PORT"), default.epmd)
    exposure     = "internal"
    trusted_only = "https://www.rabbitmq.com/docs/networking"
    assigned     = ["4369"]
  }

  listen "management" {
    purpose  = "management (HTTP)"
    when     = local.told ? local.web && (has("management.tcp.*") || !has("management.ssl.*")) : has("management.tcp.*")
    protocol = ["tcp"]
    port     = port(value("management.tcp.port"), default.management)
    bind     = [first(value("management.tcp.ip"), "0.0.0.0")] # its web server is on IPv4 unless told otherwise: seen with 3.10.8
    exposure = "admin"
  }

  listen "management-tls" {
    purpose  = "management (HTTPS)"
    when     = has("management.ssl.*") && (local.web || !local.told)
    protocol = ["tcp"]
    port     = port(value("management.ssl.port"), default.management_tls)
    bind     = [first(value("management.ssl.ip"), "0.0.0.0")] # its web server is on IPv4 unless told otherwise: seen with 3.10.8
    exposure = "admin"
  }

  listen "prometheus" {
    purpose  = "metrics"
    when     = local.told ? local.metrics && (has("prometheus.tcp.*") || !has("prometheus.ssl.*")) : has("prometheus.tcp.*")
    protocol = ["tcp"]
    port     = port(value("prometheus.tcp.port"), default.prometheus)
    bind     = [first(value("prometheus.tcp.ip"), "0.0.0.0")] # its web server is on IPv4 unless told otherwise: seen with 3.10.8
    exposure = "admin"
  }

  listen "stream-default" {
    purpose  = "streams"
    when     = contains(local.plugins, "rabbitmq_stream") && value("stream.listeners.tcp") != "none" && length(values("stream.listeners.tcp.*")) == 0
    protocol = ["tcp"]
    port     = default.stream
    exposure = "internal"
  }

  listen "stream" {
    purpose  = "streams"
    for_each = [for m in concat(local.streams, local.streamss) : m if length(m) > 0]
    protocol = ["tcp"]
    port     = port(each.value[1], null)
    bind     = [first(each.value[0], "*")]
    exposure = "internal"
  }

  listen "mqtt-default" {
    purpose  = "MQTT"
    when     = contains(local.plugins, "rabbitmq_mqtt") && value("mqtt.listeners.tcp") != "none" && length(values("mqtt.listeners.tcp.*")) == 0
    protocol = ["tcp"]
    port     = default.mqtt
    exposure = "internal"
    assigned = ["1883"]
  }

  listen "mqtt" {
    purpose  = "MQTT"
    for_each = [for m in concat(local.mqtt, local.mqtts) : m if length(m) > 0]
    protocol = ["tcp"]
    port     = port(each.value[1], null)
    bind     = [first(each.value[0], "*")]
    exposure = "internal"
    assigned = ["1883", "8883"]
  }

  listen "stomp-default" {
    purpose  = "STOMP"
    when     = contains(local.plugins, "rabbitmq_stomp") && value("stomp.listeners.tcp") != "none" && length(values("stomp.listeners.tcp.*")) == 0
    protocol = ["tcp"]
    port     = default.stomp
    exposure = "internal"
  }

  listen "stomp" {
    purpose  = "STOMP"
    for_each = [for m in concat(local.stomp, local.stomps) : m if length(m) > 0]
    protocol = ["tcp"]
    port     = port(each.value[1], null)
    bind     = [first(each.value[0], "*")]
    exposure = "internal"
  }

  # Plugins, where the file says their ports: https://www.rabbitmq.com/docs/web-mqtt and
  # https://www.rabbitmq.com/docs/web-stomp.
  listen "web-mqtt" {
    purpose  = "MQTT over WebSocket"
    for_each = concat(values("web_mqtt.tcp.port"), values("web_mqtt.ssl.port"))
    protocol = ["tcp"]
    port     = port(each.value, null)
    bind     = [first(value("web_mqtt.tcp.ip"), value("web_mqtt.ssl.ip"), "*")]
    exposure = "internal"
  }

  listen "web-stomp" {
    purpose  = "STOMP over WebSocket"
    for_each = concat(values("web_stomp.tcp.port"), values("web_stomp.ssl.port"))
    protocol = ["tcp"]
    port     = port(each.value, null)
    bind     = [first(value("web_stomp.tcp.ip"), value("web_stomp.ssl.ip"), "*")]
    exposure = "internal"
  }

  test "plugins for browsers" {
    input = <<-EOT
      listeners.tcp = none
      web_mqtt.tcp.port = 15685
      web_mqtt.tcp.ip = 127.0.0.1
      web_stomp.ssl.port = 15684
    EOT
    expect = [
      "distribution tcp 0.0.0.0 25672 default", "epmd tcp * 4369 default",
      "web-mqtt tcp 127.0.0.1 15685 config L2", "web-stomp tcp * 15684 config L4",
    ]
  }

  test "as shipped" {
    input = <<-EOT
      # listeners.tcp.default = 5673
      # management.tcp.port = 15673
      heartbeat = 60
    EOT
    expect = [
      "amqp-default tcp * 5672 default",
      "distribution tcp 0.0.0.0 25672 default",
      "epmd tcp * 4369 default",
    ]
  }

  test "addresses and names" {
    input = <<-EOT
      listeners.tcp.local = 127.0.0.1:5673
      listeners.tcp.local_v6 = ::1:5673
      listeners.tcp.unix = unix:/run/rabbitmq.sock:0
      listeners.ssl.1 = 5674
      stream.listeners.tcp.default = 5553
      management.tcp.port = 15673
      management.tcp.ip = 10.0.0.5
    EOT
    expect = [
      "amqp tcp 127.0.0.1 5673 config L1",
      "amqp tcp ::1 5673 config L2",
      "amqps tcp * 5674 config L4",
      "stream tcp * 5553 config L5",
      "management tcp 10.0.0.5 15673 config L6",
      "distribution tcp 0.0.0.0 25672 default",
      "epmd tcp * 4369 default",
    ]
  }

  test "no plain AMQP, a range between nodes" {
    input = <<-EOT
      listeners.tcp = none
      listeners.ssl.default = [2001:db8::5]:5671
      distribution.listener.port_range.min = 40000
      distribution.listener.port_range.max = 40004
    EOT
    expect = [
      "amqps tcp 2001:db8::5 5671 config L2",
      "distribution tcp 0.0.0.0 40000-40004 config L3",
      "epmd tcp * 4369 default",
    ]
  }

  test "the environment" {
    role  = "env"
    input = <<-EOT
      NODE_PORT=5700
      NODE_IP_ADDRESS=10.0.0.9
    EOT
    expect = [
      "amqp-default tcp 10.0.0.9 5700 config L1",
      "distribution tcp 0.0.0.0 25700 config L1",
      "epmd tcp * 4369 default",
    ]
  }

  test "plugins" {
    role  = "plugins"
    input = <<-EOT
      [rabbitmq_top,
       rabbitmq_mqtt, rabbitmq_stream].
    EOT
    expect = [
      "amqp-default tcp * 5672 default",
      "distribution tcp 0.0.0.0 25672 default",
      "epmd tcp * 4369 default",
      "management tcp 0.0.0.0 15672 default",
      "mqtt-default tcp * 1883 default",
      "stream-default tcp * 5552 default",
    ]
  }

  test "no plugin" {
    role   = "plugins"
    input  = "[].\n"
    expect = ["amqp-default tcp * 5672 default", "distribution tcp 0.0.0.0 25672 default", "epmd tcp * 4369 default"]
  }
}
