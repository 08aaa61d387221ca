# The media ports of FreeSWITCH itself. Its SIP profiles and modules are services of
# their own. The second file block knows switch.conf.xml when it is named alone; on a host
# it is never at the top folder, so that nothing is read twice.

service "freeswitch" {
  title     = "FreeSWITCH"
  platforms = ["linux"]
  cites     = ["https://github.com/signalwire/freeswitch/blob/cc93a683ca6e1f8f47c1d6e38bd2daf8fa6a7b1c/src/switch_rtp.c"]

  file "conf" {
    format = "freeswitch-xml"
    accept = !has("*") || has("document") || has("configuration[@name='switch.conf']")
    paths = {
      linux = ["/etc/freeswitch/freeswitch.xml", "/usr/local/freeswitch/conf/freeswitch.xml"]
    }
  }

  file "part" {
    format = "freeswitch-xml"
    accept = has("configuration[@name='switch.conf']")
    paths = {
      linux = ["/switch.conf.xml"]
    }
  }

  default "rtp_start" {
    setting = "rtp-start-port"
    case {
      value = 16384
      cites = ["https://github.com/signalwire/freeswitch/blob/cc93a683ca6e1f8f47c1d6e38bd2daf8fa6a7b1c/src/switch_rtp.c#L74"]
    }
  }

  default "rtp_end" {
    setting = "rtp-end-port"
    case {
      value = 32768
      cites = ["https://github.com/signalwire/freeswitch/blob/cc93a683ca6e1f8f47c1d6e38bd2daf8fa6a7b1c/src/switch_rtp.c#L75"]
    }
  }

  locals {
    # Each local address has the whole range for itself (alloc_hash of switch_rtp.c). Only
    # the whole configuration tells how many there are.
    addresses = distinct(values("**/param[@name='rtp-ip']/@value"))

    confs = concat(find("**/configuration[@name='switch.conf']"), find(file("part"), "configuration[@name='switch.conf']"))
  }

  each "configuration" {
    for_each = local.confs

    locals {
      start = port(value(each.value, "settings/param[@name='rtp-start-port']/@value"), default.rtp_start)
      end   = port(value(each.value, "settings/param[@name='rtp-end-port']/@value"), default.rtp_end)
    }

    # Both ends are used, after rounding to even ports, and RTCP takes the next port:
    # switch_core_port_allocator.c, lines 76 to 96.
    listen "rtp" {
      purpose  = "RTP and RTCP"
      protocol = ["udp"]
      first    = even_up(local.start)
      last     = even_down(local.end) + 1
      nominal  = [local.start, local.end]
      pairs    = true
      zero     = "unknown"
      needs    = length(local.addresses) > 0 ? 2 * ceil(number(value(each.value, "settings/param[@name='max-sessions']/@value"), 0) / length(local.addresses)) : 0
      exposure = "public"
    }
  }

  test "as many sessions as the whole configuration has addresses for" {
    input  = <<-EOT
      <document type="freeswitch/xml">
        <section name="configuration">
          <configuration name="switch.conf"><settings>
            <param name="max-sessions" value="1001"/>
            <param name="rtp-start-port" value="20000"/>
            <param name="rtp-end-port" value="20998"/>
          </settings></configuration>
          <configuration name="sofia.conf"><profiles>
            <profile name="a"><settings><param name="rtp-ip" value="192.0.2.5"/></settings></profile>
            <profile name="b"><settings><param name="rtp-ip" value="192.0.2.6"/></settings></profile>
            <profile name="c"><settings><param name="rtp-ip" value="192.0.2.5"/></settings></profile>
          </profiles></configuration>
        </section>
      </document>
    EOT
    expect = ["rtp udp * 20000-20999 config nominal 20000-20998 needs 1002 L5"]
  }

  test "defaults" {
    role   = "part"
    input  = <<-EOT
      <configuration name="switch.conf">
        <settings>
          <!-- <param name="rtp-start-port" value="20000"/> -->
          <param name="max-sessions" value="1000"/>
        </settings>
      </configuration>
    EOT
    expect = ["rtp udp * 16384-32769 default nominal 16384-32768"]
  }

  test "odd ends" {
    role   = "part"
    input  = <<-EOT
      <configuration name="switch.conf">
        <settings>
          <param name="rtp-start-port" value="20001"/>
          <param name="rtp-end-port" value="21001"/>
        </settings>
      </configuration>
    EOT
    expect = ["rtp udp * 20002-21001 config nominal 20001-21001 L3"]
  }

  test "what is included is not there" {
    input  = <<-EOT
      <document type="freeswitch/xml">
        <section name="configuration">
          <X-PRE-PROCESS cmd="include" data="autoload_configs/*.xml"/>
        </section>
      </document>
    EOT
    expect = []
  }
}
