# chrony. Its port is open when somebody is allowed to ask, a peer is named or time is
# broadcast; its commands stay on the host.

service "chronyd" {
  title     = "chrony"
  platforms = ["linux", "freebsd", "netbsd", "macos", "solaris"]
  cites     = ["https://chrony-project.org/doc/latest/chrony.conf.html"]

  file "conf" {
    format = "chrony"
    paths = {
      linux = ["/etc/chrony/chrony.conf", "/etc/chrony.conf"]
    }
  }

  default "port" {
    setting = "port"
    case {
      value = 123
      cites = ["https://chrony-project.org/doc/latest/chrony.conf.html#port", "https://gitlab.com/chrony/chrony/-/blob/8f2db839de0c4c8683ec460819c1ee77a718c770/doc/chrony.conf.adoc#L1989"]
    }
  }

  default "cmdport" {
    setting = "cmdport"
    case {
      value = 323
      cites = ["https://chrony-project.org/doc/latest/chrony.conf.html#cmdport", "https://gitlab.com/chrony/chrony/-/blob/8f2db839de0c4c8683ec460819c1ee77a718c770/doc/chrony.conf.adoc#L2192"]
    }
  }

  default "ntsport" {
    setting = "ntsport"
    case {
      value = 4460
      cites = ["https://chrony-project.org/doc/latest/chrony.conf.html#ntsport", "https://gitlab.com/chrony/chrony/-/blob/8f2db839de0c4c8683ec460819c1ee77a718c770/doc/chrony.conf.adoc#L1855"]
    }
  }

  locals {
    # Of each family the last address counts; a path is a socket in the file system.
    served4  = [for a in values("bindaddress") : a if length(match("(:)", a)) == 0]
    served6  = [for a in values("bindaddress") : a if length(match("(:)", a)) > 0]
    command4 = [for a in values("bindcmdaddress") : a if length(match("([:/])", a)) == 0]
    command6 = [for a in values("bindcmdaddress") : a if length(match("(:)", a)) > 0 && !starts_with(a, "/")]
    anywhere = length(values("bindaddress")) == 0
    last4    = concat(["0.0.0.0"], local.served4)
    last6    = concat(["::"], local.served6)
    binds    = local.anywhere ? ["*"] : [local.last4[length(local.served4)], local.last6[length(local.served6)]]
    cmd4     = concat(["127.0.0.1"], local.command4)
    cmd6     = concat(["::1"], local.command6)
  }

  listen "ntp" {
    purpose  = "NTP"
    when     = value("allow") != null || value("peer") != null || value("broadcast") != null
    protocol = ["udp"]
    port     = port(value("port"), default.port)
    bind     = local.binds
    v6only   = true
    exposure = "internal"
    assigned = ["123"]
  }

  listen "command" {
    purpose  = "commands of chronyc"
    protocol = ["udp"]
    port     = port(value("cmdport"), default.cmdport)
    bind     = [local.cmd4[length(local.command4)], local.cmd6[length(local.command6)]]
    v6only   = true
    exposure = "loopback"
    assigned = ["323"]
  }

  listen "nts-ke" {
    purpose  = "NTS key establishment"
    when     = value("ntsserverkey") != null && value("ntsservercert") != null
    protocol = ["tcp"]
    port     = port(value("ntsport"), default.ntsport)
    bind     = local.binds
    v6only   = true
    exposure = "internal"
    assigned = ["4460"]
  }

  test "a client" {
    input  = <<-EOT
      pool ntp.calls.example iburst
      ! allow 10.0.0.0/8
      port 1123
    EOT
    expect = ["command udp 127.0.0.1,::1 323 default"]
  }

  test "a peer" {
    input  = <<-EOT
      peer ntp2.calls.example
      cmdport 0
    EOT
    expect = ["ntp udp * 123 default"]
  }

  test "a server" {
    input  = <<-EOT
      allow 10.0.0.0/8
      port 1123
      bindaddress 10.7.0.1
      cmdport 0
    EOT
    expect = ["ntp udp 10.7.0.1,:: 1123 config L2"]
  }
}
