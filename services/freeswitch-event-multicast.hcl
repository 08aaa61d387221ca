# FreeSWITCH events by multicast. On a host it is read through freeswitch.xml, which also
# says whether the module is loaded. The second file block knows event_multicast.conf.xml
# when it is named alone; on a host it is never at the top folder, so that nothing is read
# twice.

service "freeswitch-event-multicast" {
  title     = "FreeSWITCH event multicast"
  platforms = ["linux"]
  cites     = ["https://github.com/signalwire/freeswitch/blob/cc93a683ca6e1f8f47c1d6e38bd2daf8fa6a7b1c/src/mod/event_handlers/mod_event_multicast/mod_event_multicast.c"]

  file "conf" {
    format = "freeswitch-xml"
    accept = has("document") || has("configuration[@name='event_multicast.conf']")
    paths = {
      linux = ["/etc/freeswitch/freeswitch.xml", "/usr/local/freeswitch/conf/freeswitch.xml"]
    }
  }

  file "part" {
    format = "freeswitch-xml"
    accept = has("configuration[@name='event_multicast.conf']")
    paths = {
      linux = ["/event_multicast.conf.xml"]
    }
  }

  default "source" {
    setting = "source_address"
    case {
      value = "0.0.0.0"
      cites = ["https://github.com/signalwire/freeswitch/blob/cc93a683ca6e1f8f47c1d6e38bd2daf8fa6a7b1c/src/mod/event_handlers/mod_event_multicast/mod_event_multicast.c#L228"]
    }
  }

  default "source_ipv6" {
    setting = "source_address_ipv6"
    case {
      value = "::"
      cites = ["https://github.com/signalwire/freeswitch/blob/cc93a683ca6e1f8f47c1d6e38bd2daf8fa6a7b1c/src/mod/event_handlers/mod_event_multicast/mod_event_multicast.c#L232"]
    }
  }

  locals {
    confs = concat(find("**/configuration[@name='event_multicast.conf']"), find(file("part"), "configuration[@name='event_multicast.conf']"))
    # modules.conf names the modules that are loaded. Without it, nothing says that this one is not.
    loaded = !has("**/configuration[@name='modules.conf']") || has("**/configuration[@name='modules.conf']/modules/load[@module='mod_event_multicast']")
  }

  each "configuration" {
    for_each = local.confs

    # The socket is bound to the source address, not to the group: lines 362 to 445. Each
    # family has one when there is a peer of that family.
    locals {
      peers = items(value(each.value, "settings/param[@name='address']/@value"), ",")
      four  = length([for p in local.peers : p if length(match("(:)", p)) == 0]) > 0
      six   = length([for p in local.peers : p if length(match("(:)", p)) > 0]) > 0
    }

    listen "events" {
      purpose  = "FreeSWITCH events by multicast"
      when     = local.loaded && local.four
      protocol = ["udp"]
      port     = port(value(each.value, "settings/param[@name='port']/@value"), 0)
      bind     = [text(nonempty(value(each.value, "settings/param[@name='source_address']/@value")), default.source)]
      exposure = "internal"
    }

    listen "events-ipv6" {
      purpose  = "FreeSWITCH events by multicast"
      when     = local.loaded && local.six
      protocol = ["udp"]
      port     = port(value(each.value, "settings/param[@name='port']/@value"), 0)
      bind     = [text(nonempty(value(each.value, "settings/param[@name='source_address_ipv6']/@value")), default.source_ipv6)]
      v6only   = true
      exposure = "internal"
    }
  }

  test "a group" {
    role   = "part"
    input  = <<-EOT
      <configuration name="event_multicast.conf">
        <settings>
          <param name="address" value="224.0.2.60"/>
          <param name="port" value="4300"/>
        </settings>
      </configuration>
    EOT
    expect = ["events udp 0.0.0.0 4300 config L4"]
  }

  test "both families" {
    role   = "part"
    input  = <<-EOT
      <configuration name="event_multicast.conf">
        <settings>
          <param name="address" value="192.0.2.5,ff02::60"/>
          <param name="source_address" value="192.0.2.4"/>
          <param name="port" value="4300"/>
        </settings>
      </configuration>
    EOT
    expect = ["events udp 192.0.2.4 4300 config L5", "events-ipv6 udp :: 4300 config L5"]
  }

  test "no peer" {
    role   = "part"
    input  = <<-EOT
      <configuration name="event_multicast.conf">
        <settings>
          <param name="port" value="4300"/>
        </settings>
      </configuration>
    EOT
    expect = []
  }
}
