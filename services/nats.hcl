# NATS server. Only the port of clients has a built-in number; every other listener is off
# until its port is written. Options of the command line win over the file.

service "nats" {
  title     = "NATS server"
  platforms = ["linux", "windows-server", "freebsd", "macos"]
  runs      = ["nats-server.service"]
  cites     = ["https://docs.nats.io/running-a-nats-service/configuration", "https://github.com/nats-io/nats-server/blob/1787eee035cf0253c201fa0f05afad92b6f296dc/conf/simple.conf"]

  file "conf" {
    format      = "nats"
    common_name = true # collectors of metrics have a nats.conf too
    accept      = !has("jobs") && (!has("*") || has("listen") || has("port") || has("host") || has("net") || has("server_name") || has("cluster") || has("jetstream") || has("leafnodes") || has("leaf") || has("gateway") || has("websocket") || has("ws") || has("mqtt") || has("http") || has("http_port") || has("monitor_port") || has("https") || has("https_port") || has("authorization") || has("accounts") || has("operator") || has("max_payload") || has("max_connections") || has("log_file") || has("logfile") || has("debug") || has("trace") || has("pid_file") || has("tls"))
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
    units  = ["nats-server.service", "nats-server@*.service", "nats.service", "gnatsd.service"]
  }

  default "port" {
    setting = "port"
    case {
      value = 4222
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

    # Long names may follow one dash: -profile is not -p.
    short = [for w in local.argv : w if length(match("^(-[A-Za-z][A-Za-z_])", w)) == 0]

    listen = value("listen")
    port   = first(flag(local.short, "-p"), flag(local.argv, "--port", "-port"), local.listen == "-1" ? "-1" : hostport(local.listen).port, value("port"))
    host   = first(flag(local.short, "-a"), flag(local.argv, "--addr", "-addr", "--net", "-net"), local.listen == "-1" ? null : hostport(local.listen).host, value("host"), value("net"))

    # "http" is an address or a port, "http_port" a port alone. The address of clients is
    # that of the monitor too, unless it has one.
    http_port  = first(flag(local.short, "-m"), flag(local.argv, "--http_port", "-http_port"), value("http") == "-1" ? "-1" : hostport(value("http")).port, value("http_port"), value("monitor_port"))
    http_host  = nonempty(hostport(value("http")).host)
    https_port = first(flag(local.argv, "-ms", "--https_port", "-https_port"), value("https") == "-1" ? "-1" : hostport(value("https")).port, value("https_port"))
    https_host = nonempty(hostport(value("https")).host)

    profile = first(flag(local.argv, "--profile", "-profile"), value("prof_port"))
    cluster = flag(local.argv, "--cluster", "-cluster", "--cluster_listen", "-cluster_listen")
  }

  # For clients 0 is as if nothing was written, for all others it is off; -1 is any free port.
  listen "clients" {
    purpose  = "clients"
    protocol = ["tcp"]
    port     = port(local.port == "0" ? null : local.port == "-1" ? "0" : local.port, default.port)
    bind     = [wildcard(local.host)]
    exposure = "internal"
    assigned = ["4222"]
    zero     = "chosen"
  }

  listen "monitor" {
    purpose      = "monitoring (HTTP)"
    for_each     = local.http_port == null ? [] : [local.http_port]
    when         = each.value != "0"
    protocol     = ["tcp"]
    zero         = "chosen"
    port         = port(each.value == "-1" ? "0" : each.value, null)
    bind         = [wildcard(first(local.http_host, local.host))]
    exposure     = "admin"
    trusted_only = "https://docs.nats.io/nats-server/configuration/monitoring"
  }

  listen "monitor-tls" {
    purpose      = "monitoring (HTTPS)"
    for_each     = local.https_port == null ? [] : [local.https_port]
    when         = each.value != "0"
    protocol     = ["tcp"]
    port         = port(each.value == "-1" ? "0" : each.value, null)
    bind         = [wildcard(first(local.https_host, local.host))]
    exposure     = "admin"
    trusted_only = "https://docs.nats.io/nats-server/configuration/monitoring"
    zero         = "chosen"
  }

  each "cluster" {
    for_each = [for i, n in find("cluster") : n if i + 1 == length(find("cluster"))]

    locals {
      number  = first(hostport(local.cluster).port, value(each.value, "listen") == "-1" ? "-1" : hostport(value(each.value, "listen")).port, value(each.value, "port"))
      address = nonempty(first(hostport(local.cluster).host, hostport(value(each.value, "listen")).host, value(each.value, "host"), value(each.value, "net")))
    }

    listen "cluster" {
      purpose  = "other servers of the cluster"
      for_each = local.number == null ? [] : [local.number]
      when     = each.value != "0"
      protocol = ["tcp"]
      port     = port(each.value == "-1" ? "0" : each.value, null)
      bind     = [wildcard(local.address)]
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
    bind     = [wildcard(each.value.host)]
    exposure = "internal"
    zero     = "chosen"
  }

  each "leaf" {
    for_each = [for i, n in concat(find("leaf"), find("leafnodes")) : n if i + 1 == length(concat(find("leaf"), find("leafnodes")))]

    locals {
      number  = first(value(each.value, "listen") == "-1" ? "-1" : hostport(value(each.value, "listen")).port, value(each.value, "port"))
      address = nonempty(first(hostport(value(each.value, "listen")).host, value(each.value, "host"), value(each.value, "net")))
      urls    = [for m in [for u in concat(values(each.value, "remotes/*/url"), values(each.value, "remotes/*/urls/*")) : match("^(?:[a-z+-]+://)?(?:[^/@]*@)?(\\[[^]]*\\]|[^:/]+)(?::([0-9]+))?/?$", u)] : m if length(m) > 0]
    }

    listen "leafnodes" {
      purpose  = "leaf nodes"
      for_each = local.number == null ? [] : [local.number]
      when     = each.value != "0"
      protocol = ["tcp"]
      port     = port(each.value == "-1" ? "0" : each.value, null)
      bind     = [wildcard(local.address)]
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
    for_each = [for i, n in find("gateway") : n if i + 1 == length(find("gateway"))]

    locals {
      number  = first(value(each.value, "listen") == "-1" ? "-1" : hostport(value(each.value, "listen")).port, value(each.value, "port"))
      address = nonempty(first(hostport(value(each.value, "listen")).host, value(each.value, "host"), value(each.value, "net")))
      urls    = [for m in [for u in concat(values(each.value, "gateways/*/url"), values(each.value, "gateways/*/urls/*")) : match("^(?:[a-z+-]+://)?(?:[^/@]*@)?(\\[[^]]*\\]|[^:/]+):([0-9]+)/?$", u)] : m if length(m) > 0]
    }

    listen "gateway" {
      purpose  = "other clusters"
      for_each = local.number == null ? [] : [local.number]
      when     = each.value != "0"
      protocol = ["tcp"]
      port     = port(each.value == "-1" ? "0" : each.value, null)
      bind     = [wildcard(local.address)]
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
    for_each = [for i, n in concat(find("ws"), find("websocket")) : n if i + 1 == length(concat(find("ws"), find("websocket")))]

    locals {
      number  = first(value(each.value, "listen") == "-1" ? "-1" : hostport(value(each.value, "listen")).port, value(each.value, "port"))
      address = nonempty(first(hostport(value(each.value, "listen")).host, value(each.value, "host"), value(each.value, "net")))
    }

    listen "websocket" {
      purpose  = "clients over WebSocket"
      for_each = local.number == null ? [] : [local.number]
      when     = each.value != "0"
      protocol = ["tcp"]
      port     = port(each.value == "-1" ? "0" : each.value, null)
      bind     = [wildcard(local.address)]
      exposure = "internal"
      zero     = "chosen"
    }
  }

  each "mqtt" {
    for_each = [for i, n in find("mqtt") : n if i + 1 == length(find("mqtt"))]

    locals {
      number  = first(value(each.value, "listen") == "-1" ? "-1" : hostport(value(each.value, "listen")).port, value(each.value, "port"))
      address = nonempty(first(hostport(value(each.value, "listen")).host, value(each.value, "host"), value(each.value, "net")))
    }

    listen "mqtt" {
      purpose  = "MQTT"
      for_each = local.number == null ? [] : [local.number]
      when     = each.value != "0"
      protocol = ["tcp"]
      port     = port(each.value == "-1" ? "0" : each.value, null)
      bind     = [wildcard(local.address)]
      exposure = "internal"
      assigned = ["1883", "8883"]
      zero     = "chosen"
    }
  }

  listen "pprof" {
    purpose  = "profiling"
    for_each = local.profile == null ? [] : [local.profile]
    when     = each.value != "0"
    protocol = ["tcp"]
    port     = port(each.value == "-1" ? "0" : each.value, null)
    bind     = [wildcard(local.host)]
    exposure = "admin"
    zero     = "chosen"
  }

  connect "cluster" {
    purpose  = "other servers of the cluster"
    for_each = [for m in [for u in concat(values("cluster/routes/*"), flatten([for r in flags(local.argv, "--routes", "-routes") : items(r, ",")])) : match("^(?:[a-z+-]+://)?(?:[^/@]*@)?(\\[[^]]*\\]|[^:/]+):([0-9]+)/?$", u)] : m if length(m) > 0]
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
    expect = ["clients tcp * 4222 default"]
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
        remotes = [ { url: "nats-leaf://hub.example" } ]
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
      "leafnodes tcp * 7300 config L12",
      "leafnodes tcp -> hub.example 7422 default",
      "gateway tcp * 7301 config L15",
      "gateway tcp -> 10.1.0.5 7222 config L15",
      "websocket tcp * 9300 config L16",
      "mqtt tcp * 1884 config L17",
      "pprof tcp 10.0.0.5 6061 config L18",
    ]
  }

  test "the last block counts" {
    input  = <<-EOT
      listen: "0.0.0.0:4303"
      http_port: 8303
      cluster { port: 6303 }
      cluster { name: voice }
    EOT
    expect = ["clients tcp * 4303 config L1", "monitor tcp * 8303 config L2"]
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
      ExecStart=/usr/sbin/nats-server -a 10.0.0.5 -p 4302 -profile 6062 -m 8302 --cluster nats://10.0.0.5:6302 --routes nats://10.0.0.6:6302
    EOT
    expect = [
      "clients tcp 10.0.0.5 4302 config L2",
      "monitor tcp 10.0.0.5 8302 config L2",
      "cluster-option tcp 10.0.0.5 6302 config L2",
      "pprof tcp 10.0.0.5 6062 config L2",
      "cluster tcp -> 10.0.0.6 6302 config L2",
    ]
  }
}
