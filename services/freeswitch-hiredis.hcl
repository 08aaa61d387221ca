# FreeSWITCH Redis client. Everything is included by freeswitch.xml, which also says whether the module is
# loaded. The second file block knows the module's file when it is named alone; on a host
# it is never at the top folder, so that nothing is read twice.

service "freeswitch-hiredis" {
  title     = "FreeSWITCH Redis client"
  platforms = ["linux"]
  cites     = ["https://github.com/signalwire/freeswitch/blob/cc93a683ca6e1f8f47c1d6e38bd2daf8fa6a7b1c/src/mod/applications/mod_hiredis/hiredis_profile.c"]

  file "conf" {
    format = "freeswitch-xml"
    accept = has("document") || has("configuration[@name='hiredis.conf']")
    paths = {
      linux = ["/etc/freeswitch/freeswitch.xml", "/usr/local/freeswitch/conf/freeswitch.xml"]
    }
  }

  file "part" {
    format = "freeswitch-xml"
    accept = has("configuration[@name='hiredis.conf']")
    paths = {
      linux = ["/hiredis.conf.xml"]
    }
  }

  default "port" {
    setting = "port"
    case {
      value = 6379
      cites = ["https://github.com/signalwire/freeswitch/blob/cc93a683ca6e1f8f47c1d6e38bd2daf8fa6a7b1c/src/mod/applications/mod_hiredis/hiredis_profile.c#L173"]
    }
  }

  locals {
    confs = concat(find("**/configuration[@name='hiredis.conf']"), find(file("part"), "configuration[@name='hiredis.conf']"))
    # modules.conf names the modules that are loaded. Without it, nothing says that this one is not.
    loaded = !has("**/configuration[@name='modules.conf']") || has("**/configuration[@name='modules.conf']/modules/load[@module='mod_hiredis']")
  }

  connect "redis" {
    purpose  = "Redis"
    for_each = flatten([for c in local.confs : find(c, "profiles/profile/connections/connection")])
    when     = local.loaded
    protocol = ["tcp"]
    port     = port(value(each.value, "param[@name='port']/@value"), default.port)
    peer     = value(each.value, "param[@name='hostname']/@value")
    to       = ["redis.redis"]
  }

  test "two servers" {
    role   = "part"
    input  = <<-EOT
      <configuration name="hiredis.conf">
        <profiles>
          <profile name="p">
            <connections>
              <connection name="a"><param name="hostname" value="192.0.2.4"/><param name="port" value="6380"/></connection>
              <connection name="b"><param name="hostname" value="db.example"/></connection>
            </connections>
          </profile>
        </profiles>
      </configuration>
    EOT
    expect = ["redis tcp -> 192.0.2.4 6380 config L5", "redis tcp -> db.example 6379 default"]
  }

  test "no server" {
    role   = "part"
    input  = <<-EOT
      <configuration name="hiredis.conf">
        <profiles/>
      </configuration>
    EOT
    expect = []
  }
}
