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

  # What chronyd is started with: chronyd(8).
  file "env" {
    format = "env"
    accept = has("DAEMON_OPTS") || has("OPTIONS")
    paths = {
      linux = ["/etc/default/chrony", "/etc/sysconfig/chronyd"]
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
    # A family may be taken away on the command line.
    options = words(first(value(file("env"), "DAEMON_OPTS"), value(file("env"), "OPTIONS")), "shell")
    v4      = !has_flag(local.options, "-6")
    v6      = !has_flag(local.options, "-4")

    # Of each family the last address counts; a path is a socket in the file system.
    served4  = [for a in values("bindaddress") : a if length(match("(:)", a)) == 0]
    served6  = [for a in values("bindaddress") : a if length(match("(:)", a)) > 0]
    command4 = [for a in values("bindcmdaddress") : a if length(match("([:/])", a)) == 0]
    command6 = [for a in values("bindcmdaddress") : a if length(match("(:)", a)) > 0 && !starts_with(a, "/")]
    anywhere = length(values("bindaddress")) == 0
    last4    = concat(["0.0.0.0"], local.served4)
    last6    = concat(["::"], local.served6)
    binds    = local.anywhere && local.v4 && local.v6 ? ["*"] : concat(local.v4 ? [local.last4[length(local.served4)]] : [], local.v6 ? [local.last6[length(local.served6)]] : [])
    # Time is served on the families that an allow line is about; one without an address
    # is about both: NCR_AddAccessRestriction() of ncr_core.c, and seen with 4.3.
    allowed  = values("allow")
    everyone = [for a in local.allowed : a if length(match("^(?i)(all)?\\s*$", a)) > 0]
    four     = [for a in local.allowed : a if length(match("^([^:]+)$", a)) > 0 && length(match("^(?i)(all)\\s*$", a)) == 0]
    six      = [for a in local.allowed : a if length(match("(:)", a)) > 0]
    # A peer, too, sends to that socket; a name may be of either family.
    peers  = concat([for n in find("peer") : args(n)[0] if length(args(n)) > 0], [for n in find("broadcast") : args(n)[1] if length(args(n)) > 1])
    peers4 = [for p in local.peers : p if length(match("(:)", p)) == 0]
    peers6 = [for p in local.peers : p if length(match("([:g-zG-Z])", p)) > 0]
    serve4 = local.v4 && length(local.everyone) + length(local.four) + length(local.peers4) > 0
    serve6 = local.v6 && length(local.everyone) + length(local.six) + length(local.peers6) > 0
    # With the server's port as its own it asks from the server's socket, which is open then.
    asks   = value("acquisitionport")
    shared = local.asks != null && number(local.asks, 0) == port(value("port"), default.port)
    from4  = concat(["0.0.0.0"], [for a in values("bindacqaddress") : a if length(match("(:)", a)) == 0])
    from6  = concat(["::"], [for a in values("bindacqaddress") : a if length(match("(:)", a)) > 0])
    cmd4   = concat(["127.0.0.1"], local.command4)
    cmd6   = concat(["::1"], local.command6)
  }

  listen "ntp" {
    purpose  = "NTP"
    when     = (value("allow") != null || value("peer") != null || value("broadcast") != null) && (local.serve4 || local.serve6) || local.shared
    protocol = ["udp"]
    port     = port(value("port"), default.port)
    bind     = local.shared || local.serve4 && local.serve6 ? local.binds : concat(local.serve4 ? [local.last4[length(local.served4)]] : [], local.serve6 ? [local.last6[length(local.served6)]] : [])
    v6only   = true
    exposure = "internal"
    assigned = ["123"]
  }

  # Without a number each question has a port of the system's.
  # https://chrony-project.org/doc/latest/chrony.conf.html#acquisitionport
  listen "client" {
    purpose  = "NTP answers"
    for_each = local.asks == null || local.shared ? [] : [local.asks]
    protocol = ["udp"]
    port     = port(each.value, null)
    bind     = length(values("bindacqaddress")) == 0 && local.v4 && local.v6 ? ["*"] : concat(local.v4 ? [local.from4[length(local.from4) - 1]] : [], local.v6 ? [local.from6[length(local.from6) - 1]] : [])
    v6only   = true
    exposure = "internal"
  }

  # https://chrony-project.org/doc/latest/chrony.conf.html#ptpport
  listen "ptp" {
    purpose  = "NTP over PTP"
    for_each = values("ptpport")
    protocol = ["udp"]
    port     = port(each.value, null)
    bind     = local.binds
    v6only   = true
    exposure = "internal"
    assigned = ["319"]
  }

  listen "command" {
    purpose  = "commands of chronyc"
    protocol = ["udp"]
    port     = port(value("cmdport"), default.cmdport)
    bind     = concat(local.v4 ? [local.cmd4[length(local.command4)]] : [], local.v6 ? [local.cmd6[length(local.command6)]] : [])
    v6only   = true
    exposure = "loopback"
    assigned = ["323"]
  }

  listen "nts-ke" {
    purpose  = "NTS key establishment"
    when     = has("ntsserverkey") && has("ntsservercert")
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
    expect = ["ntp udp 10.7.0.1 1123 config L2"]
  }

  test "families" {
    input  = <<-EOT
      allow 2001:db8::/32
      bindaddress 10.7.0.1
      ntsservercert /etc/chrony/a.pem
      ntsserverkey /etc/chrony/a.key
    EOT
    expect = ["ntp udp :: 123 default", "command udp 127.0.0.1,::1 323 default", "nts-ke tcp 10.7.0.1,:: 4460 default"]
  }

  test "everybody" {
    input  = <<-EOT
      allow all
      bindaddress 10.7.0.1
      cmdport 0
    EOT
    expect = ["ntp udp 10.7.0.1,:: 123 default"]
  }

  test "everybody on every address" {
    input  = <<-EOT
      allow 10.7
      allow
      cmdport 0
    EOT
    expect = ["ntp udp * 123 default"]
  }

  test "ports to ask from" {
    input  = <<-EOT
      acquisitionport 1123
      bindacqaddress 10.7.0.2
      ptpport 319
      cmdport 0
    EOT
    expect = ["client udp 10.7.0.2,:: 1123 config L1", "ptp udp * 319 config L3"]
  }

  test "the port that it serves on" {
    input  = <<-EOT
      acquisitionport 123
      cmdport 0
    EOT
    expect = ["ntp udp * 123 default"]
  }

  test "a family of the command line" {
    files = {
      conf = "allow\nbindaddress 2001:db8::7\n"
      env  = "DAEMON_OPTS=\"-F 1 -4\"\n"
    }
    expect = ["ntp udp 0.0.0.0 123 default", "command udp 127.0.0.1 323 default"]
  }
}
