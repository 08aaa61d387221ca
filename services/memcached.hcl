# memcached. It has no configuration of its own: distributions keep its command line in an
# environment file, in a file of options, or in the unit.

service "memcached" {
  title     = "memcached"
  platforms = ["linux", "freebsd", "macos"]
  cites     = ["https://github.com/memcached/memcached/blob/2d51e364799bc9698bd4b11728ea978cea12da6e/scripts/memcached.sysconfig", "https://docs.memcached.org/"]

  file "environment" {
    format = "env"
    accept = has("PORT") && has("OPTIONS")
    paths = {
      linux = ["/etc/sysconfig/memcached"]
    }
  }

  file "options" {
    format = "redis" # an option and its value on a line
    accept = has("-?*")
    paths = {
      linux = ["/etc/memcached.conf"]
    }
  }

  file "unit" {
    format = "systemd"
    accept = has("Service/ExecStart")
    units  = ["memcached*.service"]
  }

  file "container" {
    format = "compose"
    images = ["memcached", "memcached-*"]
  }

  default "port" {
    setting = "PORT"
    case {
      value = 11211
      cites = ["https://github.com/memcached/memcached/blob/2d51e364799bc9698bd4b11728ea978cea12da6e/scripts/memcached.sysconfig#L10"]
    }
  }

  default "udp" {
    setting = "-U"
    case {
      value = 0
      note  = "11211 before 1.5.6"
      cites = ["https://github.com/memcached/memcached/wiki/ReleaseNotes156", "https://github.com/memcached/memcached/blob/2d51e364799bc9698bd4b11728ea978cea12da6e/memcached.c#L220"]
    }
  }

  locals {
    extra = words(value("OPTIONS"), "shell")
    unit  = command(file("unit"), file("container"))
    # Case tells options apart: -u is a user and -U a port.
    options = flatten([for n in find(file("options"), "*") : concat([name(n)], args(n))])
    # The unit comes last: it passes on what the environment says.
    tcp_in = first(flag(local.extra, "-p", "--port"), flag(local.options, "-p", "--port"), value("PORT"), flag(local.unit, "-p", "--port"))
    udp_in = first(flag(local.extra, "-U", "--udp-port"), flag(local.options, "-U", "--udp-port"), flag(local.unit, "-U", "--udp-port"))
    udp    = port(local.udp_in, default.udp)
    # A port for UDP alone is taken for TCP, too: memcached.c, line 5790, of that commit.
    port   = local.tcp_in == null && local.udp != 0 ? local.udp : port(local.tcp_in, default.port)
    socket = first(flag(local.extra, "-s", "--unix-socket"), flag(local.options, "-s", "--unix-socket"), flag(local.unit, "-s", "--unix-socket"))

    # Nothing asks for a password but SASL and a file of users, and TLS is rarely built in.
    guarded = length([for o in [local.extra, local.unit, [for n in find(file("options"), "*") : name(n)]] : o if has_flag(o, "-S", "--enable-sasl", "-Y", "--auth-file", "-Z", "--enable-ssl")]) > 0
    open    = local.guarded ? null : "whoever gets there may read and change everything"

    # Lists of several -l add up. An address may have a port of its own.
    lists     = length(flags(local.extra, "-l", "--listen")) > 0 ? flags(local.extra, "-l", "--listen") : (length(flags(local.options, "-l", "--listen")) > 0 ? flags(local.options, "-l", "--listen") : flags(local.unit, "-l", "--listen"))
    addresses = flatten([for l in local.lists : [for a in items(l, ",") : hostport(a)]])
    plain     = [for a in local.addresses : a.host if a.port == null]
    exact     = [for a in local.addresses : a if a.port != null]
  }

  listen "memcached" {
    purpose   = "memcached"
    when      = local.socket == null
    for_each  = length(local.addresses) == 0 || length(local.plain) > 0 ? [local.port] : []
    protocol  = ["tcp"]
    port      = each.value
    bind      = local.plain
    unguarded = local.open
    exposure  = "internal"
    assigned  = ["11211"]
  }

  listen "udp" {
    purpose   = "memcached over UDP"
    when      = local.socket == null
    for_each  = length(local.addresses) == 0 || length(local.plain) > 0 ? [local.udp] : []
    protocol  = ["udp"]
    port      = each.value
    bind      = local.plain
    unguarded = local.open
    exposure  = "internal"
    assigned  = ["11211"]
  }

  # The port of an address counts for UDP too, which must be switched on.
  listen "memcached-address" {
    purpose   = "memcached on one address"
    when      = local.socket == null
    for_each  = local.exact
    protocol  = local.udp == 0 ? ["tcp"] : ["tcp", "udp"]
    port      = port(each.value.port, null)
    bind      = [each.value.host]
    unguarded = local.open
    exposure  = "internal"
    assigned  = ["11211"]
  }

  test "environment" {
    input  = <<-EOT
      PORT="11300"
      OPTIONS="-l 10.9.0.1,127.0.0.1 -U 11301"
    EOT
    expect = ["memcached tcp 10.9.0.1,127.0.0.1 11300 config L1", "udp udp 10.9.0.1,127.0.0.1 11301 config L2"]
  }

  test "options" {
    role   = "options"
    input  = <<-EOT
      # -p 1
      -m 64
      -p 11400
      -l 127.0.0.1
    EOT
    expect = ["memcached tcp 127.0.0.1 11400 config L3"]
  }

  test "options told apart by case" {
    role   = "options"
    input  = <<-EOT
      -d
      -u nobody
      -P /run/memcached.pid
      -S
      -L
      --port=11401
    EOT
    expect = ["memcached tcp * 11401 config L6"]
  }

  test "addresses with ports" {
    role  = "options"
    input = <<-EOT
      -l 10.9.0.2:11500,10.9.0.3
      -l 10.9.0.4:11501
      -U 11502
    EOT
    expect = [
      "memcached tcp 10.9.0.3 11502 config L3", "udp udp 10.9.0.3 11502 config L3",
      "memcached-address tcp 10.9.0.2 11500 config L1", "memcached-address udp 10.9.0.2 11500 config L1",
      "memcached-address tcp 10.9.0.4 11501 config L2", "memcached-address udp 10.9.0.4 11501 config L2",
    ]
  }

  test "a socket in the file system" {
    role   = "options"
    input  = "-s /run/memcached.sock\n"
    expect = []
  }

  test "a unit that passes on what is not known" {
    role   = "unit"
    input  = "[Service]\nExecStart=/usr/bin/memcached -p $${PORT} $OPTIONS\n"
    expect = []
  }

  test "a unit that passes on what the environment says" {
    files = {
      environment = "PORT=\"11301\"\nOPTIONS=\"-l 10.9.0.2\"\n"
      unit        = "[Service]\nExecStart=/usr/bin/memcached -p $${PORT} -c $${MAXCONN} $OPTIONS\n"
    }
    expect = ["memcached tcp 10.9.0.2 11301 config L1"]
  }

  test "a port for UDP" {
    role   = "unit"
    input  = "[Service]\nExecStart=/usr/bin/memcached -U 11302\n"
    expect = ["memcached tcp * 11302 config L2", "udp udp * 11302 config L2"]
  }

  test "a unit" {
    role   = "unit"
    input  = "[Service]\nExecStart=/usr/bin/memcached -m 64\n"
    expect = ["memcached tcp * 11211 default"]
  }

  test "a container" {
    role   = "container"
    input  = <<-EOT
      services:
        cache:
          image: memcached:1.6-alpine
          network_mode: host
          command:
            - -p
            - "11500"
            - -l127.0.0.1
    EOT
    expect = ["memcached tcp 127.0.0.1 11500 config L7"]
  }
}
