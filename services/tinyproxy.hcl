# Tinyproxy.

service "tinyproxy" {
  title     = "Tinyproxy"
  platforms = ["linux", "freebsd"]
  cites     = ["https://tinyproxy.github.io/"]

  file "conf" {
    format = "keyword"
    paths = {
      linux = ["/etc/tinyproxy/tinyproxy.conf", "/etc/tinyproxy.conf"]
    }
  }

  locals {
    listens = values("Listen")
  }

  # Without a Port it does not start, so there is no default. Ports in Upstream,
  # ConnectPort and reverse lines are those of others.
  listen "proxy" {
    purpose  = "HTTP proxy"
    when     = has("Port")
    protocol = ["tcp"]
    port     = port(value("Port"), null)
    bind     = length(local.listens) > 0 ? [for a in local.listens : a] : ["*"]
    zero     = "unknown"
    exposure = "internal"
  }

  test "as shipped" {
    input  = <<-EOT
      User tinyproxy
      Port 8889
      Timeout 600
      ConnectPort 443
      Upstream http proxy.example:3128
    EOT
    expect = ["proxy tcp * 8889 config L2"]
  }

  test "two addresses" {
    input  = <<-EOT
      Port 3128
      Listen 10.0.0.5
      Listen ::1
    EOT
    expect = ["proxy tcp 10.0.0.5,::1 3128 config L1"]
  }
}
