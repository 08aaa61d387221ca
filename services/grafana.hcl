# Grafana. A variable of the environment, GF_SECTION_KEY, goes before the file.

service "grafana" {
  title     = "Grafana"
  platforms = ["linux"]
  cites     = ["https://grafana.com/docs/grafana/latest/setup-grafana/configure-grafana/", "https://github.com/grafana/grafana/blob/002060fdada8ac00eda5e1cd8f24a780e2463b97/conf/defaults.ini"]

  file "conf" {
    format = "lines"
    paths = {
      linux = ["/etc/grafana/grafana.ini"]
    }
    # https://ini.unknwon.io/docs/advanced: what Grafana reads it with.
    dialect {
      comments     = "#;"
      inline       = "#;"
      delimiters   = "=:"
      sections     = true
      quotes       = "\"'`"
      continuation = "backslash"
    }
  }

  file "env" {
    format = "env"
    paths = {
      linux = ["/etc/default/grafana-server", "/etc/sysconfig/grafana-server"]
    }
  }

  default "port" {
    setting = "http_port"
    case {
      value = 3000
      cites = ["https://github.com/grafana/grafana/blob/002060fdada8ac00eda5e1cd8f24a780e2463b97/conf/defaults.ini#L41"]
    }
  }

  default "gossip" {
    setting = "ha_listen_address"
    case {
      value = 9094
      note  = "0.0.0.0:9094"
      cites = ["https://github.com/grafana/grafana/blob/002060fdada8ac00eda5e1cd8f24a780e2463b97/conf/defaults.ini"]
    }
  }

  locals {
    protocol = first(nonempty(value(file("env"), "GF_SERVER_PROTOCOL")), nonempty(setting("server", "protocol")))
    gossip   = first(nonempty(value(file("env"), "GF_UNIFIED_ALERTING_HA_LISTEN_ADDRESS")), nonempty(setting("unified_alerting", "ha_listen_address")))
    peers    = first(nonempty(value(file("env"), "GF_UNIFIED_ALERTING_HA_PEERS")), nonempty(setting("unified_alerting", "ha_peers")))
  }

  listen "http" {
    purpose  = "web pages and API"
    protocol = ["tcp"]
    when     = !starts_with(text(local.protocol, "http"), "socket")
    port     = port(first(nonempty(value(file("env"), "GF_SERVER_HTTP_PORT")), nonempty(setting("server", "http_port"))), default.port)
    bind     = [wildcard(first(nonempty(value(file("env"), "GF_SERVER_HTTP_ADDR")), setting("server", "http_addr")))]
    exposure = "public"
  }

  # "Configuring this setting will enable High Availability mode for alerting", of ha_peers.
  listen "gossip" {
    for_each = length(items(text(local.peers, ""), ",")) > 0 ? ["x"] : []
    purpose  = "alerting among several Grafanas"
    protocol = ["tcp", "udp"]
    port     = port(hostport(local.gossip).port, default.gossip)
    bind     = [wildcard(hostport(local.gossip).host)]
    exposure = "internal"
  }

  test "nothing written" {
    input = "[server]\n;http_port = 4000\n"
    expect = [
      "http tcp * 3000 default",
    ]
  }

  test "everything written" {
    input = "app_mode = production\n[server]\nprotocol = https\nhttp_addr = 192.0.2.1\nhttp_port = 3443\n[unified_alerting]\nha_peers = \"192.0.2.2:9095\"\nha_listen_address = \"192.0.2.1:9095\"\n"
    expect = [
      "gossip tcp 192.0.2.1 9095 config L8",
      "gossip udp 192.0.2.1 9095 config L8",
      "http tcp 192.0.2.1 3443 config L5",
    ]
  }

  test "the environment goes first" {
    files = {
      conf = "[server]\nhttp_port = 3001\nhttp_addr =\n"
      env  = "GF_SERVER_HTTP_PORT=3002\n"
    }
    expect = [
      "http tcp * 3002 config L1",
    ]
  }

  test "a socket in the file system" {
    input  = "[server]\nprotocol = socket\nhttp_port = 3003\n"
    expect = []
  }

  test "a variable is not known" {
    input  = "[server]\nhttp_port = $__env{PORT}\n"
    expect = []
  }
}
