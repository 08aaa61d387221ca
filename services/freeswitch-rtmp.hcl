# FreeSWITCH RTMP. Everything is included by freeswitch.xml, which also says whether the module is
# loaded. The second file block knows the module's file when it is named alone; on a host
# it is never at the top folder, so that nothing is read twice.

service "freeswitch-rtmp" {
  title     = "FreeSWITCH RTMP"
  platforms = ["linux"]
  cites     = ["https://github.com/signalwire/freeswitch/blob/cc93a683ca6e1f8f47c1d6e38bd2daf8fa6a7b1c/src/mod/endpoints/mod_rtmp/mod_rtmp.c"]

  file "conf" {
    format = "freeswitch-xml"
    accept = has("document") || has("configuration[@name='rtmp.conf']")
    paths = {
      linux = ["/etc/freeswitch/freeswitch.xml", "/usr/local/freeswitch/conf/freeswitch.xml"]
    }
  }

  file "part" {
    format = "freeswitch-xml"
    accept = has("configuration[@name='rtmp.conf']")
    paths = {
      linux = ["/rtmp.conf.xml"]
    }
  }

  default "address" {
    setting = "bind-address"
    case {
      value = "0.0.0.0:1935"
      cites = ["https://github.com/signalwire/freeswitch/blob/cc93a683ca6e1f8f47c1d6e38bd2daf8fa6a7b1c/src/mod/endpoints/mod_rtmp/mod_rtmp.c#L1533"]
    }
  }

  locals {
    confs = concat(find("**/configuration[@name='rtmp.conf']"), find(file("part"), "configuration[@name='rtmp.conf']"))
    # modules.conf names the modules that are loaded. Without it, nothing says that this one is not.
    loaded = !has("**/configuration[@name='modules.conf']") || has("**/configuration[@name='modules.conf']/modules/load[@module='mod_rtmp']")
  }

  listen "rtmp" {
    purpose  = "RTMP"
    for_each = flatten([for c in local.confs : find(c, "profiles/profile")])
    when     = local.loaded
    protocol = ["tcp"]
    port     = port(hostport(text(value(each.value, "settings/param[@name='bind-address']/@value"), default.address)).port, null)
    bind     = [hostport(text(value(each.value, "settings/param[@name='bind-address']/@value"), default.address)).host]
    zero     = "unknown"
    exposure = "public"
    assigned = ["1935"]
  }

  test "the file alone" {
    role   = "part"
    input  = <<-EOT
      <configuration name="rtmp.conf">
        <profiles>
          <profile name="a">
            <settings>
              <param name="bind-address" value="192.0.2.9:1936"/>
            </settings>
          </profile>
        </profiles>
      </configuration>
    EOT
    expect = ["rtmp tcp 192.0.2.9 1936 config L5"]
  }

  test "defaults" {
    role   = "part"
    input  = <<-EOT
      <configuration name="rtmp.conf">
        <profiles>
          <profile name="a"><settings/></profile>
        </profiles>
      </configuration>
    EOT
    expect = ["rtmp tcp 0.0.0.0 1935 default"]
  }
}
