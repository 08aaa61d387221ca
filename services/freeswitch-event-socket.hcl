# FreeSWITCH event socket. Everything is included by freeswitch.xml, which also says whether the module is
# loaded. The second file block knows the module's file when it is named alone; on a host
# it is never at the top folder, so that nothing is read twice.

service "freeswitch-event-socket" {
  title     = "FreeSWITCH event socket"
  platforms = ["linux"]
  cites     = ["https://github.com/signalwire/freeswitch/blob/cc93a683ca6e1f8f47c1d6e38bd2daf8fa6a7b1c/src/mod/event_handlers/mod_event_socket/mod_event_socket.c"]

  file "conf" {
    format = "freeswitch-xml"
    accept = has("document") || has("configuration[@name='event_socket.conf']")
    paths = {
      linux = ["/etc/freeswitch/freeswitch.xml", "/usr/local/freeswitch/conf/freeswitch.xml"]
    }
  }

  file "part" {
    format = "freeswitch-xml"
    accept = has("configuration[@name='event_socket.conf']")
    paths = {
      linux = ["/event_socket.conf.xml"]
    }
  }

  default "port" {
    setting = "listen-port"
    case {
      value = 8021
      cites = ["https://github.com/signalwire/freeswitch/blob/cc93a683ca6e1f8f47c1d6e38bd2daf8fa6a7b1c/src/mod/event_handlers/mod_event_socket/mod_event_socket.c#L2941"]
    }
  }

  default "address" {
    setting = "listen-ip"
    case {
      value = "127.0.0.1"
      cites = ["https://github.com/signalwire/freeswitch/blob/cc93a683ca6e1f8f47c1d6e38bd2daf8fa6a7b1c/src/mod/event_handlers/mod_event_socket/mod_event_socket.c#L2920"]
    }
  }

  locals {
    confs = concat(find("**/configuration[@name='event_socket.conf']"), find(file("part"), "configuration[@name='event_socket.conf']"))
    # modules.conf names the modules that are loaded. Without it, nothing says that this one is not.
    loaded = !has("**/configuration[@name='modules.conf']") || has("**/configuration[@name='modules.conf']/modules/load[@module='mod_event_socket']")
  }

  # Without a list of its own, newer versions let nobody in but this host.
  listen "event-socket" {
    purpose      = "FreeSWITCH event socket"
    for_each     = local.confs
    when         = local.loaded
    protocol     = ["tcp"]
    port         = port(value(each.value, "settings/param[@name='listen-port']/@value"), default.port)
    bind         = [text(nonempty(value(each.value, "settings/param[@name='listen-ip']/@value")), default.address)]
    zero         = "unknown"
    unguarded    = length([for a in values(each.value, "settings/param[@name='apply-inbound-acl']/@value") : a if !starts_with(a, "loopback")]) > 0 ? "the password and all commands cross the network in clear, and apply-inbound-acl lets others than this host in" : null
    exposure     = "admin"
    trusted_only = "https://developer.signalwire.com/freeswitch/FreeSWITCH-Explained/Modules/mod_event_socket_1048924"
  }

  test "the file alone" {
    role   = "part"
    input  = <<-EOT
      <configuration name="event_socket.conf">
        <settings>
          <param name="listen-ip" value="::"/>
          <!-- <param name="listen-port" value="8022"/> -->
          <param name="listen-port" value="8023"/>
        </settings>
      </configuration>
    EOT
    expect = ["event-socket tcp :: 8023 config L5"]
  }

  test "defaults" {
    input  = <<-EOT
      <document type="freeswitch/xml">
        <section name="configuration">
          <configuration name="modules.conf"><modules><load module="mod_event_socket"/></modules></configuration>
          <configuration name="event_socket.conf"><settings/></configuration>
        </section>
      </document>
    EOT
    expect = ["event-socket tcp 127.0.0.1 8021 default"]
  }

  test "the module is not loaded" {
    input  = <<-EOT
      <document type="freeswitch/xml">
        <section name="configuration">
          <configuration name="modules.conf"><modules><load module="mod_sofia"/></modules></configuration>
          <configuration name="event_socket.conf"><settings><param name="listen-port" value="8021"/></settings></configuration>
        </section>
      </document>
    EOT
    expect = []
  }
}
