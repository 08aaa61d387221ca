# xinetd: it listens on behalf of programs that it starts. The first of two equal settings
# counts, and an entry with "disable = yes" does not exist.

service "xinetd" {
  title     = "xinetd"
  platforms = ["linux"]
  cites     = ["https://github.com/openSUSE/xinetd/blob/5a7c0677b9c5eb7b9d6a09aaa502c8989de9437a/man/xinetd.conf.5", "https://github.com/openSUSE/xinetd/blob/5a7c0677b9c5eb7b9d6a09aaa502c8989de9437a/src/confparse.c"]

  file "conf" {
    format = "xinetd"
    accept = has("defaults") || has("service") || !has("*")
    paths = {
      linux = ["/etc/xinetd.conf"]
    }
  }

  # Files that the first one usually includes, for when they are named alone.
  file "part" {
    format      = "xinetd"
    accept      = has("service")
    common_name = true # any name is right
    paths = {
      linux = ["/etc/xinetd.d/*"]
    }
  }

  locals {
    # Those of a folder that the main file includes are in it already.
    entries  = has("service") ? find("service") : find(file("part"), "service")
    disabled = flatten([for n in find("defaults/disabled") : args(n)])
    enabled  = flatten([for n in find("defaults/enabled") : args(n)])
    address  = first(value("defaults[0]/bind[0]"), value("defaults[0]/interface[0]"))
  }

  each "entry" {
    for_each = [for e in local.entries : e if length(args(e)) > 0]

    locals {
      name = args(each.value)[0]
      id   = text(value(each.value, "id[0]"), local.name)
      off  = value(each.value, "disable[0]")
      on   = (local.off == null || local.off != "yes") && !contains(local.disabled, local.id)

      # RPC services get their port from the system, those of tcpmux share its port.
      types = flatten([for n in find(each.value, "type") : args(n)])
      own   = length([for t in local.types : t if length(match("^(RPC|TCPMUX|TCPMUXPLUS)$", t)) > 0]) == 0

      # Without a protocol the type of the socket says it: confparse.c, lines 288 to 315.
      kind  = value(each.value, "socket_type[0]")
      proto = first(value(each.value, "protocol[0]"), local.kind != null && local.kind == "dgram" ? "udp" : "tcp")
      flags = flatten([for n in find(each.value, "flags") : args(n)])
      any   = contains(local.flags, "IPv4") ? "0.0.0.0" : contains(local.flags, "IPv6") ? "::" : "*"

      # A list of what is enabled switches off the rest.
      listed = length(local.enabled) == 0 || contains(local.enabled, local.id)
    }

    listen "service" {
      purpose  = "service ${local.id}"
      when     = local.on && local.listed && local.own
      protocol = [local.proto]
      port     = port(first(value(each.value, "port[0]"), service_port(local.name, local.proto)), null)
      bind     = [text(first(value(each.value, "bind[0]"), value(each.value, "interface[0]"), local.address), local.any)]
      zero     = "unknown"
      exposure = "internal"
      assigned = ["1-1023"]
    }

    connect "redirect" {
      purpose  = "where connections of service ${local.id} go"
      for_each = [for r in find(each.value, "redirect[0]") : args(r) if length(args(r)) == 2]
      when     = local.on && local.listed
      protocol = ["tcp"]
      peer     = each.value[0]
      port     = port(each.value[1], null)
    }
  }

  test "entries, defaults and what is off" {
    input  = <<-EOT
      defaults
      {
        disabled = old other
        bind = 10.1.0.5
      }
      service calls
      {
        type = UNLISTED
        port = 9801
        socket_type = stream
      }
      service calls
      {
        type = UNLISTED
        id = calls-dgram
        port = 9802
        port = 9899
        socket_type = dgram
        interface = 127.0.0.1
        disable = no
      }
      service time
      {
        type = INTERNAL UNLISTED
        port = 37
        protocol = tcp
        disable = yes
      }
      service old
      {
        type = UNLISTED
        port = 9804
      }
      service quota
      {
        type = RPC
        port = 9805
      }
    EOT
    expect = ["service tcp 10.1.0.5 9801 config L9", "service udp 127.0.0.1 9802 config L16"]
  }

  test "a list of what is enabled, and another host" {
    input  = <<-EOT
      defaults
      {
        enabled = relay
      }
      service relay
      {
        type = UNLISTED
        port = 9811
        flags = IPv4
        socket_type = stream
        redirect = 192.0.2.9 9812
      }
      service more
      {
        type = UNLISTED
        port = 9813
      }
    EOT
    expect = ["service tcp 0.0.0.0 9811 config L8", "redirect tcp -> 192.0.2.9 9812 config L11"]
  }

  test "parts beside the main file" {
    files = {
      conf = "defaults\n{\n disabled = echo\n}\n"
      part = "service echo\n{\n type = UNLISTED\n port = 9821\n}\nservice relay\n{\n type = UNLISTED\n port = 9822\n}\n"
    }
    expect = ["service tcp * 9822 config L9"]
  }

  test "a name whose number is not here" {
    role   = "part"
    input  = <<-EOT
      service finger
      {
        socket_type = stream
        wait = no
      }
    EOT
    expect = []
  }
}
