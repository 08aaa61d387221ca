# Grafana Loki. Options on the command line win over the file. Members talk over TCP alone.

service "loki" {
  title     = "Grafana Loki"
  platforms = ["linux", "windows-server", "macos", "freebsd"]
  cites     = ["https://grafana.com/docs/loki/latest/configure/", "https://grafana.com/docs/loki/next/reference/network-ports/"]

  file "conf" {
    format      = "yaml"
    common_name = true # config.yml
    # Promtail, Tempo, Mimir, Pyroscope and the Grafana Agent have a server section like it.
    accept = (has("schema_config") || has("auth_enabled") || has("storage_config") || has("limits_config") || has("table_manager") || has("server/http_listen_port") || has("server/grpc_listen_port")) && !has("scrape_configs") && !has("positions") && !has("clients") && !has("blocks_storage") && !has("multitenancy_enabled") && !has("storage/trace") && !has("metrics") && !has("traces") && !has("logs") && !has("integrations") && !has("self_profiling") && !has("services")
    paths = {
      linux = [
        "/etc/loki/config.yml",
        "/etc/loki/config.yaml",
        "/etc/loki/loki.yml",
        "/etc/loki/loki.yaml",
        "/etc/loki/*config*.yml",
        "/etc/loki/*config*.yaml",
        "/etc/loki.yml",
        "/etc/loki.yaml",
        "/opt/loki/*config*.yml",
        "/opt/loki/*config*.yaml",
        "/usr/local/etc/loki-local-config.yaml",
      ]
      windows = ["C:/loki/*config*.yaml", "C:/Program Files/Loki/*config*.yaml"]
    }
  }

  file "unit" {
    format = "systemd"
    units  = ["loki.service"]
  }

  default "http" {
    setting = "server/http_listen_port"
    case {
      value = 3100
      cites = ["https://grafana.com/docs/loki/latest/configure/#server"]
    }
  }

  default "grpc" {
    setting = "server/grpc_listen_port"
    case {
      value = 9095
      cites = ["https://grafana.com/docs/loki/latest/configure/#server"]
    }
  }

  default "members" {
    setting = "memberlist/bind_port"
    case {
      value = 7946
      cites = ["https://grafana.com/docs/loki/latest/configure/#memberlist"]
    }
  }

  locals {
    words = words(value(file("unit"), "Service/ExecStart"), "systemd")

    # Told whom to join, every ring uses the list of members.
    joins      = concat(values("memberlist/join_members/*"), values("memberlist/join_members"), flags(local.words, "-memberlist.join", "--memberlist.join"))
    memberlist = length([for j in local.joins : j if j != ""]) > 0 || contains(concat(values("**/kvstore/store"), ["inmemory"]), "memberlist")
    bind_addr  = [for a in values("memberlist/bind_addr/*") : a if a != ""]
  }

  listen "http" {
    purpose      = "API (HTTP)"
    protocol     = ["tcp"]
    port         = port(first(flag(local.words, "-server.http-listen-port", "--server.http-listen-port"), value("server/http_listen_port")), default.http)
    bind         = [wildcard(first(flag(local.words, "-server.http-listen-address", "--server.http-listen-address"), value("server/http_listen_address")))]
    exposure     = "internal"
    trusted_only = "https://grafana.com/docs/loki/latest/operations/authentication/"
    zero         = "chosen"
  }

  listen "grpc" {
    purpose      = "other components (gRPC)"
    protocol     = ["tcp"]
    port         = port(first(flag(local.words, "-server.grpc-listen-port", "--server.grpc-listen-port"), value("server/grpc_listen_port")), default.grpc)
    bind         = [wildcard(first(flag(local.words, "-server.grpc-listen-address", "--server.grpc-listen-address"), value("server/grpc_listen_address")))]
    exposure     = "internal"
    trusted_only = "https://grafana.com/docs/loki/latest/operations/authentication/"
    zero         = "chosen"
  }

  listen "members" {
    purpose  = "other members (memberlist)"
    when     = local.memberlist
    protocol = ["tcp"]
    port     = port(first(flag(local.words, "-memberlist.bind-port", "--memberlist.bind-port"), value("memberlist/bind_port")), default.members)
    bind     = length(local.bind_addr) > 0 ? local.bind_addr : ["*"]
    exposure = "internal"
    assigned = ["7946"]
    zero     = "chosen"
  }

  # A name may say how it is looked up, "dns+loki:7946"; what a lookup alone tells is left out.
  connect "members" {
    purpose  = "other members"
    for_each = [for m in [for j in local.joins : match("^(?:dns\\+)?(\\[[^]]*\\]|[^:+]+):([0-9]+)$", j)] : m if length(m) > 0]
    protocol = ["tcp"]
    peer     = each.value[0]
    port     = port(each.value[1], null)
  }

  connect "alertmanager" {
    purpose  = "Alertmanager"
    for_each = [for u in flatten([for v in values("ruler/alertmanager_url") : items(v, ",")]) : hostport(u) if hostport(u).port != null]
    protocol = ["tcp"]
    peer     = each.value.host
    port     = port(each.value.port, null)
  }

  connect "aggregation" {
    purpose  = "Loki that keeps aggregated metrics"
    for_each = [for u in values("pattern_ingester/metric_aggregation/loki_address") : hostport(u) if hostport(u).port != null]
    protocol = ["tcp"]
    peer     = each.value.host
    port     = port(each.value.port, null)
  }

  test "nothing written" {
    input  = <<-EOT
      auth_enabled: false
      schema_config:
        configs: []
    EOT
    expect = ["http tcp * 3100 default", "grpc tcp * 9095 default"]
  }

  test "everything written" {
    input = <<-EOT
      server:
        http_listen_address: 10.0.0.5
        http_listen_port: 3200
        grpc_listen_address: 127.0.0.1
        grpc_listen_port: 9295
      common:
        ring:
          kvstore:
            store: memberlist
      memberlist:
        bind_port: 7950
        bind_addr: ["10.0.0.5"]
        join_members:
          - dns+peer.example:7950
      ruler:
        alertmanager_url: http://10.0.0.9:9093
    EOT
    expect = [
      "http tcp 10.0.0.5 3200 config L3",
      "grpc tcp 127.0.0.1 9295 config L5",
      "members tcp 10.0.0.5 7950 config L11",
      "members tcp -> peer.example 7950 config L14",
      "alertmanager tcp -> 10.0.0.9 9093 config L16",
    ]
  }

  test "a ring of its own" {
    input  = <<-EOT
      schema_config: {}
      ingester:
        lifecycler:
          ring:
            kvstore: {store: memberlist}
    EOT
    expect = ["http tcp * 3100 default", "grpc tcp * 9095 default", "members tcp * 7946 default"]
  }

  test "the command line" {
    role   = "unit"
    input  = <<-EOT
      [Service]
      ExecStart=/usr/bin/loki -config.file /etc/loki/config.yml -server.http-listen-port=3300
    EOT
    expect = ["http tcp * 3300 config L2", "grpc tcp * 9095 default"]
  }
}
