# LumenVox Media Server: MRCPv1 over RTSP, MRCPv2 over SIP, media over RTP.
#
# No setting binds it to one address, so every listener takes every address.

service "lumenvox-media-server" {
  title     = "LumenVox Media Server"
  platforms = ["linux", "windows-server"]
  cites = [
    "https://www.lumenvox.com/knowledgebase/index.php?/article/AA-01912/0/",
    "https://privatecloud.capacity.com/article/352693/media-server-configuration",
    "https://privatecloud.capacity.com/article/864157/ports-and-channels",
  ]

  file "conf" {
    format        = "lumenvox"
    default_words = ["default"]
    accept        = section("GLOBAL")
    paths = {
      # mediaserver.conf and LvMediaServer.config are the names of 9.x:
      # https://lumenvox.com/help/speechEngine/mrcp/mrcpv2/administration/streaming-media-parameters.htm
      linux = ["/etc/lumenvox/media_server.conf", "/etc/lumenvox/mediaserver.conf"]
      windows = [
        "C:/Program Files/LumenVox/config/media_server.conf", # the folder of later versions is unverified
        "C:/Program Files/LumenVox/config/LvMediaServer.config",
        "C:/Program Files/LumenVox/Engine/config/media_server.conf", # where client_property.conf lies
      ]
    }
  }

  version = setting("GLOBAL", "VERSION")

  option "sizing" {
    title   = "ports for each channel"
    default = "2x"
    choice "2x" {
      value = 2
      note  = "2 x channels for MRCP and for RTP: the newest and most detailed of the vendor's pages, which calls itself authoritative"
      cites = ["https://privatecloud.capacity.com/article/864157/ports-and-channels"]
    }
    choice "1x" {
      value = 1
      note  = "1 x channels: the comments of the 10.5 files and the container's README say one port for each resource"
      cites = [
        "https://github.com/benlangfeld/lumenvox-chef/tree/3761a9294967109227392342d29bb1894664342f/templates/default",
        "https://github.com/lumenvox/mrcp-api/blob/055e577f3b1effa8afbe6a8c8491b2a27166366f/README.md",
      ]
    }
  }

  # Before 10.1 both ranges lay elsewhere; the numbers are not documented in text, so
  # such a file must say them.
  default "mrcp_base" {
    setting = "mrcp_server_port_base"
    case {
      since  = "10.1"
      before = "12.1"
      value  = 30000
      cites = [
        "https://www.lumenvox.com/knowledgebase/index.php?/article/AA-01912/0/",
        "https://github.com/benlangfeld/lumenvox-chef/tree/3761a9294967109227392342d29bb1894664342f/templates/default",
        "https://github.com/powerhome/puppet-lumenvox/tree/1d93477171a3b2b73b4ec22e73e0d748ba2c1150",
      ]
    }
    case {
      since = "12.1"
      value = 20000
      note  = "12.1 moved the range; that 12.1 itself used 20000 is inferred from the current product"
      cites = [
        "https://www.lumenvox.com/knowledgebase/index.php?/article/AA-01912/0/",
        "https://privatecloud.capacity.com/article/352693/media-server-configuration",
        "https://github.com/lumenvox/mrcp-api/blob/055e577f3b1effa8afbe6a8c8491b2a27166366f/OPTIONAL.md",
      ]
    }
  }

  default "rtp_base" {
    setting = "rtp_server_port_base"
    case {
      since  = "10.1"
      before = "12.1"
      value  = 35000
      cites = [
        "https://www.lumenvox.com/knowledgebase/index.php?/article/AA-01912/0/",
        "https://github.com/benlangfeld/lumenvox-chef/tree/3761a9294967109227392342d29bb1894664342f/templates/default",
        "https://github.com/powerhome/puppet-lumenvox/tree/1d93477171a3b2b73b4ec22e73e0d748ba2c1150",
      ]
    }
    case {
      since = "12.1"
      value = 25000
      note  = "12.1 moved the range; that 12.1 itself used 25000 is inferred from the current product"
      cites = [
        "https://www.lumenvox.com/knowledgebase/index.php?/article/AA-01912/0/",
        "https://privatecloud.capacity.com/article/352693/media-server-configuration",
        "https://github.com/lumenvox/mrcp-api/blob/055e577f3b1effa8afbe6a8c8491b2a27166366f/OPTIONAL.md",
      ]
    }
  }

  default "channels" {
    setting = "num_channels"
    case {
      value = 200
      note  = "mrcp_server_resmax in 10.5, num_channels in the current product"
      cites = [
        "https://github.com/benlangfeld/lumenvox-chef/tree/3761a9294967109227392342d29bb1894664342f/templates/default",
        "https://privatecloud.capacity.com/article/352693/media-server-configuration",
      ]
    }
  }

  default "sip_port" {
    setting = "sip_port"
    case {
      value = 5060
      cites = [
        "https://github.com/benlangfeld/lumenvox-chef/tree/3761a9294967109227392342d29bb1894664342f/templates/default",
        "https://github.com/lumenvox/mrcp-api/blob/055e577f3b1effa8afbe6a8c8491b2a27166366f/OPTIONAL.md",
      ]
    }
  }

  default "sips_port" {
    setting = "sips_port"
    case {
      value = 5061
      note  = "of the container, MEDIA_SERVER__SIPS_PORT"
      cites = ["https://github.com/lumenvox/mrcp-api/blob/055e577f3b1effa8afbe6a8c8491b2a27166366f/OPTIONAL.md"]
    }
  }

  default "rtsp_port" {
    setting = "rtsp_port"
    case {
      value = 554
      cites = [
        "https://github.com/benlangfeld/lumenvox-chef/tree/3761a9294967109227392342d29bb1894664342f/templates/default",
        "https://github.com/lumenvox/mrcp-api/blob/055e577f3b1effa8afbe6a8c8491b2a27166366f/OPTIONAL.md",
      ]
    }
  }

  default "monitoring_port" {
    setting = "monitoring_port"
    case {
      value = 29900
      note  = "seen in 10.5"
      cites = ["https://github.com/benlangfeld/lumenvox-chef/tree/3761a9294967109227392342d29bb1894664342f/templates/default"]
    }
  }

  default "messaging_port" {
    setting = "messaging_port"
    case {
      value = 7590
      note  = "seen in 10.5"
      cites = ["https://github.com/benlangfeld/lumenvox-chef/tree/3761a9294967109227392342d29bb1894664342f/templates/default"]
    }
  }

  default "sre_ip" {
    setting = "sre_ip"
    case {
      value = "127.0.0.1"
      cites = ["https://github.com/benlangfeld/lumenvox-chef/tree/3761a9294967109227392342d29bb1894664342f/templates/default"]
    }
  }

  default "sre_port" {
    setting = "SRE_PORTNUM"
    case {
      value = 5730
      cites = ["https://github.com/benlangfeld/lumenvox-chef/tree/3761a9294967109227392342d29bb1894664342f/templates/default"]
    }
  }

  locals {
    # num_channels, else a number in mrcp_server_resmax ("auto" is none), else the
    # default of both.
    channels = number(first(setting("GLOBAL", "num_channels"), numeric(setting("GLOBAL", "mrcp_server_resmax"))), default.channels)
    ports    = option.sizing * local.channels
    sips     = setting("GLOBAL", "sips_port")
  }

  listen "mrcp" {
    purpose  = "MRCP"
    protocol = ["tcp"]
    first    = port(setting("GLOBAL", "mrcp_server_port_base"), default.mrcp_base)
    count    = local.ports
    zero     = "unknown" # 0 is documented to switch off SIP and RTSP only
    exposure = "public"
  }

  listen "rtp" {
    purpose  = "RTP and RTCP"
    protocol = ["udp"]
    first    = port(setting("GLOBAL", "rtp_server_port_base"), default.rtp_base)
    count    = local.ports
    zero     = "unknown"
    exposure = "public"
    pairs    = true
  }

  listen "sip" {
    purpose  = "SIP (MRCPv2)"
    protocol = ["tcp", "udp"]
    port     = port(setting("GLOBAL", "sip_port"), default.sip_port)
    exposure = "public"
    assigned = ["5060"]
  }

  # The container has SIPS on 5061 (MEDIA_SERVER__SIPS_PORT). What the key is called in
  # media_server.conf was not found, so only a file that says sips_port opens it.
  listen "sips" {
    purpose  = "SIP over TLS (MRCPv2)"
    when     = local.sips != null
    protocol = ["tcp"]
    port     = port(local.sips, default.sips_port)
    exposure = "public"
    assigned = ["5061"]
  }

  listen "rtsp" {
    purpose  = "RTSP (MRCPv1)"
    protocol = ["tcp"]
    port     = port(setting("GLOBAL", "rtsp_port"), default.rtsp_port)
    exposure = "public"
    assigned = ["554"]
  }

  listen "monitoring" {
    purpose  = "monitoring clients"
    protocol = ["tcp"] # unverified: the protocol is not documented
    port     = port(setting("GLOBAL", "monitoring_port"), default.monitoring_port)
    exposure = "admin"
  }

  listen "messaging" {
    purpose  = "messages of the LumenVox Manager"
    protocol = ["tcp"] # unverified: the protocol is not documented
    port     = port(setting("GLOBAL", "messaging_port"), default.messaging_port)
    exposure = "internal"
  }

  lint "channels" {
    when     = local.channels < 1 || local.channels > 5000
    severity = "warning"
    message  = "the number of channels is outside 1 to 5000, which is what its documentation allows"
    help     = "set num_channels to a number from 1 to 5000"
  }

  connect "sre" {
    purpose  = "speech recognition engine"
    when     = setting("GLOBAL", "sre_ip") != null
    protocol = ["tcp"] # unverified: the protocol is not documented
    peer     = text(setting("GLOBAL", "sre_ip"), default.sre_ip)
    port     = default.sre_port
  }

  test "10.5 as shipped" {
    input = <<-EOT
      [GLOBAL]
      VERSION = 10.5.200
      mrcp_server_ip = 127.0.0.1
      mrcp_server_port_base = default
      rtp_server_port_base = default
      mrcp_server_resmax = default
      monitoring_port = default
      messaging_port = default
      sre_ip = 127.0.0.1
      sip_port = default
      rtsp_port = default
    EOT
    expect = [
      "mrcp tcp * 30000-30399 default L4",
      "rtp udp * 35000-35399 default L5",
      "sip tcp * 5060 default L10",
      "sip udp * 5060 default L10",
      "rtsp tcp * 554 default L11",
      "monitoring tcp * 29900 default L7",
      "messaging tcp * 7590 default L8",
      "sre tcp -> 127.0.0.1 5730 default",
    ]
  }

  test "12.1 moved the ranges" {
    input = <<-EOT
      [GLOBAL]
      VERSION = 12.1.100
      mrcp_server_port_base = default
      rtp_server_port_base = default
      num_channels = 300
    EOT
    expect = [
      "mrcp tcp * 20000-20599 default L3",
      "rtp udp * 25000-25599 default L4",
      "sip tcp * 5060 default",
      "sip udp * 5060 default",
      "rtsp tcp * 554 default",
      "monitoring tcp * 29900 default",
      "messaging tcp * 7590 default",
    ]
  }

  test "one port for each channel on request" {
    set   = { sizing = "1x" }
    input = <<-EOT
      [GLOBAL]
      VERSION = 11.3.100
      mrcp_server_port_base = 20000
      rtp_server_port_base = 25000
      mrcp_server_resmax = 100
      sip_port = 0
      rtsp_port = 0
      sips_port = 5061
      monitoring_port = 0
      messaging_port = 0
    EOT
    expect = [
      "mrcp tcp * 20000-20099 config L3",
      "rtp udp * 25000-25099 config L4",
      "sips tcp * 5061 config L8",
    ]
  }

  test "before 10.1 the defaults are not known" {
    input = <<-EOT
      [GLOBAL]
      VERSION = 9.5.110
      mrcp_server_port_base = default
      rtp_server_port_base = 22000
      mrcp_server_resmax = auto
    EOT
    expect = [
      "rtp udp * 22000-22399 config L4",
      "sip tcp * 5060 default",
      "sip udp * 5060 default",
      "rtsp tcp * 554 default",
      "monitoring tcp * 29900 default",
      "messaging tcp * 7590 default",
    ]
  }
}
