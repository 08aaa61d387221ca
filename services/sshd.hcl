# OpenSSH's server. It is here so that a firewall never forgets the way in.

service "sshd" {
  title     = "OpenSSH server"
  platforms = ["linux", "freebsd", "openbsd", "netbsd", "macos", "windows-server"]
  cites     = ["https://man.openbsd.org/sshd_config"]

  file "conf" {
    format = "keyword"
    paths = {
      linux   = ["/etc/ssh/sshd_config"]
      windows = ["C:/ProgramData/ssh/sshd_config"]
    }
  }

  # Where systemd listens for it, as on Ubuntu, the unit says the ports. On later releases a
  # generator writes those of sshd_config into a drop-in of it.
  file "socket" {
    format = "systemd"
    paths = {
      linux = ["/etc/systemd/system/*.wants/ssh.socket", "/etc/systemd/system/*.wants/sshd.socket"]
    }
  }

  # What sshd is started with: sshd(8). The file has other options for other systems.
  file "env" {
    format = "env"
    accept = has("SSHD_OPTS") || has("OPTIONS")
    paths = {
      linux = ["/etc/default/ssh", "/etc/sysconfig/sshd"]
    }
  }

  default "port" {
    setting = "Port"
    case {
      value = 22
      cites = ["https://man.openbsd.org/sshd_config#Port", "https://www.rfc-editor.org/rfc/rfc4253#section-4.1"]
    }
  }

  locals {
    # Ports of the command line take the place of all Port lines.
    options = words(first(value(file("env"), "SSHD_OPTS"), value(file("env"), "OPTIONS")), "shell")
    said    = concat(flags(local.options, "-p"), flatten([for o in flags(local.options, "-o") : match("^(?i:port)\\s*[= ]\\s*(.*)$", o)]))

    # Every Port line counts. An address with a port of its own ignores them.
    ports     = length(local.said) > 0 ? [for p in local.said : port(p, default.port)] : (length(settings("", "Port")) > 0 ? [for p in settings("", "Port") : port(p, default.port)] : [port(setting("", "Port"), default.port)])
    addresses = [for a in settings("", "ListenAddress") : hostport(a)]
    plain     = [for a in local.addresses : a.host if a.port == null]
    exact     = [for a in local.addresses : a if a.port != null]
    # AddressFamily takes a family away; the first one counts.
    family = has_flag(local.options, "-4") ? "inet" : has_flag(local.options, "-6") ? "inet6" : lower(text(first(settings("", "AddressFamily")...), "any"))
    any    = local.family == "inet" ? "0.0.0.0" : (local.family == "inet6" ? "::" : "*")

    # An empty ListenStream forgets those before it.
    streams = values(file("socket"), "Socket/ListenStream")
    reset   = max(-1, [for i, t in local.streams : i if t == ""]...)
    passed  = [for i, t in local.streams : hostport(t) if i > local.reset && !starts_with(t, "/")]
    own     = !has(file("socket"), "Socket")
  }

  listen "ssh-socket" {
    purpose  = "SSH, by systemd"
    for_each = local.passed
    protocol = ["tcp"]
    port     = port(each.value.port, null)
    bind     = [first(each.value.host, "::")]
    zero     = "unknown"
    exposure = "admin"
    assigned = ["22"]
  }

  listen "ssh" {
    purpose  = "SSH"
    for_each = local.own && (length(local.addresses) == 0 || length(local.plain) > 0) ? local.ports : []
    protocol = ["tcp"]
    port     = each.value
    bind     = length(local.plain) > 0 ? local.plain : [local.any]
    v6only   = true # sshd sets IPV6_V6ONLY: https://github.com/openssh/openssh-portable/blob/master/sshd.c
    zero     = "unknown"
    exposure = "admin"
    assigned = ["22"]
  }

  listen "ssh-address" {
    purpose  = "SSH on one address"
    for_each = local.own ? local.exact : []
    protocol = ["tcp"]
    port     = port(each.value.port, default.port)
    bind     = [each.value.host]
    v6only   = true
    zero     = "unknown"
    exposure = "admin"
    assigned = ["22"]
  }

  test "as shipped" {
    input  = <<-EOT
      # nothing but comments
      #Port 22
      UsePAM yes
    EOT
    expect = ["ssh tcp * 22 default"]
  }

  test "two ports" {
    input  = <<-EOT
      Port 22
      Port=2222
      ListenAddress 0.0.0.0
    EOT
    expect = ["ssh tcp 0.0.0.0 22 config L1", "ssh tcp 0.0.0.0 2222 config L2"]
  }

  test "an address with its own port" {
    input  = <<-EOT
      ListenAddress 10.1.0.5:2022
      ListenAddress [2001:db8::5]:2022
      Match User backup
        PermitTTY no
    EOT
    expect = ["ssh-address tcp 10.1.0.5 2022 config L1", "ssh-address tcp 2001:db8::5 2022 config L2"]
  }

  test "both kinds of addresses" {
    input  = <<-EOT
      ListenAddress 10.1.0.5
      ListenAddress 127.0.0.1:2200
      Port 22022
    EOT
    expect = ["ssh tcp 10.1.0.5 22022 config L3", "ssh-address tcp 127.0.0.1 2200 config L2"]
  }

  test "one family" {
    input  = <<-EOT
      AddressFamily inet
      addressfamily any
    EOT
    expect = ["ssh tcp 0.0.0.0 22 default"]
  }

  test "systemd listens" {
    files = {
      conf   = "Port 2200\n"
      socket = "[Socket]\nListenStream=22\nListenStream=\nListenStream=192.0.2.6:2201\nAccept=no\n"
    }
    expect = ["ssh-socket tcp 192.0.2.6 2201 config L4"]
  }

  test "the other family" {
    input  = <<-EOT
      Port 22022
      AddressFamily inet6
    EOT
    expect = ["ssh tcp :: 22022 config L1"]
  }

  test "ports of the command line" {
    files = {
      conf = "Port 22\nListenAddress 10.1.0.5\nListenAddress 10.1.0.6:2200\n"
      env  = "SSHD_OPTS=\"-p 2299 -o Port=2298\"\n"
    }
    expect = ["ssh tcp 10.1.0.5 2299 config L1", "ssh tcp 10.1.0.5 2298 config L1", "ssh-address tcp 10.1.0.6 2200 config L3"]
  }

  test "a family of the command line" {
    files = {
      conf = "UsePAM yes\n"
      env  = "OPTIONS=-4\n"
    }
    expect = ["ssh tcp 0.0.0.0 22 default"]
  }
}
