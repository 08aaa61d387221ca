# RTPproxy. Its ports are on the command line, which Debian puts together from an
# environment file; the configuration file only has settings of modules.

service "rtpproxy" {
  title     = "RTPproxy"
  platforms = ["linux", "freebsd"]
  cites     = ["https://github.com/sippy/rtpproxy/blob/66bdfeabe4f9cec079e8acd4bd223fa584f6d4dd/src/rtpp_defines.h#L38"]

  file "modules" {
    format = "keyword"
    accept = has("modules")
    paths = {
      linux = ["/etc/rtpproxy.conf", "/etc/rtpproxy/rtpproxy.conf"]
    }
  }

  file "environment" {
    format = "env"
    accept = has("CONTROL_SOCK") || has("EXTRA_OPTS")
    paths = {
      linux = ["/etc/default/rtpproxy"]
    }
  }

  file "unit" {
    format = "systemd"
    accept = has("Service/ExecStart")
    units  = ["rtpproxy*.service"]
  }

  file "container" {
    format = "compose"
    images = ["*rtpproxy*"]
  }

  default "first" {
    setting = "-m"
    case {
      value = 35000
      cites = ["https://github.com/sippy/rtpproxy/blob/66bdfeabe4f9cec079e8acd4bd223fa584f6d4dd/src/rtpp_defines.h#L38"]
    }
  }

  default "last" {
    setting = "-M"
    case {
      value = 65000
      cites = ["https://github.com/sippy/rtpproxy/blob/66bdfeabe4f9cec079e8acd4bd223fa584f6d4dd/src/rtpp_defines.h#L38"]
    }
  }

  default "control" {
    setting = "-s"
    case {
      value = 22222
      cites = ["https://github.com/sippy/rtpproxy/blob/66bdfeabe4f9cec079e8acd4bd223fa584f6d4dd/src/rtpp_defines.h#L38"]
    }
  }

  locals {
    env   = file("environment")
    extra = words(value(local.env, "EXTRA_OPTS"), "shell")
    unit  = command(file("unit"), file("container"))
    # A file of modules alone does not start the program.
    started = has(local.env, "*") || has(file("unit"), "Service/ExecStart") || file("container") != null
    control = first(flag(local.extra, "-s"), value(local.env, "CONTROL_SOCK"), flag(local.unit, "-s"))
    address = first(flag(local.extra, "-l"), flag(local.unit, "-l"))
    # Without a transport it is a path.
    udp = match("^udp6?:(.*)$", local.control)
    tcp = match("^tcp6?:(.*)$", local.control)
  }

  listen "rtp" {
    purpose   = "RTP and RTCP"
    when      = local.started
    protocol  = ["udp"]
    first     = port(first(flag(local.extra, "-m"), flag(local.unit, "-m")), default.first)
    last      = port(first(flag(local.extra, "-M"), flag(local.unit, "-M")), default.last)
    bind      = items(local.address, "/") # one for each side of a bridge
    pairs     = true
    advertise = items(first(flag(local.extra, "-A"), flag(local.unit, "-A")), "/")
    exposure  = "public"
  }

  listen "control" {
    purpose   = "control protocol"
    for_each  = local.udp
    protocol  = ["udp"]
    port      = port(hostport(each.value).port, default.control)
    bind      = [text(hostport(each.value).host, "*")]
    unguarded = "whoever gets there may send the media of all calls elsewhere: nothing asks for a log-in"
    exposure  = "internal"
  }

  listen "control-tcp" {
    purpose   = "control protocol over TCP"
    for_each  = local.tcp
    protocol  = ["tcp"]
    port      = port(hostport(each.value).port, default.control)
    bind      = [text(hostport(each.value).host, "*")]
    unguarded = "whoever gets there may send the media of all calls elsewhere: nothing asks for a log-in"
    exposure  = "internal"
  }

  test "modules open nothing" {
    input  = "modules {\n  acct {\n    port = 9060\n  }\n}\n"
    expect = []
  }

  test "environment of Debian" {
    role   = "environment"
    input  = <<-EOT
      CONTROL_SOCK=udp:127.0.0.1:22230
      EXTRA_OPTS="-l 10.10.0.1/10.11.0.1 -m 36000"
    EOT
    expect = ["rtp udp 10.10.0.1,10.11.0.1 36000-65000 config L2", "control udp 127.0.0.1 22230 config L1"]
  }

  test "unit" {
    role   = "unit"
    input  = <<-EOT
      [Service]
      ExecStart=/usr/bin/rtpproxy -f -s udp:10.10.0.1 \
        -M 45000 -l 10.10.0.1
    EOT
    expect = ["rtp udp 10.10.0.1 35000-45000 default", "control udp 10.10.0.1 22222 default L2"]
  }

  test "a container" {
    role   = "container"
    input  = <<-EOT
      services:
        proxy:
          image: acme/rtpproxy
          network_mode: host
          command: -F -f -l 10.10.0.4 -m 46000 -M 46999 -s udp:127.0.0.1:7722
    EOT
    expect = ["rtp udp 10.10.0.4 46000-46999 config L5", "control udp 127.0.0.1 7722 config L5"]
  }
}
