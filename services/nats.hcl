# NATS server. Only the port of clients has a built-in number; every other listener is off
# until its port is written. Options of the command line win over the file.

service "nats" {
  title     = "NATS server"
  platforms = ["linux", "windows-server", "freebsd", "macos"]
  cites     = ["https://docs.nats.io/running-a-nats-service/configuration", "https://github.com/nats-io/nats-server/blob/1787eee035cf0253c201fa0f05afad92b6f296dc/conf/simple.conf"]

  file "conf" {
    format = "nats"
    accept = has("listen") || has("port") || has("server_name") || has("cluster") || has("jetstream") || has("leafnodes") || has("leaf") || has("gateway") || has("websocket") || has("mqtt") || has("http") || has("http_port") || has("monitor_port") || has("https_port") || has("authorization") || has("accounts") || has("operator")
    paths = {
      linux = [
        "/etc/nats/nats-server.conf",
        "/etc/nats/nats.conf",
        "/etc/nats-server.conf",
        "/etc/nats-server/nats-server.conf",
        "/etc/nats.conf",
        "/usr/local/etc/nats-server.conf",
        "/etc/gnatsd.conf",
      ]
      windows = ["C:/nats/nats-server.conf", "C:/nats-server/nats-server.conf"]
    }
    samples = ["/simple.conf"]
  }

  file "unit" {
    format = "systemd"
    units  = ["nats*.service", "gnatsd*.service"]
  }

  default "port" {
    setting = "port"
    case {
      value = 4222
      cites = ["https://github.com/nats-io/nats-server/blob/002446a51dfa63a3f7d313db2160b82b873dbcac/server/const.go"]
    }
  }

  default "bind" {
    setting = "host"
    case {
      value = "0.0.0.0"
      cites = ["https://github.com/nats-io/nats-server/blob/002446a51dfa63a3f7d313db2160b82b873dbcac/server/const.go"]
    }
  }

  # A remote leaf node without a port.
  default "leaf" {
    setting = "leafnodes/remotes/url"
    case {
      value = 7422
      cites = ["https://github.com/nats-io/nats-server/blob/002446a51dfa63a3f7d313db2160b82b873dbcac/server/const.go"]
    }
  }

  locals {
    argv = words(value(file("unit"), "Service/ExecStart"), "systemd")

    listen = value("listen")
    port   = first(concat([flag(local.argv, "-p", "--port", "-port")], match("^(-1)$", local.listen), [hostport(local.listen).port, value("port")])...)
    host   = first(flag(local.argv, "-a", "--addr", "-addr", "--net", "-net"), hostport(local.listen).host, value("host"), value("net"), value("addr"))
    bind   = text(nonempty(local.host), default.bind)

    # "http" is an address or a port, "http_port" a port alone. The address of clients is
    # that of the monitor too, unless it has one.
    http_port  = first(flag(local.argv, "-m", "--http_port", "-http_port"), hostport(value("http")).port, value("http_port"), value("monitor_port"))
    http_host  = nonempty(hostport(value("http")).host)
    https_port = first(flag(local.argv, "-ms", "--https_port", "-https_port"), hostport(value("https")).port, value("https_port"))
    https_host = nonempty(hostport(value("https")).host)

    cluster = flag(local.argv, "--cluster", "-cluster", "--cluster_listen", "-cluster_listen")
  }

  # For clients 0 is as if nothing was written, for all others it is off; -1 is any free port.
  listen "clients" {
    purpose  = "clients"
    protocol = ["tcp"]
    port     = port(local.port == "0" ? null : local.port == "-1" ? "0" : local.port, default.port)
    bind     = [local.bind]
    exposure = "internal"
    assigned = ["4222"]
    zero     = "chosen"
  }

  listen "monitor" {
    purpose  = "monitoring (HTTP)"
    for_each = local.http_port == null ? [] : [local.http_port]
    when     = each.value != "0"
    protocol = ["tcp"]
    zero     = "chosen"
    port     = port(each.value == "-1" ? "0" : each.value, null)
    bind     = [first(local.http_host, local.bind)]
    exposure = "admin"
  }

  listen "monitor-tls" {
    purpose  = "monitoring (HTTPS)"
    for_each = local.https_port == null ? [] : [local.https_port]
    when     = each.value != "0"
    protocol = ["tcp"]
    port     = port(each.value == "-1" ? "0" : each.value, null)
    bind     = [first(local.https_host, local.bind)]
    exposure = "admin"
    zero     = "chosen"
  }

  each "cluster" {
    for_each = find("cluster")

    locals {
      number  = first(hostport(local.cluster).port, hostport(value(each.value, "listen")).port, value(each.value, "port"))
      address = nonempty(first(hostport(local.cluster).host, hostport(value(each.value, "listen")).host, value(each.value, "host"), value(each.value, "net"), value(each.value, "addr")))
    }

    listen "cluster" {
      purpose  = "other servers of the cluster"
      for_each = local.number == null ? [] : [local.number]
      when     = each.value != "0"
      protocol = ["tcp"]
      port     = port(each.value == "-1" ? "0" : each.value, null)
      bind     = [text(local.address, default.bind)]
      exposure = "internal"
      zero     = "chosen"
    }
  }

  listen "cluster-option" {
    purpose  = "other servers of the cluster"
    for_each = has("cluster") || local.cluster == null ? [] : [hostport(local.cluster)]
    when     = each.value.port != null && each.value.port != "0"
    protocol = ["tcp"]
    port     = port(each.value.port == "-1" ? "0" : each.value.port, null)
    bind     = [text(each.value.host, default.bind)]
    exposure = "internal"
    zero     = "chosen"
  }

  each "leaf" {
    for_each = concat(find("leafnodes"), find("leaf"), find("leafnode"))

    locals {
      number  = first(hostport(value(each.value, "listen")).port, value(each.value, "port"))
      address = nonempty(first(hostport(value(each.value, "listen")).host, value(each.value, "host"), value(each.value, "net"), value(each.value, "addr")))
      urls    = [for m in [for u in concat(values(each.value, "remotes/*/url"), values(each.value, "remotes/*/urls/*")) : match("^(?:[a-z]+://)?(?:[^/@]*@)?(\\[[^]]*\\]|[^:/]+)(?::([0-9]+))?/?$", u)] : m if length(m) > 0]
    }

    listen "leafnodes" {
      purpose  = "leaf nodes"
      for_each = local.number == null ? [] : [local.number]
      when     = each.value != "0"
      protocol = ["tcp"]
      port     = port(each.value == "-1" ? "0" : each.value, null)
      bind     = [text(local.address, default.bind)]
      exposure = "internal"
      zero     = "chosen"
    }

    connect "leafnodes" {
      purpose  = "server of which this is a leaf node"
      for_each = local.urls
      protocol = ["tcp"]
      peer     = each.value[0]
      port     = port(each.value[1], default.leaf)
    }
  }

  each "gateway" {
    for_each = find("gateway")

    locals {
      number  = first(hostport(value(each.value, "listen")).port, value(each.value, "port"))
      address = nonempty(first(hostport(value(each.value, "listen")).host, value(each.value, "host"), value(each.value, "net"), value(each.value, "addr")))
      urls    = [for m in [for u in concat(values(each.value, "gateways/*/url"), values(each.value, "gateways/*/urls/*")) : match("^(?:[a-z]+://)?(?:[^/@]*@)?(\\[[^]]*\\]|[^:/]+):([0-9]+)/?$", u)] : m if length(m) > 0]
    }

    listen "gateway" {
      purpose  = "other clusters"
      for_each = local.number == null ? [] : [local.number]
      when     = each.value != "0"
      protocol = ["tcp"]
      port     = port(each.value == "-1" ? "0" : each.value, null)
      bind     = [text(local.address, default.bind)]
      exposure = "internal"
      zero     = "chosen"
    }

    connect "gateway" {
      purpose  = "other clusters"
      for_each = local.urls
      protocol = ["tcp"]
      peer     = each.value[0]
      port     = port(each.value[1], null)
    }
  }

  each "websocket" {
    for_each = concat(find("websocket"), find("ws"))

    locals {
      number  = first(hostport(value(each.value, "listen")).port, value(each.value, "port"))
      address = nonempty(first(hostport(value(each.value, "listen")).host, value(each.value, "host"), value(each.value, "net"), value(each.value, "addr")))
    }

    listen "websocket" {
      purpose  = "clients over WebSocket"
      for_each = local.number == null ? [] : [local.number]
      when     = each.value != "0"
      protocol = ["tcp"]
      port     = port(each.value == "-1" ? "0" : each.value, null)
      bind     = [text(local.address, default.bind)]
      exposure = "internal"
      zero     = "chosen"
    }
  }

  each "mqtt" {
    for_each = find("mqtt")

    locals {
      number  = first(hostport(value(each.value, "listen")).port, value(each.value, "port"))
      address = nonempty(first(hostport(value(each.value, "listen")).host, value(each.value, "host"), value(each.value, "net"), value(each.value, "addr")))
    }

    listen "mqtt" {
      purpose  = "MQTT"
      for_each = local.number == null ? [] : [local.number]
      when     = each.value != "0"
      protocol = ["tcp"]
      port     = port(each.value == "-1" ? "0" : each.value, null)
      bind     = [text(local.address, default.bind)]
      exposure = "internal"
      assigned = ["1883", "8883"]
      zero     = "chosen"
    }
  }

  listen "pprof" {
    purpose  = "profiling"
    for_each = values("prof_port")
    when     = each.value != "0"
    protocol = ["tcp"]
    port     = port(each.value == "-1" ? "0" : each.value, null)
    bind     = [local.bind]
    exposure = "admin"
    zero     = "chosen"
  }

  connect "cluster" {
    purpose  = "other servers of the cluster"
    for_each = [for m in [for u in concat(values("cluster/routes/*"), flatten([for r in flags(local.argv, "--routes", "-routes") : items(r, ",")])) : match("^(?:[a-z-]+://)?(?:[^/@]*@)?(\\[[^]]*\\]|[^:/]+):([0-9]+)/?$", u)] : m if length(m) > 0]
    protocol = ["tcp"]
    peer     = each.value[0]
    port     = port(each.value[1], null)
  }

  test "nothing written" {
    input  = <<-EOT
      server_name: voice
      # port: 4300
      cluster { name: voice }
      leafnodes {}
    EOT
    expect = ["clients tcp 0.0.0.0 4222 default"]
  }

  test "everything written" {
    input = <<-EOT
      listen: 10.0.0.5:4300
      http: 8300
      https: "127.0.0.1:8301"
      cluster {
        listen: 10.0.0.5:6300
        routes = [
          nats://user:secret@10.0.0.6:6300
          "nats-route://10.0.0.7:6300"
        ]
      }
      leafnodes {
        port: 7300
        remotes = [ { url: "tls://hub.example" } ]
      }
      gateway { name: "A", port: 7301, gateways: [ {name: "B", url: "nats://10.1.0.5:7222"} ] }
      websocket { host: "::", port: 9300, no_tls: true }
      mqtt { port: 1884 }
      prof_port: 6061
    EOT
    expect = [
      "clients tcp 10.0.0.5 4300 config L1",
      "monitor tcp 10.0.0.5 8300 config L2",
      "monitor-tls tcp 127.0.0.1 8301 config L3",
      "cluster tcp 10.0.0.5 6300 config L5",
      "cluster tcp -> 10.0.0.6 6300 config L7",
      "cluster tcp -> 10.0.0.7 6300 config L8",
      "leafnodes tcp 0.0.0.0 7300 config L12",
      "leafnodes tcp -> hub.example 7422 default",
      "gateway tcp 0.0.0.0 7301 config L15",
      "gateway tcp -> 10.1.0.5 7222 config L15",
      "websocket tcp :: 9300 config L16",
      "mqtt tcp 0.0.0.0 1884 config L17",
      "pprof tcp 10.0.0.5 6061 config L18",
    ]
  }

  test "variables" {
    input  = <<-EOT
      P = 4301
      port = $P
      host 127.0.0.1
      http_port $MONITOR
    EOT
    expect = ["clients tcp 127.0.0.1 4301 config L2"]
  }

  test "a port that the system chooses, and 0" {
    input  = <<-EOT
      listen: -1
      http: 0
      mqtt { port: 0 }
      websocket { port: -1 }
    EOT
    expect = []
  }

  test "the command line" {
    role  = "unit"
    input = <<-EOT
      [Service]
      ExecStart=/usr/sbin/nats-server -a 10.0.0.5 -p 4302 -m 8302 --cluster nats://10.0.0.5:6302 --routes nats://10.0.0.6:6302
    EOT
    expect = [
      "clients tcp 10.0.0.5 4302 config L2",
      "monitor tcp 10.0.0.5 8302 config L2",
      "cluster-option tcp 10.0.0.5 6302 config L2",
      "cluster tcp -> 10.0.0.6 6302 config L2",
    ]
  }
}
