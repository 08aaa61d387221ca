# The UniMRCP modules for Asterisk. mrcp.conf is app_unimrcp's; the one of res_speech_unimrcp
# names a profile of the UniMRCP client and no port.

service "asterisk-unimrcp" {
  title     = "UniMRCP modules for Asterisk"
  platforms = ["linux"]
  cites     = ["https://www.unimrcp.org/manuals/html/AsteriskUniMRCPManual.html"]

  file "conf" {
    format = "asterisk"
    accept = has("*/server-ip") || has("*/rtp-port-min") || has("general/default-asr-profile") || has("general/default-tts-profile") || has("*/version")
    paths  = { linux = ["/etc/asterisk/mrcp.conf", "/usr/local/etc/asterisk/mrcp.conf"] }
  }

  file "res-speech" {
    format = "asterisk"
    paths  = { linux = ["/etc/asterisk/res-speech-unimrcp.conf", "/usr/local/etc/asterisk/res-speech-unimrcp.conf"] }
  }

  default "client_ip" {
    setting = "client-ip"
    case {
      value = "127.0.0.1"
      cites = ["https://github.com/unispeech/asterisk-unimrcp/blob/f16eacba7292677350fb24e690fd0681c1253338/app-unimrcp/ast_unimrcp_framework.c#L51"]
    }
  }

  default "client_port" {
    setting = "client-port"
    case {
      value = 5090
      cites = ["https://github.com/unispeech/asterisk-unimrcp/blob/f16eacba7292677350fb24e690fd0681c1253338/app-unimrcp/ast_unimrcp_framework.c#L52"]
    }
  }

  default "server_ip" {
    setting = "server-ip"
    case {
      value = "127.0.0.1"
      cites = ["https://github.com/unispeech/asterisk-unimrcp/blob/f16eacba7292677350fb24e690fd0681c1253338/app-unimrcp/ast_unimrcp_framework.c#L53"]
    }
  }

  default "server_port" {
    setting = "server-port"
    case {
      value = 5060
      cites = ["https://github.com/unispeech/asterisk-unimrcp/blob/f16eacba7292677350fb24e690fd0681c1253338/app-unimrcp/ast_unimrcp_framework.c#L54"]
    }
  }

  default "rtp_port_min" {
    setting = "rtp-port-min"
    case {
      value = 4000
      cites = ["https://github.com/unispeech/asterisk-unimrcp/blob/f16eacba7292677350fb24e690fd0681c1253338/app-unimrcp/ast_unimrcp_framework.c#L55"]
    }
  }

  default "rtp_port_max" {
    setting = "rtp-port-max"
    case {
      value = 5000
      cites = ["https://github.com/unispeech/asterisk-unimrcp/blob/f16eacba7292677350fb24e690fd0681c1253338/app-unimrcp/ast_unimrcp_framework.c#L56"]
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
    # Every section but [general] is a profile, and its version says what it speaks.
    profiles = [for s in find("*") : s if lower(name(s)) != "general"]
  }

  each "v2" {
    for_each = [for p in local.profiles : p if value(p, "version") == "2"]

    locals {
      transports = distinct([for t in items(text(value(each.value, "sip-transport"), default.sip_transport), ",") : lower(t) == "udp" ? "udp" : "tcp"])
    }

    # The speech server is another host as a rule, so it must reach these ports.
    listen "sip" {
      purpose  = "SIP to the speech server (MRCPv2)"
      protocol = local.transports
      port     = port(value(each.value, "client-port"), default.client_port)
      bind     = [first(value(each.value, "client-ip"), default.client_ip)]
      share    = "sip"
      zero     = "unknown"
      exposure = "public"
      assigned = ["5060-5061"]
    }

    connect "sip-server" {
      purpose  = "SIP of the speech server"
      protocol = local.transports
      peer     = first(value(each.value, "server-ip"), default.server_ip)
      port     = port(value(each.value, "server-port"), default.server_port)
    }
  }

  each "v1" {
    for_each = [for p in local.profiles : p if value(p, "version") == "1"]

    connect "rtsp-server" {
      purpose  = "RTSP of the speech server"
      protocol = ["tcp"]
      peer     = first(value(each.value, "server-ip"), default.server_ip)
      port     = port(value(each.value, "server-port"), default.server_port)
    }
  }

  each "rtp" {
    for_each = [for p in local.profiles : p if contains(["1", "2"], first(value(p, "version"), ""))]

    locals {
      low  = port(value(each.value, "rtp-port-min"), default.rtp_port_min)
      high = port(value(each.value, "rtp-port-max"), default.rtp_port_max)
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
      bind     = [first(value(each.value, "rtp-ip"), default.client_ip)]
      pairs    = true
      share    = "rtp"
      zero     = "unknown"
      exposure = "public"
    }
  }

  test "the version decides" {
    input = <<-EOT
      [general]
      default-asr-profile = two
      [two]
      version = 2
      server-ip = 10.0.0.2
      server-port = 5060
      client-ip = auto
      client-port = 5093
      sip-transport = udp
      rtp-ip = auto
      rtp-port-min = 26000
      rtp-port-max = 26400
      [one]
      version = 1
      server-ip = 10.0.0.2
      server-port = 554
      client-port = 5094
      rtp-port-min = 26000
      rtp-port-max = 26400
    EOT
    expect = [
      "sip udp auto 5093 config L8",
      "sip-server udp -> 10.0.0.2 5060 config L6",
      "rtp udp auto 26000-26399 config nominal 26000-26400 L11",
      "rtsp-server tcp -> 10.0.0.2 554 config L16",
      "rtp udp 127.0.0.1 26000-26399 config nominal 26000-26400 L18",
    ]
  }

  test "a profile that says nothing" {
    input = <<-EOT
      [mine]
      version => 2 ; MRCPv2
      [broken]
      client-port = 5099
    EOT
    expect = [
      "sip udp 127.0.0.1 5090 default",
      "sip tcp 127.0.0.1 5090 default",
      "sip-server udp -> 127.0.0.1 5060 default",
      "sip-server tcp -> 127.0.0.1 5060 default",
      "rtp udp 127.0.0.1 4000-4999 default nominal 4000-5000",
    ]
  }

  test "the speech resource names no port" {
    role   = "res-speech"
    input  = <<-EOT
      [general]
      unimrcp-profile = uni2
      [mrcpv2-properties]
      Recognition-Timeout = 20000
    EOT
    expect = []
  }
}
