# FreeSWITCH XML-RPC. Everything is included by freeswitch.xml, which also says whether the module is
# loaded. The second file block knows the module's file when it is named alone; on a host
# it is never at the top folder, so that nothing is read twice.

service "freeswitch-xml-rpc" {
  title     = "FreeSWITCH XML-RPC"
  platforms = ["linux"]
  cites     = ["https://github.com/signalwire/freeswitch/blob/cc93a683ca6e1f8f47c1d6e38bd2daf8fa6a7b1c/src/mod/xml_int/mod_xml_rpc/mod_xml_rpc.c"]

  file "conf" {
    format = "freeswitch-xml"
    accept = has("document") || has("configuration[@name='xml_rpc.conf']")
    paths = {
      linux = ["/etc/freeswitch/freeswitch.xml", "/usr/local/freeswitch/conf/freeswitch.xml"]
    }
  }

  file "part" {
    format = "freeswitch-xml"
    accept = has("configuration[@name='xml_rpc.conf']")
    paths = {
      linux = ["/xml_rpc.conf.xml"]
    }
  }

  default "port" {
    setting = "http-port"
    case {
      value = 8080
      cites = ["https://github.com/signalwire/freeswitch/blob/cc93a683ca6e1f8f47c1d6e38bd2daf8fa6a7b1c/src/mod/xml_int/mod_xml_rpc/mod_xml_rpc.c#L143"]
    }
  }

  locals {
    confs = concat(find("**/configuration[@name='xml_rpc.conf']"), find(file("part"), "configuration[@name='xml_rpc.conf']"))
    # modules.conf names the modules that are loaded. Without it, nothing says that this one is not.
    loaded = !has("**/configuration[@name='modules.conf']") || has("**/configuration[@name='modules.conf']/modules/load[@module='mod_xml_rpc']")
  }

  listen "xml-rpc" {
    purpose  = "FreeSWITCH XML-RPC and web pages"
    for_each = local.confs
    when     = local.loaded
    protocol = ["tcp"]
    port     = port(value(each.value, "settings/param[@name='http-port']/@value"), default.port)
    zero     = "unknown"
    exposure = "admin"
  }

  test "the file alone" {
    role   = "part"
    input  = <<-EOT
      <configuration name="xml_rpc.conf">
        <settings>
          <param name="http-port" value="8090"/>
        </settings>
      </configuration>
    EOT
    expect = ["xml-rpc tcp * 8090 config L3"]
  }

  test "defaults" {
    role   = "part"
    input  = <<-EOT
      <configuration name="xml_rpc.conf">
        <settings>
          <!-- <param name="http-port" value="8090"/> -->
          <param name="auth-realm" value="example"/>
        </settings>
      </configuration>
    EOT
    expect = ["xml-rpc tcp * 8080 default"]
  }
}
