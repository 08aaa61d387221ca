# Redis. One process may listen on a plain port, a TLS port and the bus of a cluster.

service "redis" {
  title     = "Redis"
  platforms = ["linux", "freebsd", "macos"]
  cites     = ["https://github.com/redis/redis/blob/4f8cdc2a1ea53e42955af758aabffee67cb455dd/redis.conf"]

  file "conf" {
    format = "redis"
    accept = !has("sentinel")
    paths = {
      linux = ["/etc/redis/redis.conf", "/etc/redis.conf", "/etc/redis/redis-*.conf", "/etc/redis/6379.conf"]
    }
  }

  file "container" {
    format  = "compose"
    images  = ["redis", "valkey"]
    options = {}
  }

  default "port" {
    setting = "port"
    case {
      value = 6379
      cites = ["https://github.com/redis/redis/blob/4f8cdc2a1ea53e42955af758aabffee67cb455dd/redis.conf#L137"]
    }
  }

  locals {
    # A "-" says that the address may be missing; "*" is IPv4 only and "::*" IPv6 only.
    addresses = [for a in words(value("bind"), "shell") : trim_prefix(a, "-")]
    exact     = [for a in local.addresses : a == "*" ? "0.0.0.0" : a == "::*" ? "::" : a]
    binds     = contains(local.addresses, "*") && contains(local.addresses, "::*") ? ["*"] : local.exact
    # bind "" listens on no address.
    tcp      = value("bind") == null || length(local.addresses) > 0
    port     = port(value("port"), default.port)
    tls      = port(value("tls-port"), 0)
    cluster  = truthy(value("cluster-enabled"), false)
    over_tls = truthy(value("tls-cluster"), false)
    open     = !truthy(value("protected-mode"), true) && !has("requirepass") && !has("aclfile") && !has("user")
    bus      = port(value("cluster-port"), 0)
  }

  listen "redis" {
    purpose      = "Redis"
    when         = local.tcp
    protocol     = ["tcp"]
    port         = local.port
    bind         = local.binds
    v6only       = true
    unguarded    = local.open ? "whoever gets there may read and change everything: protected-mode is off and no password is set" : null
    exposure     = "internal"
    trusted_only = "https://redis.io/docs/latest/operate/oss_and_stack/management/security/"
    assigned     = ["6379"]
  }

  listen "tls" {
    purpose  = "Redis over TLS"
    when     = local.tcp && local.tls != 0
    protocol = ["tcp"]
    port     = local.tls
    bind     = local.binds
    v6only   = true
    exposure = "internal"
    assigned = ["6379"]
  }

  # Without a port of its own the bus stands 10000 above the port that clients of the
  # cluster use.
  listen "cluster-bus" {
    purpose      = "cluster bus"
    when         = local.tcp && local.cluster && local.bus != 0
    protocol     = ["tcp"]
    port         = local.bus
    bind         = local.binds
    v6only       = true
    exposure     = "internal"
    trusted_only = "https://redis.io/docs/latest/operate/oss_and_stack/management/security/"
  }

  listen "cluster-bus-derived" {
    purpose      = "cluster bus"
    when         = local.tcp && local.cluster && local.bus == 0 && !local.over_tls
    protocol     = ["tcp"]
    port         = local.port + 10000
    bind         = local.binds
    v6only       = true
    exposure     = "internal"
    trusted_only = "https://redis.io/docs/latest/operate/oss_and_stack/management/security/"
  }

  listen "cluster-bus-derived-tls" {
    purpose  = "cluster bus"
    when     = local.tcp && local.cluster && local.bus == 0 && local.over_tls
    protocol = ["tcp"]
    port     = local.tls + 10000
    bind     = local.binds
    v6only   = true
    exposure = "internal"
  }

  # replicaof HOST PORT, with its old name; "no one" is none
  connect "master" {
    purpose  = "Redis that this one copies"
    for_each = [for n in concat(find("slaveof"), find("replicaof")) : args(n) if length(args(n)) == 2 && length(match("^([0-9]+)$", args(n)[1])) > 0]
    protocol = ["tcp"]
    peer     = each.value[0]
    port     = port(each.value[1], null)
  }

  test "nothing written" {
    input  = <<-EOT
      # port 7000
      daemonize no
    EOT
    expect = ["redis tcp * 6379 default"]
  }

  test "cluster with TLS on optional addresses" {
    input = <<-EOT
      bind 10.2.0.5 -::1
      port 0
      tls-port 6390
      tls-cluster yes
      cluster-enabled yes
    EOT
    expect = [
      "tls tcp 10.2.0.5,::1 6390 config L3",
      "cluster-bus-derived-tls tcp 10.2.0.5,::1 16390 config L3",
    ]
  }

  test "a copy" {
    input  = <<-EOT
      port 6382
      replicaof 192.0.2.9 6383
      replicaof no one
    EOT
    expect = ["redis tcp * 6382 config L1", "master tcp -> 192.0.2.9 6383 config L2"]
  }

  test "the last line counts" {
    input  = <<-EOT
      port 6380
      bind * -::*
      port 6381
      cluster-enabled yes
      cluster-port 7381
    EOT
    expect = ["redis tcp * 6381 config L3", "cluster-bus tcp * 7381 config L5"]
  }

  test "a container" {
    role   = "container"
    input  = <<-EOT
      services:
        cache:
          image: redis:7-alpine
          network_mode: host
          command: redis-server --save 60 1 --bind 192.0.2.4 -::1 --port 6399
    EOT
    expect = ["redis tcp 192.0.2.4,::1 6399 config L5"]
  }
}
