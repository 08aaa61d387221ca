# Prometheus. Its file says whom to ask, and the ports in it are those of others; where it
# listens itself is said on the command line.

service "prometheus" {
  title     = "Prometheus"
  platforms = ["linux", "windows-server"]
  cites     = ["https://prometheus.io/docs/prometheus/latest/command-line/prometheus/"]

  file "conf" {
    format = "yaml"
    accept = has("scrape_configs") || has("global") || has("scrape_config_files") || has("remote_write") || has("rule_files")
    paths = {
      linux = ["/etc/prometheus/prometheus.yml", "/etc/prometheus/prometheus.yaml"]
    }
  }

  file "unit" {
    format = "systemd"
    units  = ["prometheus.service", "prometheus@*.service"]
  }

  file "env" {
    format = "env"
    paths = {
      linux = ["/etc/default/prometheus", "/etc/sysconfig/prometheus"]
    }
  }

  file "container" {
    format = "compose"
    images = ["prometheus"]
  }

  default "port" {
    setting = "--web.listen-address"
    case {
      value = 9090
      cites = ["https://prometheus.io/docs/prometheus/latest/command-line/prometheus/"]
    }
  }

  locals {
    unit  = command(file("unit"), file("container"))
    env   = flatten([for v in values(file("env"), "*") : words(v, "shell")])
    words = concat(local.unit, local.env)

    # A variable at the end of the command, whose file is not there, may say anything.
    variable = file("env") == null && length(match("(\\$)[A-Za-z0-9_]+\\s*$", value(file("unit"), "Service/ExecStart"))) > 0

    addresses = flags(local.words, "--web.listen-address")
  }

  # What listens in Go is on both families for the wildcard address of either:
  # https://pkg.go.dev/net#Listen, and seen with 2.42.0.
  listen "web" {
    purpose      = "web interface and API"
    for_each     = [for a in [for a in local.addresses : hostport(a)] : a if a.port != null]
    protocol     = ["tcp"]
    port         = port(each.value.port, null)
    bind         = [wildcard(each.value.host)]
    zero         = "unknown"
    exposure     = "admin"
    trusted_only = "https://prometheus.io/docs/operating/security/"
    assigned     = ["9090"]
  }

  listen "web-default" {
    purpose      = "web interface and API"
    when         = length(local.addresses) == 0 && !local.variable
    protocol     = ["tcp"]
    port         = port(null, default.port)
    bind         = ["*"]
    zero         = "unknown"
    exposure     = "admin"
    trusted_only = "https://prometheus.io/docs/operating/security/"
    assigned     = ["9090"]
  }

  # The last word is the variable then, and the port is not known.
  listen "web-hidden" {
    purpose  = "web interface and API"
    for_each = length(local.addresses) == 0 && local.variable ? [local.unit[length(local.unit) - 1]] : []
    protocol = ["tcp"]
    port     = port(each.value, null)
    exposure = "admin"
    assigned = ["9090"]
  }

  # A target without a port has that of its scheme, which others may still rewrite.
  connect "target" {
    purpose  = "scraped target"
    for_each = [for t in [for t in values("scrape_configs/*/static_configs/*/targets/*") : hostport(t)] : t if t.port != null]
    protocol = ["tcp"]
    peer     = each.value.host
    port     = port(each.value.port, null)
  }

  connect "alertmanager" {
    purpose  = "Alertmanager"
    for_each = [for t in [for t in values("alerting/alertmanagers/*/static_configs/*/targets/*") : hostport(t)] : t if t.port != null]
    protocol = ["tcp"]
    peer     = each.value.host
    port     = port(each.value.port, null)
  }

  test "targets are not listeners" {
    input = <<-EOT
      global:
        scrape_interval: 30s
      scrape_configs:
        - job_name: voice
          static_configs:
            - targets: ["10.0.0.5:9641", "10.0.0.6:9100", "10.0.0.7"]
      alerting:
        alertmanagers:
          - static_configs:
              - targets:
                  - alerts.example:9093
    EOT
    expect = [
      "web-default tcp * 9090 default", "target tcp -> 10.0.0.5 9641 config L6", "target tcp -> 10.0.0.6 9100 config L6",
      "alertmanager tcp -> alerts.example 9093 config L11",
    ]
  }

  test "the command line" {
    role   = "unit"
    input  = <<-EOT
      [Service]
      ExecStart=/usr/bin/prometheus --config.file=/etc/prometheus/p.yml --web.listen-address=127.0.0.1:9099
    EOT
    expect = ["web tcp 127.0.0.1 9099 config L2"]
  }

  test "a variable of a file that is not there" {
    role   = "unit"
    input  = <<-EOT
      [Service]
      ExecStart=/usr/bin/prometheus $ARGS
    EOT
    expect = []
  }

  test "options in the environment" {
    role   = "env"
    input  = <<-EOT
      ARGS="--web.listen-address=[::1]:9095"
    EOT
    expect = ["web tcp ::1 9095 config L1"]
  }

  test "wildcards" {
    role   = "env"
    input  = <<-EOT
      ARGS="--web.listen-address=0.0.0.0:9096"
    EOT
    expect = ["web tcp * 9096 config L1"]
  }

  test "a container" {
    role   = "container"
    input  = <<-EOT
      services:
        prometheus:
          image: prom/prometheus
          network_mode: host
          command:
            - --config.file=/etc/prometheus/prometheus.yml
            - --web.listen-address=127.0.0.1:9191
    EOT
    expect = ["web tcp 127.0.0.1 9191 config L7"]
  }
}
