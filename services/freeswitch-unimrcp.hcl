# mod_unimrcp of FreeSWITCH: each profile is a client of a speech server.

service "freeswitch-unimrcp" {
  title     = "FreeSWITCH UniMRCP client (mod_unimrcp)"
  platforms = ["linux", "windows-server"]
  cites     = ["https://developer.signalwire.com/freeswitch/FreeSWITCH-Explained/Modules/mod_unimrcp_6586728/"]

  file "root" {
    format      = "freeswitch-xml"
    accept      = has("**/configuration[@name='unimrcp.conf']") || has("profile/param[@name='server-ip']")
    common_name = true # freeswitch.xml belongs to all modules
    paths = {
      linux   = ["/etc/freeswitch/freeswitch.xml", "/usr/local/freeswitch/conf/freeswitch.xml", "/opt/freeswitch/conf/freeswitch.xml"]
      windows = ["C:/Program Files/FreeSWITCH/conf/freeswitch.xml"]
    }
  }

  file "conf" {
    format = "freeswitch-xml"
    accept = has("**/configuration[@name='unimrcp.conf']")
    paths = {
      linux   = ["/etc/freeswitch/autoload_configs/unimrcp.conf.xml", "/usr/local/freeswitch/conf/autoload_configs/unimrcp.conf.xml", "/opt/freeswitch/conf/autoload_configs/unimrcp.conf.xml"]
      windows = ["C:/Program Files/FreeSWITCH/conf/autoload_configs/unimrcp.conf.xml"]
    }
  }

  # The other two include these. The names let a profile be read alone.
  file "profile" {
    format      = "freeswitch-xml"
    accept      = has("profile/param[@name='server-ip']") || has("profile/param[@name='rtp-port-min']")
    common_name = true
    paths = {
      linux   = ["/etc/freeswitch/mrcp_profiles/*-mrcp*.xml", "/usr/local/freeswitch/conf/mrcp_profiles/*-mrcp*.xml", "/opt/freeswitch/conf/mrcp_profiles/*-mrcp*.xml"]
      windows = ["C:/Program Files/FreeSWITCH/conf/mrcp_profiles/*-mrcp*.xml"]
    }
  }

  default "client_ip" {
    setting = "client-ip"
    case {
      value = "127.0.0.1"
      cites = ["https://github.com/freeswitch/mod_unimrcp/blob/a5c613ef9b5084b6b569103c73f52d5e9f9f6de9/mod_unimrcp.c#L3947"]
    }
  }

  default "client_port" {
    setting = "client-port"
    case {
      value = 5090
      cites = ["https://github.com/freeswitch/mod_unimrcp/blob/a5c613ef9b5084b6b569103c73f52d5e9f9f6de9/mod_unimrcp.c#L3947"]
    }
  }

  default "server_ip" {
    setting = "server-ip"
    case {
      value = "127.0.0.1"
      cites = ["https://github.com/freeswitch/mod_unimrcp/blob/a5c613ef9b5084b6b569103c73f52d5e9f9f6de9/mod_unimrcp.c#L3948"]
    }
  }

  default "server_port" {
    setting = "server-port"
    case {
      value = 5060
      cites = ["https://github.com/freeswitch/mod_unimrcp/blob/a5c613ef9b5084b6b569103c73f52d5e9f9f6de9/mod_unimrcp.c#L3948"]
    }
  }

  default "rtp_port_min" {
    setting = "rtp-port-min"
    case {
      value = 4000
      cites = ["https://github.com/freeswitch/mod_unimrcp/blob/a5c613ef9b5084b6b569103c73f52d5e9f9f6de9/mod_unimrcp.c#L3949"]
    }
  }

  default "rtp_port_max" {
    setting = "rtp-port-max"
    case {
      value = 5000
      cites = ["https://github.com/freeswitch/mod_unimrcp/blob/a5c613ef9b5084b6b569103c73f52d5e9f9f6de9/mod_unimrcp.c#L3950"]
    }
  }

  default "sip_transport" {
    setting = "sip-transport"
    case {
      value = "udp,tcp"
      note  = "without the setting the SIP stack binds both"
      cites = ["https://github.com/unispeech/unimrcp/blob/9913f23691b3a1b8a7e84be5ba25478031352158/platforms/libunimrcp-server/src/unimrcp_server.c#L298"]
    }
  }

  locals {
    # The whole configuration says which modules are loaded; a file alone does not.
    loaded = !has("**/configuration[@name='modules.conf']/modules/load") || has("**/configuration[@name='modules.conf']/modules/load[@module='mod_unimrcp']")
    whole  = find("**/configuration[@name='unimrcp.conf']/profiles/profile")
    conf   = find(file("conf"), "**/configuration[@name='unimrcp.conf']/profiles/profile")
    alone  = concat(find("profile"), find(file("profile"), "profile"))
    found  = length(local.whole) > 0 ? local.whole : length(local.conf) > 0 ? local.conf : local.alone
  }

  each "v2" {
    for_each = [for p in local.found : p if value(p, "@version") == "2"]
    when     = local.loaded

    locals {
      transports = distinct([for t in items(text(value(each.value, "param[@name='sip-transport']/@value"), default.sip_transport), ",") : lower(t) == "udp" ? "udp" : "tcp"])
    }

    # The speech server is another host as a rule, so it must reach these ports.
    listen "sip" {
      purpose  = "SIP to the speech server (MRCPv2)"
      protocol = local.transports
      port     = port(value(each.value, "param[@name='client-port']/@value"), default.client_port)
      bind     = [first(value(each.value, "param[@name='client-ip']/@value"), default.client_ip)]
      share    = "sip"
      zero     = "unknown"
      exposure = "public"
      assigned = ["5060-5061"]
    }

    connect "sip-server" {
      purpose  = "SIP of the speech server"
      protocol = local.transports
      peer     = first(value(each.value, "param[@name='server-ip']/@value"), default.server_ip)
      port     = port(value(each.value, "param[@name='server-port']/@value"), default.server_port)
    }
  }

  each "v1" {
    for_each = [for p in local.found : p if value(p, "@version") == "1"]
    when     = local.loaded

    connect "rtsp-server" {
      purpose  = "RTSP of the speech server"
      protocol = ["tcp"]
      peer     = first(value(each.value, "param[@name='server-ip']/@value"), default.server_ip)
      port     = port(value(each.value, "param[@name='server-port']/@value"), default.server_port)
    }
  }

  each "rtp" {
    for_each = [for p in local.found : p if contains(["1", "2"], first(value(p, "@version"), ""))]
    when     = local.loaded

    locals {
      low  = port(value(each.value, "param[@name='rtp-port-min']/@value"), default.rtp_port_min)
      high = port(value(each.value, "param[@name='rtp-port-max']/@value"), default.rtp_port_max)
    }

    # The end is not used. Profiles may have the same range: they bind one port at a time
    # and share what there is.
    # https://github.com/unispeech/unimrcp/blob/9913f23691b3a1b8a7e84be5ba25478031352158/libs/mpf/src/mpf_rtp_stream.c#L176
    listen "rtp" {
      purpose  = "RTP and RTCP to the speech server"
      protocol = ["udp"]
      first    = local.low
      last     = local.low + 2 * max(1, ceil((local.high - local.low) / 2)) - 1
      nominal  = [local.low, local.high]
      bind     = [first(value(each.value, "param[@name='rtp-ip']/@value"), default.client_ip)]
      pairs    = true
      share    = "rtp"
      zero     = "unknown"
      exposure = "public"
    }
  }

  test "a profile alone" {
    role  = "profile"
    input = <<-EOT
      <include>
        <profile name="x" version="2">
          <!-- <param name="client-port" value="5091"/> -->
          <param name="client-ip" value="auto"/>
          <param name="client-port" value="5092"/>
          <param name="server-ip" value="10.0.0.2"/>
          <param name="server-port" value="5060"/>
          <param name="sip-transport" value="udp"/>
          <param name="rtp-ip" value="auto"/>
          <param name="rtp-port-min" value="14000"/>
          <param name="rtp-port-max" value="14500"/>
        </profile>
      </include>
    EOT
    expect = [
      "sip udp auto 5092 config L5",
      "sip-server udp -> 10.0.0.2 5060 config L7",
      "rtp udp auto 14000-14499 config nominal 14000-14500 L10",
    ]
  }

  test "the first version has no SIP" {
    role  = "conf"
    input = <<-EOT
      <configuration name="unimrcp.conf">
        <profiles>
          <profile name="y" version="1">
            <param name="client-port" value="5092"/>
            <param name="server-ip" value="10.0.0.2"/>
            <param name="server-port" value="1554"/>
          </profile>
        </profiles>
      </configuration>
    EOT
    expect = [
      "rtsp-server tcp -> 10.0.0.2 1554 config L6",
      "rtp udp 127.0.0.1 4000-4999 default nominal 4000-5000",
    ]
  }

  test "a module that is not loaded" {
    input  = <<-EOT
      <document type="freeswitch/xml">
        <section name="configuration">
          <configuration name="modules.conf"><modules><load module="mod_sofia"/></modules></configuration>
          <configuration name="unimrcp.conf">
            <profiles><profile name="z" version="2"><param name="client-port" value="5092"/></profile></profiles>
          </configuration>
        </section>
      </document>
    EOT
    expect = []
  }
}
