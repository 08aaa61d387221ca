# Asterisk's SIP channel since version 12. Each section of type transport is one socket;
# ws and wss ride on the HTTP server, which asterisk-http describes.

service "asterisk-pjsip" {
  title     = "Asterisk SIP (res_pjsip)"
  platforms = ["linux"]
  cites     = ["https://docs.asterisk.org/Configuration/Channel-Drivers/SIP/Configuring-res_pjsip/PJSIP-Configuration-Sections-and-Relationships/", "https://github.com/asterisk/asterisk/blob/f0c1c1a7b79b0f8cc0311649bf36824cbeee30a9/res/res_pjsip/config_transport.c"]

  file "conf" {
    format = "asterisk"
    accept = has("*/type") || !has("*") # a file of nothing but includes is one too
    paths = {
      linux = ["/etc/asterisk/pjsip.conf"]
    }
  }

  default "sip_port" {
    setting = "bind"
    case {
      value = 5060
      cites = ["https://github.com/asterisk/asterisk/blob/f0c1c1a7b79b0f8cc0311649bf36824cbeee30a9/res/res_pjsip/config_transport.c#L740"]
    }
  }

  default "tls_port" {
    setting = "bind"
    case {
      value = 5061
      cites = ["https://github.com/asterisk/asterisk/blob/f0c1c1a7b79b0f8cc0311649bf36824cbeee30a9/res/res_pjsip/config_transport.c#L740"]
    }
  }

  # Sockets of IPv6 take no IPv4 since pjproject 2.6, and in the one that Asterisk brings along since before:
  # https://github.com/asterisk/asterisk/blob/9dd3d416cc35f1fd8b88ffc2f39a2fcb12df181f/third-party/pjproject/patches/0003-r5403-pjsip_IPV6_V6ONLY.patch
  # So a transport on 0.0.0.0 and one on [::] have the same port, and share nothing.
  each "transport" {
    for_each = find("*[type='transport']")

    locals {
      protocol = lower(text(value(each.value, "protocol"), "udp"))
      bind     = text(value(each.value, "bind"), "") # a transport without it is refused
      address  = hostport(value(each.value, "bind"))
      told     = concat(values(each.value, "external_media_address"), values(each.value, "external_signaling_address"))
    }

    listen "sip" {
      purpose   = "SIP"
      for_each  = contains(["udp", "tcp"], local.protocol) ? ["plain"] : []
      when      = local.bind != ""
      protocol  = [local.protocol]
      port      = port(local.address.port, default.sip_port)
      bind      = [local.address.host]
      advertise = local.told
      v6only    = true
      exposure  = "public"
      zero      = "unknown"
      assigned  = ["5060"]
    }

    listen "sips" {
      purpose   = "SIP over TLS"
      for_each  = local.protocol == "tls" ? ["tls"] : []
      when      = local.bind != ""
      protocol  = ["tcp"]
      port      = port(local.address.port, default.tls_port)
      bind      = [local.address.host]
      advertise = local.told
      v6only    = true
      exposure  = "public"
      zero      = "unknown"
      assigned  = ["5061"]
    }
  }

  test "behind NAT" {
    input  = <<-EOT
      [t]
      type = transport
      bind = 10.0.0.5
      external_media_address = 198.51.100.5
      external_signaling_address = 198.51.100.6
    EOT
    expect = ["sip udp 10.0.0.5 5060 default advertises 198.51.100.5 advertises 198.51.100.6 L3"]
  }

  test "one transport of each protocol" {
    input  = <<-EOT
      [t-udp]
      type = transport
      bind = 10.0.0.5:5070
      [t-tls]
      type = transport
      protocol = tls
      bind = [2001:db8::5]
      [t-wss]
      type = transport
      protocol = wss
      bind = 0.0.0.0
      [phone]
      type = endpoint
      transport = t-udp
    EOT
    expect = ["sip udp 10.0.0.5 5070 config L3", "sips tcp 2001:db8::5 5061 default L7"]
  }

  test "templates and a transport without an address" {
    input  = <<-EOT
      [base](!)
      type=transport
      protocol=tcp
      bind=0.0.0.0:5080 ; the only port
      [a](base)
      [b]
      type=transport
      ;bind=0.0.0.0
    EOT
    expect = ["sip tcp 0.0.0.0 5080 config L4"]
  }
}
