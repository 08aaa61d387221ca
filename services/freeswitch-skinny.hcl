# FreeSWITCH's Skinny (SCCP) endpoint. On a host it is read through freeswitch.xml, which
# also says whether the module is loaded. The second file block knows a profile that is
# named alone; on a host it is never at the top folder, so that nothing is read twice.

service "freeswitch-skinny" {
  title     = "FreeSWITCH Skinny"
  platforms = ["linux"]
  cites     = ["https://github.com/signalwire/freeswitch/blob/cc93a683ca6e1f8f47c1d6e38bd2daf8fa6a7b1c/src/mod/endpoints/mod_skinny/mod_skinny.c"]

  file "conf" {
    format = "freeswitch-xml"
    accept = has("document") || has("configuration[@name='skinny.conf']") || has("profile/soft-key-set-sets") || has("profile/settings/param[@name='patterns-context']")
    paths = {
      linux = ["/etc/freeswitch/freeswitch.xml", "/usr/local/freeswitch/conf/freeswitch.xml"]
    }
  }

  file "part" {
    format      = "freeswitch-xml"
    accept      = has("configuration[@name='skinny.conf']") || has("profile/soft-key-set-sets") || has("profile/settings/param[@name='patterns-context']")
    common_name = true # SIP profiles are called internal too
    paths = {
      linux = ["/skinny.conf.xml", "/internal.xml"]
    }
  }

  default "port" {
    setting = "port"
    case {
      value = 2000
      cites = ["https://github.com/signalwire/freeswitch/blob/cc93a683ca6e1f8f47c1d6e38bd2daf8fa6a7b1c/src/mod/endpoints/mod_skinny/mod_skinny.c#L2330"]
    }
  }

  locals {
    profiles = concat(
      find("**/configuration[@name='skinny.conf']/profiles/profile"), find("profile"),
      find(file("part"), "**/configuration[@name='skinny.conf']/profiles/profile"), find(file("part"), "profile"),
    )
    # modules.conf names the modules that are loaded. Without it, nothing says that this one is not.
    loaded = !has("**/configuration[@name='modules.conf']") || has("**/configuration[@name='modules.conf']/modules/load[@module='mod_skinny']")
  }

  listen "skinny" {
    purpose  = "Skinny (SCCP)"
    for_each = local.profiles
    when     = local.loaded
    protocol = ["tcp"]
    port     = port(value(each.value, "settings/param[@name='port']/@value"), default.port)
    bind     = [text(nonempty(value(each.value, "settings/param[@name='ip']/@value")), "*")]
    zero     = "unknown"
    exposure = "public"
    assigned = ["2000"]
  }

  test "a profile alone" {
    role   = "part"
    input  = <<-EOT
      <profile name="a">
        <settings>
          <param name="ip" value="192.0.2.5"/>
          <param name="port" value="2002"/>
          <param name="patterns-context" value="x"/>
        </settings>
      </profile>
    EOT
    expect = ["skinny tcp 192.0.2.5 2002 config L4"]
  }

  test "defaults" {
    input  = <<-EOT
      <document type="freeswitch/xml">
        <section name="configuration">
          <configuration name="skinny.conf"><profiles>
            <profile name="a"><settings/></profile>
          </profiles></configuration>
        </section>
      </document>
    EOT
    expect = ["skinny tcp * 2000 default"]
  }
}
