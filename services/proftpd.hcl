# ProFTPD.

service "proftpd" {
  title     = "ProFTPD"
  platforms = ["linux", "freebsd"]
  cites     = ["http://www.proftpd.org/docs/modules/mod_core.html"]

  file "conf" {
    format  = "apache"
    accept  = has("Server*") || has("Default*") || has("Port") || has("Passive*") || has("Max*") || has("UseIPv6") || has("LoadModule") || has("SocketBindTight") || has("Umask") || has("Limit") || !has("*")
    samples = ["/basic.conf", "/anonymous.conf", "/virtual.conf"] # its sample-configurations
    paths = {
      linux = ["/etc/proftpd/proftpd.conf", "/etc/proftpd.conf"]
    }
  }

  default "port" {
    setting = "Port"
    case {
      value = 21
      cites = ["http://www.proftpd.org/docs/modules/mod_core.html#Port", "https://www.rfc-editor.org/rfc/rfc959#section-8"]
    }
  }

  locals {
    # Behind inetd or a socket unit somebody else listens.
    type  = value("ServerType")
    alone = local.type == null || lower(local.type) != "inetd"

    # Addresses count only with SocketBindTight; without it each port is taken on all of
    # them, of both families unless UseIPv6 is off.
    tight   = value("SocketBindTight") != null && truthy(value("SocketBindTight"), false)
    any     = value("UseIPv6") != null && !truthy(value("UseIPv6"), true) ? "0.0.0.0" : "*"
    address = value("DefaultAddress")
    passive = match("^\\s*([0-9]+)\\s+([0-9]+)", value("PassivePorts"))
  }

  listen "ftp" {
    purpose  = "FTP"
    when     = local.alone
    protocol = ["tcp"]
    port     = port(value("Port"), default.port)
    bind     = [local.tight && local.address != null ? local.address : local.any]
    share    = "ftp"
    exposure = "public"
    assigned = ["21"]
  }

  # A virtual server without a port of its own is on the standard one, wherever the main
  # server is: seen with 1.3.8.
  listen "virtual" {
    purpose  = "FTP of a virtual server"
    for_each = local.alone ? find("**/VirtualHost") : []
    protocol = ["tcp"]
    port     = port(first(value(each.value, "Port"), value(each.value, "IfModule/Port")), default.port)
    bind     = [local.tight && length(args(each.value)) > 0 ? args(each.value)[0] : local.any]
    share    = "ftp"
    exposure = "public"
    assigned = ["21"]
  }

  # Of the main server, when a module is there: that of SFTP has its settings so.
  listen "module" {
    purpose  = "FTP or SFTP, by a module"
    for_each = local.alone ? concat(values("IfModule/Port"), values("IfDefine/Port"), values("IfDefine/IfModule/Port")) : []
    protocol = ["tcp"]
    port     = port(each.value, null)
    bind     = [local.tight && local.address != null ? local.address : local.any]
    share    = "ftp"
    exposure = "public"
    assigned = ["21", "22"]
  }

  listen "passive" {
    purpose  = "FTP data, passive"
    for_each = length(local.passive) == 2 ? [local.passive] : []
    protocol = ["tcp"]
    first    = port(each.value[0], null)
    last     = port(each.value[1], null)
    bind     = [local.any]
    share    = "ftp"
    exposure = "public"
  }

  test "as shipped" {
    input  = <<-EOT
      ServerType standalone
      UseIPv6 off
      <Anonymous ~ftp>
        User ftp
      </Anonymous>
    EOT
    expect = ["ftp tcp 0.0.0.0 21 default"]
  }

  test "virtual servers and passive ports" {
    input = <<-EOT
      Port 2121
      PassivePorts 49152 49200
      <VirtualHost 10.0.0.5>
        Port 2122
      </VirtualHost>
    EOT
    expect = [
      "ftp tcp * 2121 config L1",
      "passive tcp * 49152-49200 config L2",
      "virtual tcp * 2122 config L4",
    ]
  }

  test "modules" {
    input  = <<-EOT
      Port 2121
      <IfModule mod_sftp.c>
        SFTPEngine on
        Port 2223
        <VirtualHost 0.0.0.0>
          Port 2224
        </VirtualHost>
      </IfModule>
    EOT
    expect = ["ftp tcp * 2121 config L1", "module tcp * 2223 config L4", "virtual tcp * 2224 config L6"]
  }

  test "behind a socket unit" {
    input  = <<-EOT
      ServerType inetd
      Port 21
    EOT
    expect = []
  }

  test "switched off" {
    input  = <<-EOT
      Port 0
    EOT
    expect = []
  }
}
