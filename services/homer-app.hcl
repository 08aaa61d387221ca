# HOMER's web application. HTTPS replaces HTTP. Nothing is built in for the port of HTTP:
# without one it cannot start.

service "homer-app" {
  title     = "HOMER web application"
  platforms = ["linux"]
  cites     = ["https://github.com/sipcapture/homer-app/blob/2094d3ff98e2578ca17138a2d1ebb8e69ece2a14/etc/webapp_config.json"]

  file "conf" {
    format = "json"
    accept = has("http_settings") || has("https_settings") || has("hep_relay") || has("database_config") && has("database_data")
    paths = {
      linux = ["/usr/local/homer/etc/webapp_config.json", "/etc/homer/webapp_config.json", "/usr/local/homer/webapp_config.json"]
    }
  }

  # What lib/pq takes for a database without a port.
  default "postgresql" {
    setting = "port"
    case {
      value = 5432
      cites = ["https://pkg.go.dev/github.com/lib/pq#hdr-Connection_String_Parameters"]
    }
  }

  locals {
    https = truthy(value("https_settings/enable"), false)

    # One database, or several by name.
    data      = has("database_data/host") ? find("database_data") : find("database_data/*")
    databases = [for n in concat(find("database_config"), local.data) : n if value(n, "host") != null && value(n, "host") != ""]
  }

  listen "http" {
    purpose  = "web interface"
    when     = !local.https
    protocol = ["tcp"]
    port     = port(nonempty(value("http_settings/port")), null)
    bind     = [wildcard(value("http_settings/host"))]
    exposure = "admin"
    assigned = ["80"]
    zero     = "chosen"
  }

  listen "https" {
    purpose  = "web interface (HTTPS)"
    when     = local.https
    protocol = ["tcp"]
    port     = port(nonempty(value("https_settings/port")), null)
    bind     = [wildcard(value("https_settings/host"))]
    exposure = "admin"
    assigned = ["443"]
    zero     = "chosen"
  }

  connect "hep" {
    purpose  = "HEP"
    for_each = [for n in find("hep_relay") : n if value(n, "host") != null && value(n, "port") != null]
    protocol = ["udp"]
    peer     = value(each.value, "host")
    port     = port(value(each.value, "port"), null)
  }

  connect "database" {
    purpose  = "database"
    for_each = local.databases
    protocol = ["tcp"]
    peer     = value(each.value, "host")
    port     = port(value(each.value, "port") == "0" ? null : value(each.value, "port"), default.postgresql)
    to       = ["postgresql.postgresql"]
  }

  connect "web" {
    purpose  = "InfluxDB, Prometheus, Loki or Grafana"
    for_each = [for a in [for n in concat(find("influxdb_config"), find("prometheus_config"), find("loki_config"), find("grafana_config")) : hostport(value(n, "host")) if truthy(value(n, "enable"), true)] : a if a.port != null]
    protocol = ["tcp"]
    peer     = each.value.host
    port     = port(each.value.port, null)
  }

  connect "ldap" {
    purpose  = "LDAP"
    for_each = lower(text(value("auth_settings/type"), "internal")) == "ldap" ? [for n in find("ldap_config") : n if value(n, "host") != null && value(n, "port") != null] : []
    protocol = ["tcp"]
    peer     = value(each.value, "host")
    port     = port(value(each.value, "port"), null)
  }

  test "HTTP" {
    input = <<-EOT
      {
        "http_settings": {
          "host": "127.0.0.1",
          "port": 9081
        },
        "https_settings": { "enable": false, "port": 444 },
        "hep_relay": { "host": "10.0.0.9", "port": 9061 },
        "database_config": { "host": "10.0.0.8" },
        "database_data": { "first": { "host": "10.0.0.7", "port": 5433 } },
        "loki_config": { "host": "http://10.0.0.6:3100", "enable": true },
        "grafana_config": { "host": "http://10.0.0.6:3000", "enable": false },
        "ldap_config": { "host": "ldap.example", "port": 389 }
      }
    EOT
    expect = [
      "http tcp 127.0.0.1 9081 config L4",
      "hep udp -> 10.0.0.9 9061 config L7",
      "database tcp -> 10.0.0.8 5432 default",
      "database tcp -> 10.0.0.7 5433 config L9",
      "web tcp -> 10.0.0.6 3100 config L10",
    ]
  }

  test "HTTPS in place of HTTP, and LDAP" {
    input = <<-EOT
      {
        "http_settings": { "host": "0.0.0.0", "port": 9080 },
        "https_settings": {
          "enable": true,
          "host": "0.0.0.0",
          "port": "8443"
        },
        "database_data": { "host": "localhost" },
        "auth_settings": { "type": "ldap" },
        "ldap_config": { "host": "ldap.example", "port": 636 }
      }
    EOT
    expect = [
      "https tcp * 8443 config L6",
      "database tcp -> localhost 5432 default",
      "ldap tcp -> ldap.example 636 config L10",
    ]
  }

  test "no port" {
    input  = <<-EOT
      { "http_settings": { "host": "0.0.0.0" } }
    EOT
    expect = []
  }
}
