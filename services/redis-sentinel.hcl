# Redis Sentinel. It reads the language of Redis, with "sentinel" lines.

service "redis-sentinel" {
  title     = "Redis Sentinel"
  platforms = ["linux", "freebsd", "macos"]
  cites     = ["https://github.com/redis/redis/blob/4f8cdc2a1ea53e42955af758aabffee67cb455dd/sentinel.conf"]

  file "conf" {
    format = "redis"
    accept = has("sentinel")
    paths = {
      linux = ["/etc/redis/sentinel.conf", "/etc/redis-sentinel.conf", "/etc/sentinel.conf", "/etc/redis/redis-sentinel.conf"]
    }
  }

  default "port" {
    setting = "port"
    case {
      value = 26379
      cites = ["https://redis.io/docs/latest/operate/oss_and_stack/management/sentinel/"]
    }
  }

  locals {
    addresses = [for a in words(value("bind"), "shell") : trim_prefix(a, "-")]
    exact     = [for a in local.addresses : a == "*" ? "0.0.0.0" : a == "::*" ? "::" : a]
    binds     = contains(local.addresses, "*") && contains(local.addresses, "::*") ? ["*"] : local.exact
    tcp       = value("bind") == null || length(local.addresses) > 0
    tls       = port(value("tls-port"), 0)
  }

  listen "sentinel" {
    purpose      = "Sentinel"
    when         = local.tcp
    protocol     = ["tcp"]
    port         = port(value("port"), default.port)
    bind         = local.binds
    v6only       = true
    exposure     = "internal"
    trusted_only = "https://redis.io/docs/latest/operate/oss_and_stack/management/security/"
    assigned     = ["26379"]
  }

  listen "tls" {
    purpose  = "Sentinel over TLS"
    when     = local.tcp && local.tls != 0
    protocol = ["tcp"]
    port     = local.tls
    bind     = local.binds
    v6only   = true
    exposure = "internal"
    assigned = ["26379"]
  }

  # sentinel monitor NAME HOST PORT QUORUM
  connect "master" {
    purpose  = "Redis that is watched"
    for_each = [for n in find("sentinel") : args(n) if length(args(n)) >= 4 && length(match("^(?i)(monitor)$", args(n)[0])) > 0]
    protocol = ["tcp"]
    peer     = each.value[2]
    port     = port(each.value[3], null)
    to       = ["redis.redis", "redis.tls"]
  }

  test "two masters" {
    input  = <<-EOT
      port 26380
      bind 10.3.0.1
      sentinel monitor calls 10.3.0.9 6380 2
      SENTINEL monitor cdrs cdrs.example 6381 2
      sentinel down-after-milliseconds calls 5000
    EOT
    expect = ["sentinel tcp 10.3.0.1 26380 config L1", "master tcp -> 10.3.0.9 6380 config L3", "master tcp -> cdrs.example 6381 config L4"]
  }

  test "the default" {
    input  = <<-EOT
      sentinel resolve-hostnames no
    EOT
    expect = ["sentinel tcp * 26379 default"]
  }
}
