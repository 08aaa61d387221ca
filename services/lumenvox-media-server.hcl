# LumenVox Media Server: MRCPv1 over RTSP, MRCPv2 over SIP, media over RTP.
#
# No setting binds it to one address, so every listener takes every address.
#
# The container MRCP-API is told in its environment, MEDIA_SERVER__*, and may have the file
# mounted. That the environment wins then is unverified.

service "lumenvox-media-server" {
  title     = "LumenVox Media Server"
  platforms = ["linux", "windows-server"]
  runs      = ["lvmediaserverd.service"]
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

  file "container" {
    format = "compose"
    images = ["mrcp-api", "cloud-media-server"]
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

  default "container_mrcp_base" {
    setting = "MEDIA_SERVER__MRCP_PORT_BASE"
    case {
      value = 20000
      cites = ["https://github.com/lumenvox/mrcp-api/blob/055e577f3b1effa8afbe6a8c8491b2a27166366f/OPTIONAL.md", "https://github.com/lumenvox/mrcp-api/blob/055e577f3b1effa8afbe6a8c8491b2a27166366f/docker/docker-compose.yml"]
    }
  }

  default "container_rtp_base" {
    setting = "MEDIA_SERVER__RTP_PORT_BASE"
    case {
      value = 25000
      cites = ["https://github.com/lumenvox/mrcp-api/blob/055e577f3b1effa8afbe6a8c8491b2a27166366f/OPTIONAL.md", "https://github.com/lumenvox/mrcp-api/blob/055e577f3b1effa8afbe6a8c8491b2a27166366f/docker/docker-compose.yml"]
    }
  }

  default "management_port" {
    setting = "MANAGEMENT_ADDRESS"
    case {
      value = 8085
      cites = ["https://github.com/lumenvox/mrcp-api/blob/055e577f3b1effa8afbe6a8c8491b2a27166366f/README.md", "https://github.com/lumenvox/mrcp-api/blob/055e577f3b1effa8afbe6a8c8491b2a27166366f/OPTIONAL.md"]
    }
  }

  default "api_address" {
    setting = "MEDIA_SERVER__LUMENVOX_API_ADDRESS"
    case {
      value = "lumenvox-api.testmachine.com"
      cites = ["https://github.com/lumenvox/mrcp-api/blob/055e577f3b1effa8afbe6a8c8491b2a27166366f/README.md"]
    }
  }

  default "api_port" {
    setting = "MEDIA_SERVER__LUMENVOX_API_PORT"
    case {
      value = 443
      note  = "MEDIA_SERVER__SPEECH_API_PORT before 4.1.2"
      cites = ["https://github.com/lumenvox/mrcp-api/blob/055e577f3b1effa8afbe6a8c8491b2a27166366f/README.md"]
    }
  }

  default "server_ip" {
    setting = "mrcp_server_ip"
    case {
      value = "127.0.0.1"
      cites = [
        "https://github.com/benlangfeld/lumenvox-chef/tree/3761a9294967109227392342d29bb1894664342f/templates/default",
        "https://github.com/lumenvox/mrcp-api/blob/055e577f3b1effa8afbe6a8c8491b2a27166366f/README.md",
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
    contained = file("container") != null
    env       = first(find(file("container"), "environment")...)

    # num_channels, else a number in mrcp_server_resmax ("auto" is none), else the
    # default of both.
    channels = number(first(value(local.env, "MEDIA_SERVER__NUM_CHANNELS"), setting("GLOBAL", "num_channels"), numeric(setting("GLOBAL", "mrcp_server_resmax"))), default.channels)
    ports    = option.sizing * local.channels
    sips     = first(value(local.env, "MEDIA_SERVER__SIPS_PORT"), setting("GLOBAL", "sips_port"))
    sip      = first(value(local.env, "MEDIA_SERVER__SIP_PORT"), setting("GLOBAL", "sip_port"))
    rtsp     = first(value(local.env, "MEDIA_SERVER__RTSP_PORT"), setting("GLOBAL", "rtsp_port"))

    mrcp_base = first(concat([for d in [default.container_mrcp_base] : d if local.contained], [default.mrcp_base])...)
    rtp_base  = first(concat([for d in [default.container_rtp_base] : d if local.contained], [default.rtp_base])...)

    mrcp_first = port(first(value(local.env, "MEDIA_SERVER__MRCP_PORT_BASE"), setting("GLOBAL", "mrcp_server_port_base")), local.mrcp_base)
    rtp_first  = port(first(value(local.env, "MEDIA_SERVER__RTP_PORT_BASE"), setting("GLOBAL", "rtp_server_port_base")), local.rtp_base)

    management = hostport(value(local.env, "MANAGEMENT_ADDRESS"))
  }

  listen "mrcp" {
    purpose  = "MRCP"
    protocol = ["tcp"]
    first    = local.mrcp_first
    count    = local.ports
    zero     = "unknown" # 0 is documented to switch off SIP and RTSP only
    # The address that clients are told in answers of RTSP and SIP.
    advertise = [text(first(nonempty(value(local.env, "MEDIA_SERVER__SERVER_IP")), nonempty(setting("GLOBAL", "mrcp_server_ip"))), default.server_ip)]
    exposure  = "public"
  }

  listen "rtp" {
    purpose  = "RTP and RTCP"
    protocol = ["udp"]
    first    = local.rtp_first
    count    = local.ports
    zero     = "unknown"
    # The address that clients are told in answers of RTSP and SIP.
    advertise = [text(first(nonempty(value(local.env, "MEDIA_SERVER__SERVER_IP")), nonempty(setting("GLOBAL", "mrcp_server_ip"))), default.server_ip)]
    exposure  = "public"
    pairs     = true
  }

  listen "sip" {
    purpose  = "SIP (MRCPv2)"
    protocol = ["tcp", "udp"]
    port     = text(local.sip, "") == "1" ? port(null, null) : port(local.sip, default.sip_port)
    exposure = "public"
    assigned = ["5060"]
  }

  # The container has SIPS on 5061 (MEDIA_SERVER__SIPS_PORT). What the key is called in
  # media_server.conf was not found, so only a file that says sips_port opens it.
  listen "sips" {
    purpose  = "SIP over TLS (MRCPv2)"
    when     = local.sips != null || local.contained
    protocol = ["tcp"]
    port     = text(local.sips, "") == "1" ? port(null, null) : port(local.sips, default.sips_port)
    exposure = "public"
    assigned = ["5061"]
  }

  listen "rtsp" {
    purpose  = "RTSP (MRCPv1)"
    protocol = ["tcp"]
    port     = text(local.rtsp, "") == "1" ? port(null, null) : port(local.rtsp, default.rtsp_port)
    exposure = "public"
    assigned = ["554"]
  }

  listen "monitoring" {
    purpose  = "monitoring clients"
    for_each = local.contained && setting("GLOBAL", "monitoring_port") == null ? [] : [1] # unverified that the container has it
    protocol = ["tcp"]                                                                    # unverified: the protocol is not documented
    port     = port(setting("GLOBAL", "monitoring_port"), default.monitoring_port)
    exposure = "admin"
  }

  listen "messaging" {
    purpose  = "messages of the LumenVox Manager"
    for_each = local.contained && setting("GLOBAL", "messaging_port") == null ? [] : [1] # unverified that the container has it
    protocol = ["tcp"]                                                                   # unverified: the protocol is not documented
    port     = port(setting("GLOBAL", "messaging_port"), default.messaging_port)
    exposure = "internal"
  }

  listen "management" {
    purpose  = "management API (HTTPS)"
    for_each = local.contained ? [local.management] : []
    protocol = ["tcp"]
    port     = port(each.value.port, default.management_port)
    bind     = [nonempty(each.value.host)]
    zero     = "unknown"
    exposure = "admin"
  }

  connect "api" {
    purpose  = "LumenVox API"
    for_each = local.contained ? [first(value(local.env, "MEDIA_SERVER__LUMENVOX_API_PORT"), value(local.env, "MEDIA_SERVER__SPEECH_API_PORT"))] : []
    protocol = ["tcp"]
    peer     = text(first(nonempty(value(local.env, "MEDIA_SERVER__LUMENVOX_API_ADDRESS")), nonempty(value(local.env, "MEDIA_SERVER__SPEECH_API_ADDRESS"))), default.api_address)
    port     = port(each.value, default.api_port)
  }

  # OPTIONAL.md says "0 = Disabled, 1 = Enabled" of these, beside a default of 5060: one of
  # the two is wrong, and a port 1 is what nobody wants.
  lint "port-is-one" {
    for_each = [local.sip, local.sips, local.rtsp]
    when     = port(each.value, 0) == 1
    severity = "warning"
    message  = "a port of 1 is what the documentation of the container calls \"enabled\"; which port that opens is not known"
    help     = "write the number of the port: 5060 is usual for SIP, 5061 for SIP over TLS, 554 for RTSP"
  }

  # Legal, because one is TCP and the other UDP, and still advised against:
  # https://www.lumenvox.com/knowledgebase/index.php?/article/AA-01912/0/
  lint "same-numbers" {
    when     = local.mrcp_first < local.rtp_first + local.ports && local.rtp_first < local.mrcp_first + local.ports
    severity = "info"
    message  = "MRCP and RTP have port numbers in common: that works, because one is TCP and the other UDP, but the vendor advises against it"
    help     = "keep the two ranges apart, with room for more channels"
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
      "mrcp tcp * 30000-30399 default advertises 127.0.0.1 L4",
      "rtp udp * 35000-35399 default advertises 127.0.0.1 L5",
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

  test "which port 1 opens is not known" {
    input = <<-EOT
      [GLOBAL]
      VERSION = 12.1.100
      sip_port = 1
      rtsp_port = 0
      sips_port = 1
      monitoring_port = 0
      messaging_port = 0
    EOT
    expect = [
      "mrcp tcp * 20000-20399 default",
      "rtp udp * 25000-25399 default",
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

  test "the container as shipped" {
    role  = "container"
    input = <<-EOT
      services:
        cloud-media-server:
          image: $${DOCKER_REGISTRY-}mrcp-api:$${PRODUCT_VERSION-}
          network_mode: host
          environment:
            - MEDIA_SERVER__SERVER_IP=192.0.2.5
          ports:
            - "20000-20200:20000-20200/tcp"
    EOT
    expect = [
      "mrcp tcp * 20000-20399 default advertises 192.0.2.5",
      "rtp udp * 25000-25399 default advertises 192.0.2.5",
      "sip tcp * 5060 default",
      "sip udp * 5060 default",
      "sips tcp * 5061 default",
      "rtsp tcp * 554 default",
      "management tcp * 8085 default",
      "api tcp -> lumenvox-api.testmachine.com 443 default",
    ]
  }

  test "the container, everything written" {
    role  = "container"
    input = <<-EOT
      services:
        media:
          image: $${REGISTRY}mrcp-api:$${TAG}
          network_mode: host
          environment:
            MEDIA_SERVER__NUM_CHANNELS: 50
            MEDIA_SERVER__MRCP_PORT_BASE: 21000
            MEDIA_SERVER__RTP_PORT_BASE: "26000"
            MEDIA_SERVER__SIP_PORT: 5070
            MEDIA_SERVER__SIPS_PORT: 0
            MEDIA_SERVER__RTSP_PORT: 0
            MEDIA_SERVER__LUMENVOX_API_ADDRESS: api.acme.example
            MEDIA_SERVER__LUMENVOX_API_PORT: 8443
            MANAGEMENT_ADDRESS: 127.0.0.1:8086
    EOT
    expect = [
      "mrcp tcp * 21000-21099 config L7",
      "rtp udp * 26000-26099 config L8",
      "sip tcp * 5070 config L9",
      "sip udp * 5070 config L9",
      "management tcp 127.0.0.1 8086 config L14",
      "api tcp -> api.acme.example 8443 config L13",
    ]
  }
}
