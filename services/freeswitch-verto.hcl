# The WebSocket endpoint of FreeSWITCH. On a host it is read through freeswitch.xml, which
# also says whether the module is loaded. The second file block knows verto.conf.xml when
# it is named alone; on a host it is never at the top folder, so that nothing is read twice.

service "freeswitch-verto" {
  title     = "FreeSWITCH Verto"
  platforms = ["linux"]
  cites     = ["https://github.com/signalwire/freeswitch/blob/cc93a683ca6e1f8f47c1d6e38bd2daf8fa6a7b1c/src/mod/endpoints/mod_verto/mod_verto.c"]

  file "conf" {
    format = "freeswitch-xml"
    accept = has("document") || has("configuration[@name='verto.conf']")
    paths = {
      linux = ["/etc/freeswitch/freeswitch.xml", "/usr/local/freeswitch/conf/freeswitch.xml"]
    }
  }

  file "part" {
    format = "freeswitch-xml"
    accept = has("configuration[@name='verto.conf']")
    paths = {
      linux = ["/verto.conf.xml"]
    }
  }

  locals {
    confs = concat(find("**/configuration[@name='verto.conf']"), find(file("part"), "configuration[@name='verto.conf']"))
    # modules.conf names the modules that are loaded. Without it, nothing says that this one is not.
    loaded = !has("**/configuration[@name='modules.conf']") || has("**/configuration[@name='modules.conf']/modules/load[@module='mod_verto']")
  }

  each "profile" {
    for_each = flatten([for c in local.confs : find(c, "profiles/profile")])

    listen "verto" {
      purpose  = "Verto over WebSocket"
      for_each = values(each.value, "param[@name='bind-local']/@value")
      when     = local.loaded
      protocol = ["tcp"]
      port     = port(hostport(each.value).port, 0)
      bind     = [hostport(each.value).host]
      exposure = "public"
    }

    # The socket that receives is bound to every IPv4 address and joins the group:
    # mcast/mcast.c, lines 98 to 111. The one that sends has the next port and binds none.
    listen "multicast" {
      purpose  = "Verto events by multicast"
      when     = local.loaded && has(each.value, "param[@name='mcast-ip']")
      protocol = ["udp"]
      port     = port(value(each.value, "param[@name='mcast-port']/@value"), 0)
      bind     = ["0.0.0.0"]
      exposure = "internal"
    }
  }

  test "two bindings and multicast" {
    role   = "part"
    input  = <<-EOT
      <configuration name="verto.conf">
        <profiles>
          <profile name="a">
            <param name="bind-local" value="192.0.2.5:8081"/>
            <param name="bind-local" value="[2001:db8::5]:8082" secure="true"/>
            <param name="mcast-ip" value="224.0.2.60"/>
            <param name="mcast-port" value="1340"/>
            <param name="rtp-ip" value="192.0.2.5"/>
          </profile>
        </profiles>
      </configuration>
    EOT
    expect = ["multicast udp 0.0.0.0 1340 config L7", "verto tcp 192.0.2.5 8081 config L4", "verto tcp 2001:db8::5 8082 config L5"]
  }

  test "no binding" {
    role   = "part"
    input  = <<-EOT
      <configuration name="verto.conf">
        <profiles>
          <profile name="a">
            <!-- <param name="bind-local" value="192.0.2.5:8081"/> -->
            <param name="mcast-port" value="1340"/>
          </profile>
        </profiles>
      </configuration>
    EOT
    expect = []
  }
}
