# node_exporter. It has no configuration file for its port: the command line says it.

service "node_exporter" {
  title     = "Prometheus node exporter"
  platforms = ["linux"]
  cites     = ["https://github.com/prometheus/node_exporter"]

  file "unit" {
    format = "systemd"
    units  = ["node_exporter*.service", "prometheus-node-exporter*.service"]
  }

  file "env" {
    format = "env"
    paths = {
      linux = ["/etc/default/prometheus-node-exporter", "/etc/default/node_exporter", "/etc/sysconfig/node_exporter"]
    }
  }

  file "container" {
    format = "compose"
    images = ["node-exporter", "node_exporter"]
  }

  default "port" {
    setting = "--web.listen-address"
    case {
      value = 9100
      cites = ["https://github.com/prometheus/node_exporter#installation-and-usage"]
    }
  }

  locals {
    unit  = words(value("Service/ExecStart"), "systemd")
    env   = flatten([for v in values(file("env"), "*") : words(v, "shell")])
    words = concat(local.unit, local.env, command(file("container")))

    # A variable at the end of the command, whose file is not there, may say anything.
    variable = file("env") == null && length(match("(\\$)[A-Za-z0-9_]+\\s*$", value("Service/ExecStart"))) > 0

    # systemd opens the socket then, and its socket unit says where.
    passed    = has_flag(local.words, "--web.systemd-socket")
    addresses = flags(local.words, "--web.listen-address")
  }

  # What listens in Go is on both families for the wildcard address of either:
  # https://pkg.go.dev/net#Listen, and seen with 1.5.0.
  listen "metrics" {
    purpose      = "metrics"
    for_each     = [for a in [for a in local.addresses : hostport(a)] : a if a.port != null]
    when         = !local.passed
    protocol     = ["tcp"]
    port         = port(each.value.port, null)
    bind         = [wildcard(each.value.host)]
    zero         = "unknown"
    exposure     = "admin"
    trusted_only = "https://prometheus.io/docs/operating/security/"
    assigned     = ["9100"]
  }

  listen "metrics-default" {
    purpose      = "metrics"
    when         = !local.passed && length(local.addresses) == 0 && !local.variable
    protocol     = ["tcp"]
    port         = port(null, default.port)
    zero         = "unknown"
    exposure     = "admin"
    trusted_only = "https://prometheus.io/docs/operating/security/"
    assigned     = ["9100"]
  }

  # The last word is the variable then, and the port is not known.
  listen "metrics-hidden" {
    purpose  = "metrics"
    for_each = length(local.addresses) == 0 && local.variable ? [local.unit[length(local.unit) - 1]] : []
    when     = !local.passed
    protocol = ["tcp"]
    port     = port(each.value, null)
    exposure = "admin"
    assigned = ["9100"]
  }

  test "no options" {
    input  = <<-EOT
      [Service]
      ExecStart=/usr/local/bin/node_exporter --collector.systemd
    EOT
    expect = ["metrics-default tcp * 9100 default"]
  }

  test "two addresses" {
    input = <<-EOT
      [Service]
      ExecStart=/usr/local/bin/node_exporter \
        --web.listen-address=127.0.0.1:9101 \
        --web.listen-address ":9102"
    EOT
    expect = [
      "metrics tcp 127.0.0.1 9101 config L3",
      "metrics tcp * 9102 config L4",
    ]
  }

  test "systemd opens the socket" {
    input  = <<-EOT
      [Service]
      ExecStart=/usr/sbin/node_exporter --web.systemd-socket $EXTRA
    EOT
    expect = []
  }

  test "a variable of a file that is not there" {
    input  = <<-EOT
      [Service]
      EnvironmentFile=/etc/default/exporter
      ExecStart=/usr/bin/node_exporter $ARGS
    EOT
    expect = []
  }

  test "options in the environment" {
    role   = "env"
    input  = <<-EOT
      ARGS="--collector.wifi --web.listen-address=10.0.0.5:9100"
    EOT
    expect = ["metrics tcp 10.0.0.5 9100 config L1"]
  }

  test "wildcards" {
    role   = "env"
    input  = <<-EOT
      ARGS="--web.listen-address=0.0.0.0:9106 --web.listen-address=[::]:9107"
    EOT
    expect = ["metrics tcp * 9106 config L1", "metrics tcp * 9107 config L1"]
  }

  test "a container" {
    role   = "container"
    input  = <<-EOT
      services:
        exporter:
          image: quay.io/prometheus/node-exporter:latest
          network_mode: host
          command: ["--path.rootfs=/host", "--web.listen-address=:9177"]
    EOT
    expect = ["metrics tcp * 9177 config L5"]
  }
}
