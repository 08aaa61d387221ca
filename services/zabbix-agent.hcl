# Zabbix agent and agent 2.
#
# Held against zabbix_agentd 6.0.14 of Debian 12: without ListenIP it takes every address of
# both families; it refuses ports below 1024, StartAgents other than 0 without Server, and a
# remark behind a number.

service "zabbix-agent" {
  title     = "Zabbix agent"
  platforms = ["linux", "windows", "windows-server"]
  cites = [
    "https://www.zabbix.com/documentation/6.0/en/manual/appendix/config/zabbix_agentd",
    "https://www.zabbix.com/documentation/6.0/en/manual/appendix/config/zabbix_agent2",
  ]

  # Include may name a folder too; that is reported, not read.
  file "conf" {
    format = "lines"
    dialect {
      comments   = "#"
      delimiters = "="
      bare       = "broken"
      include "Include" {
        need = "file"
      }
    }
    paths = {
      linux   = ["/etc/zabbix/zabbix_agentd.conf", "/etc/zabbix/zabbix_agent2.conf", "/usr/local/etc/zabbix_agentd.conf"]
      windows = ["C:/Program Files/Zabbix Agent/zabbix_agentd.conf", "C:/Program Files/Zabbix Agent 2/zabbix_agent2.conf"]
    }
  }

  default "passive" {
    setting = "ListenPort"
    case {
      value = 10050
      cites = ["https://www.zabbix.com/documentation/6.0/en/manual/appendix/config/zabbix_agentd"]
    }
  }

  default "active" {
    setting = "ServerActive"
    case {
      value = 10051
      cites = ["https://www.zabbix.com/documentation/6.0/en/manual/appendix/config/zabbix_agentd"]
    }
  }

  # Without processes for passive checks it does not listen.
  listen "passive" {
    when     = number(value("StartAgents"), 3) > 0
    purpose  = "passive checks of the Zabbix server"
    protocol = ["tcp"]
    port     = port(value("ListenPort"), default.passive)
    bind     = items(text(value("ListenIP"), "*"), ",")
    v6only   = true
    exposure = "admin"
    assigned = ["10050"]
  }

  # Of agent 2, and off unless it is set; the page does not say on which address.
  listen "status" {
    purpose  = "status page"
    protocol = ["tcp"]
    port     = port(value("StatusPort"), 0)
    exposure = "admin"
  }

  # A comma stands between servers, a semicolon between the nodes of one.
  connect "server" {
    for_each = items(value("ServerActive"), ",;")
    purpose  = "Zabbix server, active checks"
    protocol = ["tcp"]
    peer     = hostport(each.value).host
    port     = port(hostport(each.value).port, default.active)
  }

  test "nothing written" {
    input  = "Server=192.0.2.5\n"
    expect = ["passive tcp * 10050 default"]
  }

  test "everything" {
    input = <<-EOT
      # ListenPort=10055
      Server=192.0.2.5,192.0.2.6
      ListenPort=11050
        ListenIP = 127.0.0.1, 192.0.2.7
      StatusPort=11080
      ServerActive=zabbix.example:11051;second.example,[2001:db8::5]:11052,2001:db8::6
      UserParameter=a.b,echo ListenPort=1
    EOT
    expect = [
      "passive tcp 127.0.0.1,192.0.2.7 11050 config L3",
      "status tcp * 11080 config L5",
      "server tcp -> zabbix.example 11051 config L6",
      "server tcp -> second.example 10051 default L6",
      "server tcp -> 2001:db8::5 11052 config L6",
      "server tcp -> 2001:db8::6 10051 default L6",
    ]
  }

  test "switched off, and a port twice" {
    input  = "StartAgents=0\nListenPort=11050\nListenPort=11051\n"
    expect = []
  }

  test "the last one counts" {
    input  = "ListenPort=11050\nListenIP=0.0.0.0\nListenPort=11051\n"
    expect = ["passive tcp 0.0.0.0 11051 config L3"]
  }
}
