# HAProxy. Lines "server" are what it connects to, and open no port.

service "haproxy" {
  title     = "HAProxy"
  platforms = ["linux", "freebsd"]
  runs      = ["haproxy.service"]
  cites     = ["https://docs.haproxy.org/dev/configuration.html#4.2-bind", "https://docs.haproxy.org/dev/configuration.html#11.2"]

  file "conf" {
    format      = "haproxy"
    accept      = has("frontend/bind") || has("listen/bind") || has("global") && (has("defaults") || has("frontend") || has("backend"))
    common_name = true # many programs call theirs something.cfg
    paths = {
      linux = ["/etc/haproxy/*.cfg", "/usr/local/etc/haproxy/*.cfg"]
    }
  }

  locals {
    # An address is family@host:port, or host:first-last. Sockets without a port
    # (unix@, abns@, fd@, a path) do not match.
    address = "^(?:((?:quic|udp|tcp|mptcp|stream|dgram|ipv)[a-z0-9+]*)@)?([^/@]*):([0-9]+)(?:-([0-9]+))?$"
    runtime = [for n in find("global/stats") : args(n)[1] if length(args(n)) > 1 && args(n)[0] == "socket"]
  }

  each "section" {
    for_each = concat(find("frontend"), find("listen"), find("peers"), find("log-forward"))
    when     = !has(each.value, "disabled")

    locals {
      # a section that only shows statistics is for operators
      page = has(each.value, "stats") && !has(each.value, "default_backend") && !has(each.value, "use_backend") && !has(each.value, "server")
    }

    each "bind" {
      for_each = concat(find(each.value, "bind"), find(each.value, "dgram-bind"))

      locals {
        dgram = name(each.value) == "dgram-bind"
        only  = contains(args(each.value), "v6only")
      }

      each "address" {
        for_each = length(args(each.value)) > 0 ? items(args(each.value)[0], ",") : []
        when     = length(match(local.address, each.value)) > 0

        locals {
          parts = match(local.address, each.value)
          udp   = local.dgram || length(match("^(quic|udp|dgram)", text(local.parts[0], ""))) > 0
          six   = length(match("^(?:quic|udp|tcp|mptcp|stream[+]|dgram[+])?(?:ipv)?(6)$", text(local.parts[0], ""))) > 0
          # An empty host and "*" are every address of IPv4: section 4.2 of the manual.
          host = contains(["", "*"], text(local.parts[1], "")) ? [local.six ? "::" : "0.0.0.0"] : items(local.parts[1], "[]")
          # "::" takes IPv4 too, unless v6only says otherwise: section 5.1.
          bind = [for h in local.host : h == "::" && !local.only ? "*" : h]
        }

        listen "bind" {
          purpose  = "proxied service"
          for_each = local.page ? [] : ["x"]
          protocol = local.udp ? ["udp"] : ["tcp"]
          first    = port(local.parts[2], 0)
          last     = port(first(local.parts[3], local.parts[2]), 0)
          bind     = local.bind
          v6only   = true
          exposure = "public"
          share    = "haproxy"
          assigned = ["1-1023"] # what it stands in front of may be anything
        }

        listen "stats" {
          purpose  = "statistics page"
          for_each = local.page ? ["x"] : []
          protocol = local.udp ? ["udp"] : ["tcp"]
          first    = port(local.parts[2], 0)
          last     = port(first(local.parts[3], local.parts[2]), 0)
          bind     = local.bind
          v6only   = true
          exposure = "admin"
          share    = "haproxy"
        }
      }
    }
  }

  # server NAME ADDRESS:PORT and server-template PREFIX NUMBER ADDRESS:PORT; without a port it is the one that the client asked for.
  each "servers" {
    for_each = flatten([for s in concat(find("backend"), find("listen")) : concat([for n in find(s, "server") : args(n)[1] if length(args(n)) > 1 && length(match(local.address, args(n)[1])) > 0], [for n in find(s, "server-template") : args(n)[2] if length(args(n)) > 2 && length(match(local.address, args(n)[2])) > 0]) if !has(s, "disabled")])

    locals {
      parts = match(local.address, each.value)
    }

    connect "server" {
      purpose  = "proxied server"
      for_each = [local.parts]
      protocol = length(match("^(quic|udp|dgram)", text(each.value[0], ""))) > 0 ? ["udp"] : ["tcp"]
      peer     = trim_prefix(trim_suffix(each.value[1], "]"), "[")
      port     = port(each.value[2], null)
    }
  }

  each "runtime" {
    for_each = [for a in local.runtime : a if length(match(local.address, a)) > 0]

    locals {
      parts = match(local.address, each.value)
      six   = length(match("(6)", text(local.parts[0], ""))) > 0
    }

    listen "runtime-api" {
      purpose   = "runtime API"
      protocol  = ["tcp"]
      port      = port(local.parts[2], 0)
      bind      = contains(["", "*"], text(local.parts[1], "")) ? [local.six ? "::" : "0.0.0.0"] : items(local.parts[1], "[]")
      unguarded = "whoever gets there may change the running proxy: nothing asks for a log-in"
      exposure  = "admin"
    }
  }

  test "families, lists and ranges" {
    input = <<-EOT
      global
        stats socket /run/haproxy.sock mode 600
        stats socket ipv4@127.0.0.1:9999 level admin
      frontend web
        bind :80,192.0.2.1:8000-8003 name clear
        bind quic6@:443 ssl crt x.pem
        bind [2001:db8::1]:8443 ssl crt x.pem
        bind unix@/run/web.sock
        default_backend b
      backend b
        server one 192.0.2.9:8080 check
        server two quic6@[2001:db8::9]:8443
        server three unix@/run/three.sock
        server four 192.0.2.10
        server-template five 3 five.example:8081 check
    EOT
    expect = [
      "server tcp -> five.example 8081 config L15", "server tcp -> 192.0.2.9 8080 config L11", "server udp -> 2001:db8::9 8443 config L12",
      "runtime-api tcp 127.0.0.1 9999 config L3", "bind tcp 0.0.0.0 80 config L5", "bind tcp 192.0.2.1 8000-8003 config L5",
      "bind udp * 443 config L6", "bind tcp 2001:db8::1 8443 config L7",
    ]
  }

  test "statistics, switched off, variables" {
    input  = <<-EOT
      global
      defaults
        mode http
      frontend numbers
        bind 127.0.0.1:8404
        stats enable
      listen old
        disabled
        bind *:81
        server one 192.0.2.9:8080
      frontend other
        bind "$${ADDR}:82"
        bind :83
    EOT
    expect = ["stats tcp 127.0.0.1 8404 config L5", "bind tcp 0.0.0.0 83 config L13"]
  }

  test "IPv6 alone, and with IPv4" {
    input  = <<-EOT
      defaults
        mode http
      frontend web
        bind :::8081
        bind [::]:8082 v6only
        bind ipv6@:8083 v4v6
        bind ipv6@*:8084 v6only
        default_backend b
    EOT
    expect = ["bind tcp * 8081 config L4", "bind tcp :: 8082 config L5", "bind tcp * 8083 config L6", "bind tcp :: 8084 config L7"]
  }
}
