# heplify-server (HOMER). An address that is empty is off. The environment wins over the
# file, HEPLIFYSERVER_ and the name in capitals; options of the command line win over both.

service "heplify-server" {
  title     = "heplify-server"
  platforms = ["linux"]
  cites     = ["https://github.com/sipcapture/heplify-server/blob/0112e4dda97e34bf18a9be5517cf9be73d96609e/example/homer7_config/heplify-server.toml"]

  file "conf" {
    format = "toml"
    paths = {
      linux = ["/etc/heplify-server.toml", "/etc/heplify-server/heplify-server.toml", "/opt/heplify-server/heplify-server.toml"]
    }
  }

  # The same settings; the file that builds the package has its name too.
  file "yaml" {
    format      = "yaml"
    common_name = true
    accept      = has("HEPAddr") || has("HEPTCPAddr") || has("HEPTLSAddr") || has("HEPWSAddr") || has("PromAddr") || has("DBAddr") || has("ConfigHTTPAddr")
    paths = {
      linux = ["/etc/heplify-server.yaml", "/etc/heplify-server.yml", "/etc/heplify-server/heplify-server.yaml"]
    }
  }

  file "env" {
    format = "env"
    paths = {
      linux = ["/etc/default/heplify-server", "/etc/sysconfig/heplify-server"]
    }
  }

  file "unit" {
    format = "systemd"
    units  = ["heplify-server.service"]
  }

  file "container" {
    format = "compose"
    images = ["heplify-server"]
  }

  default "hep" {
    setting = "HEPAddr"
    case {
      value = "0.0.0.0:9060"
      cites = ["https://github.com/sipcapture/heplify-server/blob/00229d101f11af22aa15e88805ef176bdbf5d6bc/config/config.go"]
    }
  }

  default "prometheus" {
    setting = "PromAddr"
    case {
      value = ":9096"
      cites = ["https://github.com/sipcapture/heplify-server/blob/00229d101f11af22aa15e88805ef176bdbf5d6bc/config/config.go"]
    }
  }

  locals {
    yaml = file("yaml")
    env  = first(file("env"), find(file("container"), "environment")...)
    argv = command(file("unit"), file("container"))
    unit = flatten([for v in values(file("unit"), "Service/Environment") : words(v, "systemd")])

    hep        = text(first(flag(local.argv, "-hepaddr", "--hepaddr"), value(local.env, "HEPLIFYSERVER_HEPADDR"), flag(local.unit, "HEPLIFYSERVER_HEPADDR"), value(local.yaml, "HEPAddr"), value("HEPAddr")), default.hep)
    tcp        = first(flag(local.argv, "-heptcpaddr", "--heptcpaddr"), value(local.env, "HEPLIFYSERVER_HEPTCPADDR"), flag(local.unit, "HEPLIFYSERVER_HEPTCPADDR"), value(local.yaml, "HEPTCPAddr"), value("HEPTCPAddr"))
    tls        = first(flag(local.argv, "-heptlsaddr", "--heptlsaddr"), value(local.env, "HEPLIFYSERVER_HEPTLSADDR"), flag(local.unit, "HEPLIFYSERVER_HEPTLSADDR"), value(local.yaml, "HEPTLSAddr"), value("HEPTLSAddr"))
    ws         = first(flag(local.argv, "-hepwsaddr", "--hepwsaddr"), value(local.env, "HEPLIFYSERVER_HEPWSADDR"), flag(local.unit, "HEPLIFYSERVER_HEPWSADDR"), value(local.yaml, "HEPWSAddr"), value("HEPWSAddr"))
    prometheus = text(first(flag(local.argv, "-promaddr", "--promaddr"), value(local.env, "HEPLIFYSERVER_PROMADDR"), flag(local.unit, "HEPLIFYSERVER_PROMADDR"), value(local.yaml, "PromAddr"), value("PromAddr")), default.prometheus)
    config     = first(flag(local.argv, "-confighttpaddr", "--confighttpaddr"), value(local.env, "HEPLIFYSERVER_CONFIGHTTPADDR"), flag(local.unit, "HEPLIFYSERVER_CONFIGHTTPADDR"), value(local.yaml, "ConfigHTTPAddr"), value("ConfigHTTPAddr"))
    database   = first(flag(local.argv, "-dbaddr", "--dbaddr"), value(local.env, "HEPLIFYSERVER_DBADDR"), flag(local.unit, "HEPLIFYSERVER_DBADDR"), value(local.yaml, "DBAddr"), value("DBAddr"))
    elastic    = first(flag(local.argv, "-esaddr", "--esaddr"), value(local.env, "HEPLIFYSERVER_ESADDR"), flag(local.unit, "HEPLIFYSERVER_ESADDR"), value(local.yaml, "ESAddr"), value("ESAddr"))
    loki       = first(flag(local.argv, "-lokiurl", "--lokiurl"), value(local.env, "HEPLIFYSERVER_LOKIURL"), flag(local.unit, "HEPLIFYSERVER_LOKIURL"), value(local.yaml, "LokiURL"), value("LokiURL"))
  }

  listen "hep" {
    purpose  = "HEP"
    when     = local.hep != ""
    protocol = ["udp"]
    port     = port(hostport(local.hep).port, null)
    bind     = [wildcard(hostport(local.hep).host)]
    exposure = "internal"
    zero     = "chosen"
  }

  listen "hep-tcp" {
    purpose  = "HEP over TCP"
    when     = local.tcp != null && local.tcp != ""
    protocol = ["tcp"]
    port     = port(hostport(local.tcp).port, null)
    bind     = [wildcard(hostport(local.tcp).host)]
    exposure = "internal"
    zero     = "chosen"
  }

  listen "hep-tls" {
    purpose  = "HEP over TLS"
    when     = local.tls != null && local.tls != ""
    protocol = ["tcp"]
    port     = port(hostport(local.tls).port, null)
    bind     = [wildcard(hostport(local.tls).host)]
    exposure = "internal"
    zero     = "chosen"
  }

  listen "hep-ws" {
    purpose  = "HEP over WebSocket"
    when     = local.ws != null && local.ws != ""
    protocol = ["tcp"]
    port     = port(hostport(local.ws).port, null)
    bind     = [wildcard(hostport(local.ws).host)]
    exposure = "internal"
    zero     = "chosen"
  }

  listen "metrics" {
    purpose  = "Prometheus metrics"
    when     = local.prometheus != ""
    protocol = ["tcp"]
    port     = port(hostport(local.prometheus).port, null)
    bind     = [wildcard(hostport(local.prometheus).host)]
    exposure = "admin"
    zero     = "chosen"
  }

  listen "config" {
    purpose  = "settings in the browser"
    when     = local.config != null && local.config != ""
    protocol = ["tcp"]
    port     = port(hostport(local.config).port, null)
    bind     = [wildcard(hostport(local.config).host)]
    exposure = "admin"
    zero     = "chosen"
  }

  connect "database" {
    purpose  = "database"
    for_each = [for a in [hostport(local.database)] : a if a.port != null]
    protocol = ["tcp"]
    peer     = each.value.host
    port     = port(each.value.port, null)
    to       = ["postgresql.postgresql", "mysql.mysql", "mariadb.mariadb"]
  }

  connect "elasticsearch" {
    purpose  = "Elasticsearch"
    for_each = [for a in [for u in items(local.elastic, ",") : hostport(u)] : a if a.port != null]
    protocol = ["tcp"]
    peer     = each.value.host
    port     = port(each.value.port, null)
  }

  connect "loki" {
    purpose  = "Loki"
    for_each = [for a in [hostport(local.loki)] : a if a.port != null]
    protocol = ["tcp"]
    peer     = each.value.host
    port     = port(each.value.port, null)
    to       = ["loki.http"]
  }

  test "nothing written" {
    input  = <<-EOT
      LogLvl = "info"
    EOT
    expect = ["hep udp * 9060 default", "metrics tcp * 9096 default"]
  }

  test "everything written" {
    input = <<-EOT
      HEPAddr        = "10.0.0.5:9070"
      HEPTCPAddr     = ":9071"
      HEPTLSAddr     = "[2001:db8::5]:9072"
      HEPWSAddr      = "0.0.0.0:9073"
      PromAddr       = "127.0.0.1:9090"
      ConfigHTTPAddr = "127.0.0.1:9876"
      ESAddr         = "http://10.0.0.9:9200"
      LokiURL        = "http://10.0.0.9:3100/loki/api/v1/push"
      DBAddr         = "10.0.0.9:5433"
    EOT
    expect = [
      "hep udp 10.0.0.5 9070 config L1",
      "hep-tcp tcp * 9071 config L2",
      "hep-tls tcp 2001:db8::5 9072 config L3",
      "hep-ws tcp * 9073 config L4",
      "metrics tcp 127.0.0.1 9090 config L5",
      "config tcp 127.0.0.1 9876 config L6",
      "elasticsearch tcp -> 10.0.0.9 9200 config L7",
      "loki tcp -> 10.0.0.9 3100 config L8",
      "database tcp -> 10.0.0.9 5433 config L9",
    ]
  }

  test "switched off" {
    input  = <<-EOT
      HEPAddr  = ""
      PromAddr = ""
      LokiURL  = ""
    EOT
    expect = []
  }

  test "YAML" {
    role   = "yaml"
    input  = <<-EOT
      hepaddr: 0.0.0.0:9070
      promaddr: ""
    EOT
    expect = ["hep udp * 9070 config L1"]
  }

  test "the environment" {
    role   = "env"
    input  = <<-EOT
      HEPLIFYSERVER_HEPADDR=0.0.0.0:9080
      HEPLIFYSERVER_PROMADDR=0.0.0.0:9081
    EOT
    expect = ["hep udp * 9080 config L1", "metrics tcp * 9081 config L2"]
  }

  test "a unit" {
    role   = "unit"
    input  = <<-EOT
      [Service]
      Environment=HEPLIFYSERVER_PROMADDR=
      ExecStart=/usr/local/bin/heplify-server -config /etc/heplify-server.toml -heptcpaddr 0.0.0.0:9061
    EOT
    expect = ["hep udp * 9060 default", "hep-tcp tcp * 9061 config L3"]
  }

  test "a container" {
    role   = "container"
    input  = <<-EOT
      services:
        hep:
          image: sipcapture/heplify-server
          network_mode: host
          environment:
            - HEPLIFYSERVER_HEPADDR=192.0.2.7:9061
            - HEPLIFYSERVER_PROMADDR=:9098
    EOT
    expect = ["hep udp 192.0.2.7 9061 config L6", "metrics tcp * 9098 config L7"]
  }
}
