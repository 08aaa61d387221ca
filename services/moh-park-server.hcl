# MOHParkServer of reSIProcate: music on hold and parked calls. Other than in repro, 0 asks
# the system for a port and -1 switches it off.

service "moh-park-server" {
  title     = "MOHParkServer music on hold and parking"
  platforms = ["linux", "windows-server"]
  cites = [
    "https://github.com/resiprocate/resiprocate/blob/68c54f2994e466b2aa62e18e8e0c246f4ed049e6/resip/recon/MOHParkServer/MOHParkServer.config",
    "https://github.com/resiprocate/resiprocate/blob/020cbf2baa8b043cefb486663fa0152e9084c737/resip/recon/MOHParkServer/Server.cxx",
  ]

  # The program reads it from the folder in which it is started, so there is no usual place.
  file "conf" {
    format = "resiprocate"
    accept = has("MediaPortRangeStart") || has("MediaPortRangeSize") || has("UDPPort") || has("TCPPort") || has("HttpPort") || has("MOH*") || has("Park*")
    paths = {
      linux   = ["/opt/MOHParkServer/MOHParkServer.config", "/etc/MOHParkServer/MOHParkServer.config"]
      windows = ["C:/Program Files/MOHParkServer/MOHParkServer.config"]
    }
  }

  default "sip_port" {
    setting = "UDPPort"
    case {
      value = 0
      cites = ["https://github.com/resiprocate/resiprocate/blob/3963182f60b8ceec92ecbd87d460b9078441be4d/resip/recon/MOHParkServer/ConfigParser.cxx"]
    }
  }

  default "http_port" {
    setting = "HttpPort"
    case {
      value = 5082
      cites = ["https://github.com/resiprocate/resiprocate/blob/3963182f60b8ceec92ecbd87d460b9078441be4d/resip/recon/MOHParkServer/ConfigParser.cxx"]
    }
  }

  default "media_start" {
    setting = "MediaPortRangeStart"
    case {
      value = 50000
      cites = ["https://github.com/resiprocate/resiprocate/blob/3963182f60b8ceec92ecbd87d460b9078441be4d/resip/recon/MOHParkServer/ConfigParser.cxx"]
    }
  }

  default "media_size" {
    setting = "MediaPortRangeSize"
    case {
      value = 100
      cites = ["https://github.com/resiprocate/resiprocate/blob/3963182f60b8ceec92ecbd87d460b9078441be4d/resip/recon/MOHParkServer/ConfigParser.cxx"]
    }
  }

  locals {
    bind = [text(nonempty(setting("", "IPAddress")), "*")]
    udp  = setting("", "UDPPort")
    tcp  = setting("", "TCPPort")
    tls  = setting("", "TLSPort")
    none = text(local.udp, "0") == "-1" && text(local.tcp, "0") == "-1" && text(local.tls, "0") == "-1"

    start = port(setting("", "MediaPortRangeStart"), default.media_start)
    size  = number(setting("", "MediaPortRangeSize"), default.media_size)
  }

  listen "udp" {
    purpose  = "SIP"
    when     = text(local.udp, "0") != "-1"
    protocol = ["udp"]
    port     = port(local.udp, default.sip_port)
    bind     = local.bind
    zero     = "chosen"
    exposure = "public"
    assigned = ["5060"]
  }

  # When all are off, UDP is not: Server.cxx.
  listen "udp-anyway" {
    purpose  = "SIP"
    for_each = local.none ? ["0"] : []
    protocol = ["udp"]
    port     = port(each.value, default.sip_port)
    bind     = local.bind
    zero     = "chosen"
    exposure = "public"
  }

  listen "tcp" {
    purpose  = "SIP over TCP"
    when     = text(local.tcp, "0") != "-1"
    protocol = ["tcp"]
    port     = port(local.tcp, default.sip_port)
    bind     = local.bind
    zero     = "chosen"
    exposure = "public"
    assigned = ["5060"]
  }

  listen "tls" {
    purpose  = "SIP over TLS"
    when     = text(local.tls, "0") != "-1"
    protocol = ["tcp"]
    port     = port(local.tls, default.sip_port)
    bind     = local.bind
    zero     = "chosen"
    exposure = "public"
    assigned = ["5061"]
  }

  # RTP takes even ports and RTCP the next one: resip/recon/RTPPortManager.cxx.
  listen "rtp" {
    purpose  = "RTP and RTCP"
    when     = local.size > 0
    protocol = ["udp"]
    first    = even_up(local.start)
    last     = even_down(local.start + local.size - 1) + 1
    nominal  = [local.start, local.start + local.size - 1]
    pairs    = true
    zero     = "unknown"
    exposure = "public"
  }

  listen "http" {
    purpose  = "list of calls"
    protocol = ["tcp"]
    port     = port(setting("", "HttpPort"), default.http_port)
    bind     = ["0.0.0.0"]
    exposure = "admin"
  }

  test "ports that are set" {
    input = <<-EOT
      # as a PBX beside another would have it
      IPAddress = 192.0.2.1
      UDPPort = 5070
      TCPPort = -1
      TLSPort = 5071
      MediaPortRangeStart = 40000
      MediaPortRangeSize = 200
      HttpPort = 0
    EOT
    expect = [
      "udp udp 192.0.2.1 5070 config L3",
      "tls tcp 192.0.2.1 5071 config L5",
      "rtp udp * 40000-40199 config L6",
    ]
  }

  test "the system chooses" {
    input = <<-EOT
      UDPPort = 0
      TCPPort = 0
      TLSPort = -1
      MediaPortRangeSize = 51
    EOT
    expect = [
      "rtp udp * 50000-50051 default nominal 50000-50050",
      "http tcp 0.0.0.0 5082 default",
    ]
  }

  test "all off is UDP on any port" {
    input  = <<-EOT
      UDPPort = -1
      TCPPort = -1
      TLSPort = -1
      HttpPort = 8082
    EOT
    expect = ["rtp udp * 50000-50099 default", "http tcp 0.0.0.0 8082 config L4"]
  }
}
