# UniMRCP client library, as programs use it that bring no configuration of their own. What
# a profile calls server-port is the port of the speech server: the client connects to it.

service "unimrcpclient" {
  title     = "UniMRCP client"
  platforms = ["linux", "windows-server"]
  cites     = ["https://www.unimrcp.org/manuals/html/ClientConfigurationManual.html"]

  file "conf" {
    format = "xml"
    accept = has("unimrcpclient")
    paths = {
      linux   = ["/usr/local/unimrcp/conf/unimrcpclient.xml", "/opt/unimrcp/conf/unimrcpclient.xml", "/etc/unimrcp/unimrcpclient.xml"]
      windows = ["C:/Program Files/UniMRCP/conf/unimrcpclient.xml", "C:/UniMRCP/conf/unimrcpclient.xml"]
    }
  }

  # The main file includes its folder. These names let a profile be read alone.
  file "profile" {
    format      = "xml"
    accept      = has("unimrcpclient/settings") || has("unimrcpclient/profiles")
    common_name = true
    paths = {
      linux = [
        "/usr/local/unimrcp/conf/client-profiles/lumenvox.xml",
        "/usr/local/unimrcp/conf/client-profiles/nuance.xml",
        "/usr/local/unimrcp/conf/client-profiles/speechpro.xml",
        "/usr/local/unimrcp/conf/client-profiles/unimrcp.xml",
      ]
      windows = [
        "C:/Program Files/UniMRCP/conf/client-profiles/lumenvox.xml",
        "C:/Program Files/UniMRCP/conf/client-profiles/nuance.xml",
        "C:/Program Files/UniMRCP/conf/client-profiles/speechpro.xml",
        "C:/Program Files/UniMRCP/conf/client-profiles/unimrcp.xml",
      ]
    }
  }

  default "sip_port" {
    setting = "sip-port"
    case {
      value = 8062
      cites = ["https://github.com/unispeech/unimrcp/blob/9913f23691b3a1b8a7e84be5ba25478031352158/platforms/libunimrcp-client/src/unimrcp_client.c#L41"]
    }
  }

  default "sip_transport" {
    setting = "sip-transport"
    case {
      value = "udp,tcp"
      note  = "without the setting the SIP stack binds both"
      cites = ["https://github.com/unispeech/unimrcp/blob/9913f23691b3a1b8a7e84be5ba25478031352158/platforms/libunimrcp-client/src/unimrcp_client.c"]
    }
  }

  default "rtp_port_min" {
    setting = "rtp-port-min"
    case {
      value = 4000
      cites = ["https://github.com/unispeech/unimrcp/blob/9913f23691b3a1b8a7e84be5ba25478031352158/platforms/libunimrcp-client/src/unimrcp_client.c#L42"]
    }
  }

  default "rtp_port_max" {
    setting = "rtp-port-max"
    case {
      value = 5000
      cites = ["https://github.com/unispeech/unimrcp/blob/9913f23691b3a1b8a7e84be5ba25478031352158/platforms/libunimrcp-client/src/unimrcp_client.c#L43"]
    }
  }

  default "ip" {
    setting = "ip"
    case {
      value = "127.0.0.1"
      cites = ["https://github.com/unispeech/unimrcp/blob/9913f23691b3a1b8a7e84be5ba25478031352158/platforms/libunimrcp-client/src/unimrcp_client.c"]
    }
  }

  locals {
    ip = has("unimrcpclient/properties/ip[@type='auto']") ? "auto" : first(nonempty(value("unimrcpclient/properties/ip")), default.ip)
    # A profile that is read alone does not say its server.
    server = !has("unimrcpclient/components") ? "*" : has("unimrcpclient/properties/server-ip[@type='auto']") ? "auto" : first(nonempty(value("unimrcpclient/properties/server-ip")), local.ip)
    # Profiles are in the main file's own tree when it could be followed.
    sip  = length(find("unimrcpclient/settings/sip-settings")) > 0 ? find("unimrcpclient/settings/sip-settings") : find(file("profile"), "unimrcpclient/settings/sip-settings")
    rtsp = length(find("unimrcpclient/settings/rtsp-settings")) > 0 ? find("unimrcpclient/settings/rtsp-settings") : find(file("profile"), "unimrcpclient/settings/rtsp-settings")
  }

  # What an element does not say, no other file can add: "first" takes the built-in value
  # even where an included file could not be read.
  #
  # The speech server is another host as a rule, and it speaks first where it only
  # synthesizes: these ports must be reachable.
  each "sip" {
    for_each = find("unimrcpclient/components/sip-uac")
    when     = truthy(first(value(each.value, "@enable"), "true"), true)

    listen "sip" {
      purpose  = "SIP to the speech server (MRCPv2)"
      protocol = distinct([for t in items(first(nonempty(value(each.value, "sip-transport")), default.sip_transport), ",") : lower(t) == "udp" ? "udp" : "tcp"])
      port     = port(first(nonempty(value(each.value, "sip-port")), default.sip_port), default.sip_port)
      bind     = [has(each.value, "sip-ip[@type='auto']") ? "auto" : first(nonempty(value(each.value, "sip-ip")), local.ip)]
      zero     = "unknown"
      exposure = "public"
      assigned = ["5060-5061"]
    }
  }

  each "rtp" {
    for_each = find("unimrcpclient/components/rtp-factory")
    when     = truthy(first(value(each.value, "@enable"), "true"), true)

    locals {
      low  = port(first(nonempty(value(each.value, "rtp-port-min")), default.rtp_port_min), default.rtp_port_min)
      high = port(first(nonempty(value(each.value, "rtp-port-max")), default.rtp_port_max), default.rtp_port_max)
    }

    # The end is not used, as in the server:
    # https://github.com/unispeech/unimrcp/blob/9913f23691b3a1b8a7e84be5ba25478031352158/libs/mpf/src/mpf_rtp_stream.c#L176
    listen "rtp" {
      purpose  = "RTP and RTCP to the speech server"
      protocol = ["udp"]
      first    = local.low
      last     = local.low + 2 * max(1, ceil((local.high - local.low) / 2)) - 1
      nominal  = [local.low, local.high]
      bind     = [has(each.value, "rtp-ip[@type='auto']") ? "auto" : first(nonempty(value(each.value, "rtp-ip")), local.ip)]
      pairs    = true
      share    = "rtp"
      zero     = "unknown"
      exposure = "public"
    }
  }

  each "sip-server" {
    for_each = local.sip
    when     = truthy(first(value(each.value, "@enable"), "true"), true)

    connect "sip-server" {
      purpose  = "SIP of the speech server"
      when     = nonempty(value(each.value, "server-port")) != null
      protocol = distinct([for t in items(first(nonempty(value("unimrcpclient/components/sip-uac/sip-transport")), default.sip_transport), ",") : lower(t) == "udp" ? "udp" : "tcp"])
      peer     = has(each.value, "server-ip[@type='auto']") ? "auto" : first(nonempty(value(each.value, "server-ip")), local.server)
      port     = port(value(each.value, "server-port"), 0)
      to       = ["unimrcpserver.sip", "lumenvox-media-server.sip"]
    }
  }

  each "rtsp-server" {
    for_each = local.rtsp
    when     = truthy(first(value(each.value, "@enable"), "true"), true)

    connect "rtsp-server" {
      purpose  = "RTSP of the speech server"
      when     = nonempty(value(each.value, "server-port")) != null
      protocol = ["tcp"]
      peer     = has(each.value, "server-ip[@type='auto']") ? "auto" : first(nonempty(value(each.value, "server-ip")), local.server)
      port     = port(value(each.value, "server-port"), 0)
      to       = ["unimrcpserver.rtsp", "lumenvox-media-server.rtsp"]
    }
  }

  test "ports of its own and of the server" {
    input = <<-EOT
      <unimrcpclient version="1.0">
        <properties><ip>10.0.0.7</ip><server-ip>10.0.0.8</server-ip></properties>
        <components>
          <sip-uac id="a"><sip-port>8064</sip-port><sip-transport>udp</sip-transport></sip-uac>
          <rtsp-uac id="b"/>
          <rtp-factory id="c"><rtp-port-min>4200</rtp-port-min><rtp-port-max>4300</rtp-port-max></rtp-factory>
        </components>
        <settings>
          <sip-settings id="d"><server-port>5060</server-port></sip-settings>
          <rtsp-settings id="e"><server-ip>10.0.0.9</server-ip><server-port>554</server-port></rtsp-settings>
          <rtsp-settings id="f" enable="false"><server-port>4900</server-port></rtsp-settings>
        </settings>
      </unimrcpclient>
    EOT
    expect = [
      "sip udp 10.0.0.7 8064 config L4",
      "rtp udp 10.0.0.7 4200-4299 config nominal 4200-4300 L6",
      "sip-server udp -> 10.0.0.8 5060 config L9",
      "rtsp-server tcp -> 10.0.0.9 554 config L10",
    ]
  }

  test "nothing but elements" {
    input = <<-EOT
      <unimrcpclient>
        <components><sip-uac id="a"/><rtp-factory id="b"/></components>
      </unimrcpclient>
    EOT
    expect = [
      "sip udp 127.0.0.1 8062 default",
      "sip tcp 127.0.0.1 8062 default",
      "rtp udp 127.0.0.1 4000-4999 default nominal 4000-5000",
    ]
  }

  test "a profile opens nothing" {
    role   = "profile"
    input  = <<-EOT
      <unimrcpclient>
        <settings><rtsp-settings id="a"><server-ip>10.0.0.9</server-ip><server-port>8000</server-port></rtsp-settings></settings>
        <profiles/>
      </unimrcpclient>
    EOT
    expect = ["rtsp-server tcp -> 10.0.0.9 8000 config L2"]
  }
}
