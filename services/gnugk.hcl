# GNU Gatekeeper for H.323. Call signalling is open in routed mode only, media in proxy
# mode only. RADIUS, the alternate gatekeepers and the ports of endpoints are no listeners.

service "gnugk" {
  title     = "GNU Gatekeeper"
  platforms = ["linux"]
  cites     = ["https://www.gnugk.org/gnugk-manual.html", "https://github.com/willamowius/gnugk/blob/0a87c1bfcdc4e51533a0dac4efd5ef0a51a5104c/etc/complete.ini"]

  file "conf" {
    format      = "gnugk"
    accept      = section("Gatekeeper::Main")
    common_name = true # any .ini
    paths = {
      linux = ["/etc/gatekeeper.ini", "/etc/gnugk/*.ini"]
    }
  }

  default "ras_port" {
    setting = "UnicastRasPort"
    case {
      value = 1719
      cites = ["https://www.gnugk.org/gnugk-manual-4.html"]
    }
  }

  default "multicast_port" {
    setting = "MulticastPort"
    case {
      value = 1718
      cites = ["https://www.gnugk.org/gnugk-manual-4.html"]
    }
  }

  default "status_port" {
    setting = "StatusPort"
    case {
      value = 7000
      cites = ["https://www.gnugk.org/gnugk-manual-4.html"]
    }
  }

  default "call_port" {
    setting = "CallSignalPort"
    case {
      value = 1720
      cites = ["https://www.gnugk.org/gnugk-manual-5.html"]
    }
  }

  default "tls_port" {
    setting = "TLSCallSignalPort"
    case {
      value = 1300
      cites = ["https://www.gnugk.org/gnugk-manual-5.html"]
    }
  }

  default "rtp_first" {
    setting = "RTPPortRange"
    case {
      value = 1024
      cites = ["https://www.gnugk.org/gnugk-manual-5.html"]
    }
  }

  default "rtp_last" {
    setting = "RTPPortRange"
    case {
      value = 65535
      cites = ["https://www.gnugk.org/gnugk-manual-5.html"]
    }
  }

  locals {
    home   = items(setting("Gatekeeper::Main", "Home"), ",;")
    bind   = length(local.home) > 0 ? local.home : ["*"]
    routed = truthy(setting("RoutedMode", "GKRouted"), false)
    proxy  = local.routed && truthy(setting("Proxy", "Enable"), false)
    h245   = local.routed && truthy(setting("RoutedMode", "H245Routed"), false) || local.proxy
    q931   = range(setting("RoutedMode", "Q931PortRange"))
    h245s  = range(setting("RoutedMode", "H245PortRange"))
    t120   = range(setting("Proxy", "T120PortRange"))
    rtp    = range(setting("Proxy", "RTPPortRange"))
  }

  listen "ras" {
    purpose   = "RAS registration"
    protocol  = ["udp"]
    port      = port(setting("Gatekeeper::Main", "UnicastRasPort"), default.ras_port)
    bind      = local.bind
    advertise = [setting("Gatekeeper::Main", "ExternalIP")]
    exposure  = "public"
    zero      = "unknown"
    assigned  = ["1719"]
  }

  listen "multicast" {
    purpose  = "RAS discovery by multicast"
    when     = truthy(setting("Gatekeeper::Main", "UseMulticastListener"), true)
    protocol = ["udp"]
    port     = port(setting("Gatekeeper::Main", "MulticastPort"), default.multicast_port)
    exposure = "public"
    assigned = ["1718"]
  }

  listen "status" {
    purpose  = "status port"
    protocol = ["tcp"]
    port     = port(setting("Gatekeeper::Main", "StatusPort"), default.status_port)
    bind     = local.bind
    exposure = "admin"
    zero     = "unknown"
  }

  listen "h225" {
    purpose   = "H.323 call signalling"
    when      = local.routed
    protocol  = ["tcp"]
    port      = port(setting("RoutedMode", "CallSignalPort"), default.call_port)
    bind      = local.bind
    advertise = [setting("Gatekeeper::Main", "ExternalIP")]
    exposure  = "public"
    zero      = "chosen" # the manual: an arbitrary port
    assigned  = ["1720"]
  }

  listen "h225-tls" {
    purpose  = "H.323 call signalling over TLS"
    when     = local.routed && truthy(setting("TLS", "EnableTLS"), false)
    protocol = ["tcp"]
    port     = port(setting("RoutedMode", "TLSCallSignalPort"), default.tls_port)
    bind     = local.bind
    exposure = "public"
    zero     = "unknown"
    assigned = ["1300"]
  }

  # Without a range the system chooses the ports of the next two, and of T.120.
  listen "q931" {
    purpose  = "Q.931 signalling channels"
    when     = local.routed && has("RoutedMode/Q931PortRange")
    protocol = ["tcp"]
    first    = port(local.q931.first, null)
    last     = port(local.q931.last, null)
    bind     = local.bind
    exposure = "public"
    zero     = "unknown"
  }

  listen "h245" {
    purpose  = "H.245 control channels"
    when     = local.h245 && has("RoutedMode/H245PortRange")
    protocol = ["tcp"]
    first    = port(local.h245s.first, null)
    last     = port(local.h245s.last, null)
    bind     = local.bind
    exposure = "public"
    zero     = "unknown"
  }

  listen "t120" {
    purpose  = "T.120 data channels"
    when     = local.proxy && has("Proxy/T120PortRange")
    protocol = ["tcp"]
    first    = port(local.t120.first, null)
    last     = port(local.t120.last, null)
    bind     = local.bind
    exposure = "public"
    zero     = "unknown"
  }

  listen "rtp" {
    purpose  = "RTP and RTCP"
    when     = local.proxy
    protocol = ["udp"]
    first    = port(local.rtp.first, default.rtp_first)
    last     = port(local.rtp.last, default.rtp_last)
    bind     = local.bind
    pairs    = true
    exposure = "public"
    zero     = "unknown"
  }

  test "direct mode" {
    input  = <<-EOT
      [Gatekeeper::Main]
      Name=Harbour
      [RoutedMode]
      CallSignalPort=1721
      Q931PortRange=21000-21099
      [Proxy]
      Enable=1
      RTPPortRange=42000-42999
      [RadAuth]
      RadiusPortRange=15000-16000
    EOT
    expect = ["ras udp * 1719 default", "multicast udp * 1718 default", "status tcp * 7000 default"]
  }

  test "proxy on one address" {
    input = <<-EOT
      [Gatekeeper::Main]
      Home=192.0.2.1
      AlternateGKs=192.0.2.4:1719;false;120
      UseMulticastListener=0
      [RoutedMode]
      GKRouted=1
      H245PortRange=31000-31099
      [Proxy]
      Enable=1
      T120PortRange=42000-42999
      RTPPortRange=42000-42999
    EOT
    expect = [
      "ras udp 192.0.2.1 1719 default",
      "status tcp 192.0.2.1 7000 default",
      "h225 tcp 192.0.2.1 1720 default",
      "h245 tcp 192.0.2.1 31000-31099 config L7",
      "t120 tcp 192.0.2.1 42000-42999 config L10",
      "rtp udp 192.0.2.1 42000-42999 config L11",
    ]
  }

  test "signalling over TLS" {
    input = <<-EOT
      [Gatekeeper::Main]
      UseMulticastListener=0
      [RoutedMode]
      GKRouted=1
      CallSignalPort=0
      TLSCallSignalPort=1310
      [TLS]
      EnableTLS=1
    EOT
    expect = [
      "ras udp * 1719 default",
      "status tcp * 7000 default",
      "h225-tls tcp * 1310 config L6",
    ]
  }

  test "TLS is off unless it is enabled" {
    input  = <<-EOT
      [Gatekeeper::Main]
      UseMulticastListener=0
      [RoutedMode]
      GKRouted=1
      TLSCallSignalPort=1310
    EOT
    expect = ["ras udp * 1719 default", "status tcp * 7000 default", "h225 tcp * 1720 default"]
  }

  test "proxy without a range" {
    input = <<-EOT
      [Gatekeeper::Main]
      UseMulticastListener=0
      [RoutedMode]
      GKRouted=yes
      [Proxy]
      Enable=yes
    EOT
    expect = [
      "ras udp * 1719 default",
      "status tcp * 7000 default",
      "h225 tcp * 1720 default",
      "rtp udp * 1024-65535 default",
    ]
  }
}
