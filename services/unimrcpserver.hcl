# UniMRCP server. Not every number in its file is a port that it opens: the last port of a
# range is not used, RTCP is bound beside RTP even where it is switched off, and an RTSP
# agent without a port gets one from the system.

service "unimrcpserver" {
  title     = "UniMRCP server"
  platforms = ["linux", "windows-server"]
  cites     = ["https://www.unimrcp.org/manuals/html/ServerConfigurationManual.html"]

  file "conf" {
    format = "xml"
    accept = has("unimrcpserver")
    paths = {
      linux   = ["/usr/local/unimrcp/conf/unimrcpserver.xml", "/opt/unimrcp/conf/unimrcpserver.xml", "/etc/unimrcp/unimrcpserver.xml"]
      windows = ["C:/Program Files/UniMRCP/conf/unimrcpserver.xml", "C:/UniMRCP/conf/unimrcpserver.xml"]
    }
  }

  default "sip_port" {
    setting = "sip-port"
    case {
      value = 8060
      cites = ["https://github.com/unispeech/unimrcp/blob/9913f23691b3a1b8a7e84be5ba25478031352158/platforms/libunimrcp-server/src/unimrcp_server.c#L43"]
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

  default "mrcp_port" {
    setting = "mrcp-port"
    case {
      value = 1544
      cites = ["https://github.com/unispeech/unimrcp/blob/9913f23691b3a1b8a7e84be5ba25478031352158/platforms/libunimrcp-server/src/unimrcp_server.c#L45"]
    }
  }

  default "rtp_port_min" {
    setting = "rtp-port-min"
    case {
      value = 5000
      cites = ["https://github.com/unispeech/unimrcp/blob/9913f23691b3a1b8a7e84be5ba25478031352158/platforms/libunimrcp-server/src/unimrcp_server.c#L46"]
    }
  }

  default "rtp_port_max" {
    setting = "rtp-port-max"
    case {
      value = 6000
      cites = ["https://github.com/unispeech/unimrcp/blob/9913f23691b3a1b8a7e84be5ba25478031352158/platforms/libunimrcp-server/src/unimrcp_server.c#L47"]
    }
  }

  default "ip" {
    setting = "ip"
    case {
      value = "127.0.0.1"
      cites = ["https://github.com/unispeech/unimrcp/blob/9913f23691b3a1b8a7e84be5ba25478031352158/platforms/libunimrcp-server/src/unimrcp_server.c#L1351"]
    }
  }

  locals {
    # An address, the name of an interface, or "auto": the address behind the host name.
    ip = has("unimrcpserver/properties/ip[@type='auto']") ? "auto" : first(nonempty(value("unimrcpserver/properties/ip")), default.ip)
    # What clients are told instead, where the host is behind NAT.
    outside = nonempty(value("unimrcpserver/properties/ext-ip"))
  }

  each "sip" {
    for_each = find("unimrcpserver/components/sip-uas")
    when     = truthy(value(each.value, "@enable"), true)

    listen "sip" {
      purpose   = "SIP (MRCPv2)"
      protocol  = distinct([for t in items(text(nonempty(value(each.value, "sip-transport")), default.sip_transport), ",") : lower(t) == "udp" ? "udp" : "tcp"])
      port      = port(nonempty(value(each.value, "sip-port")), default.sip_port)
      bind      = [has(each.value, "sip-ip[@type='auto']") ? "auto" : first(nonempty(value(each.value, "sip-ip")), local.ip)]
      zero      = "unknown"
      advertise = [first(nonempty(value(each.value, "sip-ext-ip")), local.outside, nonempty(value(each.value, "sip-ip")), local.ip)]
      exposure  = "public"
      assigned  = ["5060-5061"]
    }
  }

  each "rtsp" {
    for_each = find("unimrcpserver/components/rtsp-uas")
    when     = truthy(value(each.value, "@enable"), true)

    # Without the setting, and with 0, the system chooses a port. The constant 1554 of the
    # source is not used:
    # https://github.com/unispeech/unimrcp/blob/9913f23691b3a1b8a7e84be5ba25478031352158/modules/mrcp-unirtsp/src/mrcp_unirtsp_server_agent.c#L115
    listen "rtsp" {
      purpose   = "RTSP (MRCPv1)"
      protocol  = ["tcp"]
      port      = port(nonempty(value(each.value, "rtsp-port")), 0)
      zero      = "chosen"
      bind      = [has(each.value, "rtsp-ip[@type='auto']") ? "auto" : first(nonempty(value(each.value, "rtsp-ip")), local.ip)]
      advertise = [first(nonempty(value(each.value, "rtsp-ext-ip")), local.outside, nonempty(value(each.value, "rtsp-ip")), local.ip)]
      exposure  = "public"
      assigned  = ["554"]
    }
  }

  each "mrcp" {
    for_each = find("unimrcpserver/components/mrcpv2-uas")
    when     = truthy(value(each.value, "@enable"), true)

    listen "mrcp" {
      purpose  = "MRCPv2"
      protocol = ["tcp"]
      port     = port(nonempty(value(each.value, "mrcp-port")), default.mrcp_port)
      bind     = [has(each.value, "mrcp-ip[@type='auto']") ? "auto" : first(nonempty(value(each.value, "mrcp-ip")), local.ip)]
      zero     = "unknown"
      exposure = "public"
    }
  }

  each "rtp" {
    for_each = find("unimrcpserver/components/rtp-factory")
    when     = truthy(value(each.value, "@enable"), true)

    locals {
      low  = port(nonempty(value(each.value, "rtp-port-min")), default.rtp_port_min)
      high = port(nonempty(value(each.value, "rtp-port-max")), default.rtp_port_max)

      engines  = [for e in find("unimrcpserver/components/plugin-factory/engine") : e if truthy(value(e, "@enable"), true) && has(e, "max-channel-count")]
      channels = [for e in local.engines : number(nonempty(value(e, "max-channel-count")), 0)]
    }

    # Each channel of an engine has a stream of its own, unless two engines share a session:
    # what the greatest of them may have is the least that is needed.
    #
    # Pairs from the first port while it is below the last; at least one pair:
    # https://github.com/unispeech/unimrcp/blob/9913f23691b3a1b8a7e84be5ba25478031352158/libs/mpf/src/mpf_rtp_stream.c#L176
    listen "rtp" {
      purpose   = "RTP and RTCP"
      protocol  = ["udp"]
      first     = local.low
      last      = local.low + 2 * max(1, ceil((local.high - local.low) / 2)) - 1
      nominal   = [local.low, local.high]
      bind      = [has(each.value, "rtp-ip[@type='auto']") ? "auto" : first(nonempty(value(each.value, "rtp-ip")), local.ip)]
      pairs     = true
      share     = "rtp"
      zero      = "unknown"
      advertise = [first(nonempty(value(each.value, "rtp-ext-ip")), local.outside, nonempty(value(each.value, "rtp-ip")), local.ip)]
      needs     = length(find("unimrcpserver/components/rtp-factory")) == 1 ? 2 * max(0, local.channels...) : 0
      exposure  = "public"
    }
  }

  test "channels of the engines that are on, and the address outside" {
    input  = <<-EOT
      <unimrcpserver>
        <properties><ip>192.0.2.5</ip><ext-ip>198.51.100.5</ext-ip></properties>
        <components>
          <rtp-factory id="a"><rtp-port-min>5000</rtp-port-min><rtp-port-max>5100</rtp-port-max></rtp-factory>
          <plugin-factory>
            <engine id="a" name="x"><max-channel-count>80</max-channel-count></engine>
            <engine id="b" name="y" enable="false"><max-channel-count>90</max-channel-count></engine>
          </plugin-factory>
        </components>
      </unimrcpserver>
    EOT
    expect = ["rtp udp 192.0.2.5 5000-5099 config nominal 5000-5100 advertises 198.51.100.5 needs 160 L4"]
  }

  test "the end of the range is not used" {
    input = <<-EOT
      <unimrcpserver version="1.0">
        <properties><ip type="auto"/></properties>
        <components>
          <sip-uas id="a"><sip-port>8061</sip-port><sip-transport>udp</sip-transport></sip-uas>
          <rtsp-uas id="b"><rtsp-port>1555</rtsp-port><rtsp-ip>10.0.0.5</rtsp-ip></rtsp-uas>
          <mrcpv2-uas id="c"><mrcp-port>1545</mrcp-port></mrcpv2-uas>
          <rtp-factory id="d">
            <rtp-port-min>6000</rtp-port-min>
            <rtp-port-max>7000</rtp-port-max>
          </rtp-factory>
        </components>
      </unimrcpserver>
    EOT
    expect = [
      "sip udp auto 8061 config L4",
      "rtsp tcp 10.0.0.5 1555 config advertises 10.0.0.5 L5",
      "mrcp tcp auto 1545 config L6",
      "rtp udp auto 6000-6999 config nominal 6000-7000 L8",
    ]
  }

  test "nothing but elements" {
    input = <<-EOT
      <UniMRCPServer>
        <components>
          <sip-uas id="a"/>
          <sip-uas id="b" enable="false"><sip-port>8070</sip-port></sip-uas>
          <rtsp-uas id="c"/>
          <mrcpv2-uas id="d"/>
          <rtp-factory id="e"/>
        </components>
      </UniMRCPServer>
    EOT
    expect = [
      "sip udp 127.0.0.1 8060 default",
      "sip tcp 127.0.0.1 8060 default",
      "mrcp tcp 127.0.0.1 1544 default",
      "rtp udp 127.0.0.1 5000-5999 default nominal 5000-6000",
    ]
  }

  test "odd and short ranges" {
    input = <<-EOT
      <unimrcpserver>
        <properties><ip type="iface">eth1</ip></properties>
        <components>
          <rtp-factory id="a"><rtp-port-min>4001</rtp-port-min><rtp-port-max>4006</rtp-port-max></rtp-factory>
          <rtp-factory id="b"><rtp-port-min>9000</rtp-port-min><rtp-port-max>9000</rtp-port-max></rtp-factory>
        </components>
      </unimrcpserver>
    EOT
    expect = [
      "rtp udp eth1 4001-4006 config advertises eth1 L4",
      "rtp udp eth1 9000-9001 config nominal 9000 advertises eth1 L5",
    ]
  }
}
