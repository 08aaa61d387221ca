# FreeSWITCH Erlang node. Everything is included by freeswitch.xml, which also says whether the module is
# loaded. The second file block knows the module's file when it is named alone; on a host
# it is never at the top folder, so that nothing is read twice.

service "freeswitch-erlang-event" {
  title     = "FreeSWITCH Erlang node"
  platforms = ["linux"]
  cites     = ["https://github.com/signalwire/freeswitch/blob/cc93a683ca6e1f8f47c1d6e38bd2daf8fa6a7b1c/src/mod/event_handlers/mod_erlang_event/mod_erlang_event.c"]

  file "conf" {
    format = "freeswitch-xml"
    accept = has("document") || has("configuration[@name='erlang_event.conf']")
    paths = {
      linux = ["/etc/freeswitch/freeswitch.xml", "/usr/local/freeswitch/conf/freeswitch.xml"]
    }
  }

  file "part" {
    format = "freeswitch-xml"
    accept = has("configuration[@name='erlang_event.conf']")
    paths = {
      linux = ["/erlang_event.conf.xml"]
    }
  }

  default "port" {
    setting = "listen-port"
    case {
      value = 8031
      cites = ["https://github.com/signalwire/freeswitch/blob/cc93a683ca6e1f8f47c1d6e38bd2daf8fa6a7b1c/src/mod/event_handlers/mod_erlang_event/mod_erlang_event.c#L1314"]
    }
  }

  default "address" {
    setting = "listen-ip"
    case {
      value = "0.0.0.0"
      cites = ["https://github.com/signalwire/freeswitch/blob/cc93a683ca6e1f8f47c1d6e38bd2daf8fa6a7b1c/src/mod/event_handlers/mod_erlang_event/mod_erlang_event.c#L1291"]
    }
  }

  default "epmd" {
    setting = "the port of epmd"
    case {
      value = 4369
      cites = ["https://github.com/signalwire/freeswitch/blob/cc93a683ca6e1f8f47c1d6e38bd2daf8fa6a7b1c/src/mod/event_handlers/mod_erlang_event/mod_erlang_event.c#L2085"]
    }
  }

  locals {
    confs = concat(find("**/configuration[@name='erlang_event.conf']"), find(file("part"), "configuration[@name='erlang_event.conf']"))
    # modules.conf names the modules that are loaded. Without it, nothing says that this one is not.
    loaded = !has("**/configuration[@name='modules.conf']") || has("**/configuration[@name='modules.conf']/modules/load[@module='mod_erlang_event']")
  }

  listen "erlang" {
    purpose  = "Erlang distribution of FreeSWITCH"
    for_each = local.confs
    when     = local.loaded
    protocol = ["tcp"]
    port     = port(value(each.value, "settings/param[@name='listen-port']/@value"), default.port)
    bind     = [text(nonempty(value(each.value, "settings/param[@name='listen-ip']/@value")), default.address)]
    zero     = "unknown"
    exposure = "internal"
  }

  connect "epmd" {
    purpose  = "registration with epmd"
    for_each = local.confs
    when     = local.loaded
    protocol = ["tcp"]
    port     = default.epmd
    peer     = "127.0.0.1"
  }

  test "the file alone" {
    role   = "part"
    input  = <<-EOT
      <configuration name="erlang_event.conf">
        <settings>
          <param name="listen-ip" value="192.0.2.9"/>
          <param name="listen-port" value="8032"/>
        </settings>
      </configuration>
    EOT
    expect = ["erlang tcp 192.0.2.9 8032 config L4", "epmd tcp -> 127.0.0.1 4369 default"]
  }

  test "defaults" {
    role   = "part"
    input  = <<-EOT
      <configuration name="erlang_event.conf">
        <settings/>
      </configuration>
    EOT
    expect = ["erlang tcp 0.0.0.0 8031 default", "epmd tcp -> 127.0.0.1 4369 default"]
  }
}
