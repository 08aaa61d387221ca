# SEMS, the SIP Express Media Server. Where an interface of the host is named instead of an
# address, which address that is is not known, and any is taken.

service "sems" {
  title     = "SIP Express Media Server"
  platforms = ["linux"]
  cites     = ["https://github.com/sems-server/sems/blob/2775036c2b1398ff28b3a54be1192a357ed68798/core/etc/sems.conf.sample"]

  file "conf" {
    format = "sems"
    paths = {
      linux = ["/etc/sems/sems.conf", "/usr/local/etc/sems/sems.conf"]
    }
  }

  default "sip_port" {
    setting = "sip_port"
    case {
      value = 5060
      cites = ["https://github.com/sems-server/sems/blob/2775036c2b1398ff28b3a54be1192a357ed68798/core/etc/sems.conf.sample#L45"]
    }
  }

  default "rtp_low_port" {
    setting = "rtp_low_port"
    case {
      value = 1024
      cites = ["https://github.com/sems-server/sems/blob/2775036c2b1398ff28b3a54be1192a357ed68798/core/etc/sems.conf.sample#L62"]
    }
  }

  default "rtp_high_port" {
    setting = "rtp_high_port"
    case {
      value = 65535
      cites = ["https://github.com/sems-server/sems/blob/2775036c2b1398ff28b3a54be1192a357ed68798/core/etc/sems.conf.sample#L67"]
    }
  }

  locals {
    ip    = "^([0-9]+[.][0-9.]+|[0-9A-Fa-f]*:[0-9A-Fa-f:.]*)$"
    names = items(setting("", "interfaces"), ",;")
    # The settings without the name of an interface count when there is none, or when they
    # have an address.
    plain = length(local.names) == 0 || has("sip_ip") || has("media_ip")
  }

  each "plain" {
    for_each = local.plain ? ["no interfaces"] : []

    locals {
      sip   = match(local.ip, text(setting("", "sip_ip"), ""))
      media = match(local.ip, text(first(setting("", "media_ip"), setting("", "sip_ip")), ""))
    }

    listen "sip" {
      purpose   = "SIP"
      for_each  = has("sip_ip") ? ["address"] : []
      protocol  = ["udp", "tcp"]
      port      = port(setting("", "sip_port"), default.sip_port)
      bind      = local.sip
      advertise = values("public_ip")
      exposure  = "public"
      zero      = "unknown"
      assigned  = ["5060"]
    }

    # sip_port is ignored without sip_ip, and the first address of the host is taken.
    listen "sip-any" {
      purpose  = "SIP"
      for_each = has("sip_ip") ? [] : ["any"]
      protocol = ["udp", "tcp"]
      port     = default.sip_port
      exposure = "public"
      assigned = ["5060"]
    }

    listen "rtp" {
      purpose   = "RTP and RTCP"
      protocol  = ["udp"]
      first     = port(setting("", "rtp_low_port"), default.rtp_low_port)
      last      = port(setting("", "rtp_high_port"), default.rtp_high_port)
      bind      = local.media
      pairs     = true
      advertise = values("public_ip")
      exposure  = "public"
      zero      = "unknown"
    }
  }

  each "interface" {
    for_each = local.names

    locals {
      sip   = match(local.ip, text(setting("", "sip_ip_${each.value}"), ""))
      media = match(local.ip, text(first(setting("", "media_ip_${each.value}"), setting("", "sip_ip_${each.value}")), ""))
    }

    listen "sip-interface" {
      purpose   = "SIP"
      when      = has("sip_ip_${each.value}") # mandatory
      protocol  = ["udp", "tcp"]
      port      = port(setting("", "sip_port_${each.value}"), default.sip_port)
      bind      = local.sip
      advertise = values("public_ip_${each.value}")
      exposure  = "public"
      zero      = "unknown"
      assigned  = ["5060"]
    }

    listen "rtp-interface" {
      purpose   = "RTP and RTCP"
      when      = has("sip_ip_${each.value}")
      protocol  = ["udp"]
      first     = port(setting("", "rtp_low_port_${each.value}"), default.rtp_low_port)
      last      = port(setting("", "rtp_high_port_${each.value}"), default.rtp_high_port)
      bind      = local.media
      pairs     = true
      advertise = values("public_ip_${each.value}")
      exposure  = "public"
      zero      = "unknown"
    }
  }

  test "one interface" {
    input = <<-EOT
      sip_ip=192.0.2.1
      sip_port=5080 # not 5060
      rtp_low_port=20000
      rtp_high_port=20999
    EOT
    expect = [
      "sip udp 192.0.2.1 5080 config L2",
      "sip tcp 192.0.2.1 5080 config L2",
      "rtp udp 192.0.2.1 20000-20999 config L3",
    ]
  }

  test "a port without an address" {
    input  = <<-EOT
      sip_port=5080
    EOT
    expect = ["sip-any udp * 5060 default", "sip-any tcp * 5060 default", "rtp udp * 1024-65535 default"]
  }

  test "several interfaces" {
    input = <<-EOT
      interfaces=in,out
      sip_ip_in=eth0
      media_ip_in=10.0.0.9
      rtp_low_port_in=2000
      rtp_high_port_in=2999
      sip_ip_out=192.0.2.1
      sip_port_out=5062
      rtp_low_port_out=30000
      rtp_high_port_out=30999
    EOT
    expect = [
      "sip-interface udp * 5060 default",
      "sip-interface tcp * 5060 default",
      "rtp-interface udp 10.0.0.9 2000-2999 config L4",
      "sip-interface udp 192.0.2.1 5062 config L7",
      "sip-interface tcp 192.0.2.1 5062 config L7",
      "rtp-interface udp 192.0.2.1 30000-30999 config L8",
    ]
  }
}
