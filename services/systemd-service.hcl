# Service units whose program has no description of its own. One option means the same in
# all programs that have it: exporters of metrics are built with one toolkit, which reads
# --web.listen-address. No other port of an unknown command line is sure.

service "systemd-service" {
  title     = "systemd service unit"
  platforms = ["linux"]
  carrier   = true
  cites     = ["https://www.freedesktop.org/software/systemd/man/latest/systemd.service.html"]

  file "unit" {
    format      = "systemd"
    common_name = true
    accept      = has_flag(words(value("Service/ExecStart"), "systemd"), "--web.listen-address")
    paths = {
      linux = ["/etc/systemd/system/*.service"]
    }
  }

  locals {
    words  = words(value("Service/ExecStart"), "systemd")
    passed = has_flag(local.words, "--web.systemd-socket")
  }

  # https://github.com/prometheus/exporter-toolkit/blob/master/web/kingpinflag/flag.go
  listen "metrics" {
    purpose  = "metrics"
    for_each = [for a in [for a in flags(local.words, "--web.listen-address") : hostport(a)] : a if a.port != null]
    when     = !local.passed
    protocol = ["tcp"]
    port     = port(each.value.port, null)
    bind     = [first(each.value.host, "*")]
    zero     = "unknown"
    exposure = "admin"
  }

  test "an exporter" {
    input = <<-EOT
      [Service]
      ExecStart=/opt/sip_exporter --web.listen-address=10.0.0.5:9742 --log.level info
    EOT
    expect = [
      "metrics tcp 10.0.0.5 9742 config L2",
    ]
  }

  test "what a port option means is not known" {
    input  = <<-EOT
      [Service]
      ExecStart=/opt/daemon --port 9000 -p 9001
    EOT
    expect = []
  }
}
