# FreeSWITCH's H.323 endpoint. On a host it is read through freeswitch.xml, which also
# says whether the module is loaded. The second file block knows opal.conf.xml when it is
# named alone; on a host it is never at the top folder, so that nothing is read twice.

service "freeswitch-opal" {
  title     = "FreeSWITCH H.323 (OPAL)"
  platforms = ["linux"]
  cites     = ["https://github.com/signalwire/freeswitch/blob/cc93a683ca6e1f8f47c1d6e38bd2daf8fa6a7b1c/src/mod/endpoints/mod_opal/mod_opal.cpp"]

  file "conf" {
    format = "freeswitch-xml"
    accept = has("document") || has("configuration[@name='opal.conf']")
    paths = {
      linux = ["/etc/freeswitch/freeswitch.xml", "/usr/local/freeswitch/conf/freeswitch.xml"]
    }
  }

  file "part" {
    format = "freeswitch-xml"
    accept = has("configuration[@name='opal.conf']")
    paths = {
      linux = ["/opal.conf.xml"]
    }
  }

  default "port" {
    setting = "h323-port"
    case {
      value = 1720
      cites = ["https://github.com/signalwire/freeswitch/blob/cc93a683ca6e1f8f47c1d6e38bd2daf8fa6a7b1c/src/mod/endpoints/mod_opal/mod_opal.h#L89"]
    }
  }

  locals {
    confs = concat(find("**/configuration[@name='opal.conf']"), find(file("part"), "configuration[@name='opal.conf']"))
    # modules.conf names the modules that are loaded. Without it, nothing says that this one is not.
    loaded = !has("**/configuration[@name='modules.conf']") || has("**/configuration[@name='modules.conf']/modules/load[@module='mod_opal']")
  }

  listen "h323" {
    purpose  = "H.323 call signalling"
    for_each = flatten([for c in local.confs : find(c, "listeners/listener")])
    when     = local.loaded
    protocol = ["tcp"]
    port     = port(value(each.value, "param[@name='h323-port']/@value"), default.port)
    bind     = [text(value(each.value, "param[@name='h323-ip']/@value"), "*")]
    zero     = "unknown"
    exposure = "public"
    assigned = ["1720"]
  }

  # mod_opal.cpp, line 285: without a listener it starts one with every default.
  listen "h323-default" {
    purpose  = "H.323 call signalling"
    for_each = [for c in local.confs : c if !has(c, "listeners/listener")]
    when     = local.loaded
    protocol = ["tcp"]
    port     = default.port
    exposure = "public"
    assigned = ["1720"]
  }

  test "two listeners" {
    role   = "part"
    input  = <<-EOT
      <configuration name="opal.conf">
        <listeners>
          <listener name="a">
            <param name="h323-ip" value="192.0.2.5"/>
            <param name="h323-port" value="1722"/>
          </listener>
          <listener name="b"/>
        </listeners>
      </configuration>
    EOT
    expect = ["h323 tcp * 1720 default", "h323 tcp 192.0.2.5 1722 config L5"]
  }

  test "no listener" {
    role   = "part"
    input  = <<-EOT
      <configuration name="opal.conf">
        <settings><param name="context" value="default"/></settings>
      </configuration>
    EOT
    expect = ["h323-default tcp * 1720 default"]
  }
}
