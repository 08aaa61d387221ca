# captagent reads packets and sends copies of them to a collector. The ports of its filters
# are those of others: it opens none of them. Its command line socket is the only listener
# that is described; modules that collect from other agents are not.

service "captagent" {
  title     = "captagent"
  platforms = ["linux"]
  cites     = ["https://github.com/sipcapture/captagent/blob/3873e017f5e63808fa6429f3dba6be35030cc594/captagent/conf/captagent.xml"]

  file "conf" {
    format = "xml"
    accept = has("document[@type='captagent/xml']") || has("document/configuration[@name='core.conf']")
    paths  = { linux = ["/etc/captagent/captagent.xml", "/usr/local/captagent/etc/captagent/captagent.xml", "/usr/local/etc/captagent/captagent.xml"] }
  }

  file "hep" {
    format = "xml"
    accept = has("document/module[@name='transport_hep']")
    paths  = { linux = ["/etc/captagent/transport_hep.xml", "/usr/local/captagent/etc/captagent/transport_hep.xml", "/usr/local/etc/captagent/transport_hep.xml"] }
  }

  # Nothing but filters, which is worth knowing too.
  file "pcap" {
    format = "xml"
    accept = has("document/module[@name='socket_pcap']")
    paths  = { linux = ["/etc/captagent/socket_pcap.xml", "/usr/local/captagent/etc/captagent/socket_pcap.xml", "/usr/local/etc/captagent/socket_pcap.xml"] }
  }

  default "cli_port" {
    setting = "cli-port"
    case {
      value = 8909
      cites = ["https://github.com/sipcapture/captagent/blob/3873e017f5e63808fa6429f3dba6be35030cc594/captagent/conf/captagent.xml#L93"]
    }
  }

  listen "cli" {
    purpose  = "command line"
    when     = has("document/configuration[@name='modules.conf']/modules/load[@module='capt_cli']")
    protocol = ["tcp"]
    port     = port(value("document/configuration[@name='capt_cli.conf']/settings/param[@name='cli-port']/@value"), default.cli_port)
    bind     = [first(nonempty(value("document/configuration[@name='capt_cli.conf']/settings/param[@name='cli-host']/@value")), "*")]
    exposure = "admin"
  }

  # Before version 6 all is in one file.
  connect "collector" {
    purpose  = "HEP collector"
    for_each = [for s in find("document/configuration[@name='core_hep.conf']/settings") : s if has(s, "param[@name='capture-port']") && has("document/configuration[@name='modules.conf']/modules/load[@module='core_hep']")]
    protocol = [lower(first(value(each.value, "param[@name='capture-proto']/@value"), "udp")) == "udp" ? "udp" : "tcp"]
    peer     = first(value(each.value, "param[@name='capture-host']/@value"), "*")
    port     = port(value(each.value, "param[@name='capture-port']/@value"), 0)
  }

  connect "hep" {
    purpose  = "HEP collector"
    for_each = [for p in concat(find("document/module[@name='transport_hep']/profile"), find(file("hep"), "document/module[@name='transport_hep']/profile")) : p if truthy(value(p, "@enable"), true) && has(p, "settings/param[@name='capture-port']")]
    protocol = [lower(first(value(each.value, "settings/param[@name='capture-proto']/@value"), "udp")) == "udp" ? "udp" : "tcp"]
    peer     = first(value(each.value, "settings/param[@name='capture-host']/@value"), "*")
    port     = port(value(each.value, "settings/param[@name='capture-port']/@value"), 0)
  }

  test "filters open nothing" {
    input  = <<-EOT
      <document type="captagent/xml">
        <configuration name="modules.conf">
          <modules><load module="core_hep"/><load module="proto_uni"/><load module="capt_cli"/></modules>
        </configuration>
        <configuration name="core_hep.conf">
          <settings>
            <param name="capture-host" value="10.0.0.9"/>
            <param name="capture-port" value="9061"/>
            <param name="capture-proto" value="udp"/>
          </settings>
        </configuration>
        <configuration name="proto_uni.conf">
          <settings><param name="port" value="5060"/></settings>
        </configuration>
        <configuration name="capt_cli.conf">
          <settings>
            <param name="cli-host" value="127.0.0.1"/>
            <param name="cli-port" value="8910"/>
          </settings>
        </configuration>
      </document>
    EOT
    expect = ["cli tcp 127.0.0.1 8910 config L18", "collector udp -> 10.0.0.9 9061 config L8"]
  }

  test "a module that is not loaded" {
    input  = <<-EOT
      <document type="captagent/xml">
        <configuration name="modules.conf"><modules><load module="proto_uni"/></modules></configuration>
        <configuration name="capt_cli.conf"><settings><param name="cli-port" value="8910"/></settings></configuration>
      </document>
    EOT
    expect = []
  }

  test "the transport of newer versions" {
    role   = "hep"
    input  = <<-EOT
      <document type="captagent_module/xml">
        <module name="transport_hep">
          <profile name="a" enable="true">
            <settings><param name="capture-host" value="10.0.0.9"/><param name="capture-port" value="9062"/><param name="capture-proto" value="tcp"/></settings>
          </profile>
          <profile name="b" enable="false">
            <settings><param name="capture-host" value="10.0.0.9"/><param name="capture-port" value="9063"/></settings>
          </profile>
        </module>
      </document>
    EOT
    expect = ["hep tcp -> 10.0.0.9 9062 config L4"]
  }
}
