# VoIPmonitor's sniffer. It captures traffic: sipport and its kin are filters, no sockets.

service "voipmonitor" {
  title     = "VoIPmonitor sniffer"
  platforms = ["linux"]
  cites     = ["https://github.com/voipmonitor/sniffer/blob/2ec3c37a2c4aa9fb02a26e78e7a1d6f603d09465/config/voipmonitor.conf"]

  file "conf" {
    format = "voipmonitor"
    accept = section("general")
    paths = {
      linux = ["/etc/voipmonitor.conf"]
    }
  }

  default "manager_port" {
    setting = "managerport"
    case {
      value = 5029
      cites = ["https://github.com/voipmonitor/sniffer/blob/2ec3c37a2c4aa9fb02a26e78e7a1d6f603d09465/config/voipmonitor.conf#L798"]
    }
  }

  default "manager_ip" {
    setting = "managerip"
    case {
      value = "127.0.0.1"
      cites = ["https://github.com/voipmonitor/sniffer/blob/2ec3c37a2c4aa9fb02a26e78e7a1d6f603d09465/config/voipmonitor.conf#L792"]
    }
  }

  default "mysql_port" {
    setting = "mysqlport"
    case {
      value = 3306
      note  = "unverified"
      cites = ["https://github.com/voipmonitor/sniffer/blob/2ec3c37a2c4aa9fb02a26e78e7a1d6f603d09465/config/voipmonitor.conf#L87"]
    }
  }

  default "server_port" {
    setting = "server_bind_port"
    case {
      value = 60024
      note  = "unverified"
      cites = ["https://github.com/voipmonitor/sniffer/blob/2ec3c37a2c4aa9fb02a26e78e7a1d6f603d09465/config/voipmonitor.conf#L528"]
    }
  }

  listen "manager" {
    purpose      = "manager interface"
    protocol     = ["tcp"]
    port         = port(setting("general", "managerport"), default.manager_port)
    bind         = [text(setting("general", "managerip"), default.manager_ip)]
    unguarded    = truthy(setting("general", "manager_enable_unencrypted"), false) ? "calls and commands cross the network in clear" : null
    trusted_only = "https://github.com/voipmonitor/sniffer/blob/2ec3c37a2c4aa9fb02a26e78e7a1d6f603d09465/config/voipmonitor.conf#L793"
    exposure     = "admin"
    zero         = "unknown"
  }

  listen "server" {
    purpose  = "sensors that send to this server"
    when     = text(setting("general", "server_bind"), "") != ""
    protocol = ["tcp"]
    port     = port(setting("general", "server_bind_port"), default.server_port)
    bind     = [setting("general", "server_bind")]
    exposure = "internal"
    zero     = "unknown"
  }

  listen "mirror" {
    purpose  = "mirrored packets"
    when     = text(setting("general", "mirror_bind_ip"), "") != "" && text(setting("general", "mirror_bind_port"), "") != ""
    protocol = ["tcp"]
    port     = port(setting("general", "mirror_bind_port"), null)
    bind     = [first(nonempty(setting("general", "mirror_bind_ip")), "*")]
    exposure = "internal"
    zero     = "unknown"
  }

  listen "hep" {
    purpose  = "HEP collector"
    when     = truthy(setting("general", "hep"), false) && text(setting("general", "hep_bind_port"), "") != ""
    protocol = ["udp", "tcp"]
    port     = port(setting("general", "hep_bind_port"), null)
    bind     = [first(nonempty(setting("general", "hep_bind_ip")), "*")]
    exposure = "internal"
    zero     = "unknown"
  }

  listen "ipfix" {
    purpose  = "IPFIX collector"
    when     = truthy(setting("general", "ipfix"), false) && text(setting("general", "ipfix_bind_port"), "") != ""
    protocol = ["udp"]
    port     = port(setting("general", "ipfix_bind_port"), null)
    bind     = [first(nonempty(setting("general", "ipfix_bind_ip")), "*")]
    exposure = "internal"
    zero     = "unknown"
  }

  lint "collector-without-port" {
    when     = truthy(setting("general", "hep"), false) && text(setting("general", "hep_bind_port"), "") == "" || truthy(setting("general", "ipfix"), false) && text(setting("general", "ipfix_bind_port"), "") == ""
    severity = "warning"
    message  = "a collector is on without a port; its default is not documented, so it is in no claim"
    help     = "set hep_bind_port and ipfix_bind_port"
  }

  lint "siprec" {
    when     = text(setting("general", "siprec_bind_port"), "") != "" && text(setting("general", "siprec_bind"), "") != ""
    severity = "warning"
    message  = "siprec_bind_port opens a socket; whether it is UDP or TCP is not documented, so it is in no claim"
    help     = "look at the sockets of the running sniffer and allow the port by hand"
  }

  connect "mysql" {
    purpose  = "database"
    when     = text(setting("general", "mysqlhost"), "") != ""
    protocol = ["tcp"]
    peer     = setting("general", "mysqlhost")
    port     = port(setting("general", "mysqlport"), default.mysql_port)
    to       = ["mysql.mysql", "mariadb.mariadb"]
  }

  connect "server" {
    purpose  = "server that this sensor sends to"
    for_each = items(setting("general", "server_destination"), ",")
    protocol = ["tcp"]
    peer     = each.value
    port     = port(setting("general", "server_destination_port"), default.server_port)
  }

  test "filters are no listeners" {
    input  = <<-EOT
      [general]
      managerport = 5030
      sipport = 5060,5070-5080
      hep_bind_port = 9060
      mysqlhost = db.example
    EOT
    expect = ["manager tcp 127.0.0.1 5030 config L2", "mysql tcp -> db.example 3306 default"]
  }

  test "a server that collects" {
    input = <<-EOT
      [general]
      managerip = 10.0.0.5
      server_bind = 10.0.0.5
      server_bind_port = 60025
      hep = yes
      hep_bind_ip = 0.0.0.0
      hep_bind_port = 9060
      mirror_bind_ip =
      mirror_bind_port =
    EOT
    expect = [
      "manager tcp 10.0.0.5 5029 default",
      "server tcp 10.0.0.5 60025 config L4",
      "hep udp 0.0.0.0 9060 config L7",
      "hep tcp 0.0.0.0 9060 config L7",
    ]
  }
}
