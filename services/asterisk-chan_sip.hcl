# Asterisk's old SIP channel, removed in version 21.

service "asterisk-chan_sip" {
  title     = "Asterisk SIP (chan_sip)"
  platforms = ["linux"]
  cites     = ["https://github.com/asterisk/asterisk/blob/e66c5da145b4545428fca768db7fb0921156af98/configs/samples/sip.conf.sample"]

  file "conf" {
    format = "asterisk"
    accept = section("general") || !has("*") # a file of nothing but includes is one too
    paths = {
      linux = ["/etc/asterisk/sip.conf"]
    }
  }

  default "sip_port" {
    setting = "bindport"
    case {
      value = 5060
      cites = ["https://github.com/asterisk/asterisk/blob/e66c5da145b4545428fca768db7fb0921156af98/configs/samples/sip.conf.sample#L192"]
    }
  }

  default "tls_port" {
    setting = "tlsbindaddr"
    case {
      value = 5061
      cites = ["https://github.com/asterisk/asterisk/blob/e66c5da145b4545428fca768db7fb0921156af98/configs/samples/sip.conf.sample#L230", "https://github.com/asterisk/asterisk/blob/e66c5da145b4545428fca768db7fb0921156af98/channels/chan_sip.c#L33530"]
    }
  }

  locals {
    address = hostport(first(setting("general", "udpbindaddr"), setting("general", "bindaddr")))
    # bindport wins over a port in the address: chan_sip.c, line 33442.
    port = port(first(setting("general", "bindport"), local.address.port), default.sip_port)
    tcp  = hostport(setting("general", "tcpbindaddr"))
    told = [hostport(first(setting("general", "externaddr"), setting("general", "externip"))).host, setting("general", "media_address")]
    tls  = hostport(setting("general", "tlsbindaddr"))
    # Every word but those of ast_false() is yes for tcpenable; tlsenable wants a clear yes.
    tcp_on = !contains(["no", "false", "n", "f", "0", "off"], lower(text(setting("general", "tcpenable"), "no")))
    tls_on = contains(["yes", "true", "y", "t", "1", "on"], lower(text(setting("general", "tlsenable"), "no")))
  }

  listen "sip" {
    purpose   = "SIP"
    protocol  = ["udp"]
    port      = local.port
    bind      = [local.address.host]
    advertise = local.told
    exposure  = "public"
    zero      = "unknown"
    assigned  = ["5060"]
  }

  # Without an address of its own TCP takes that of UDP, with its port.
  listen "sip-tcp" {
    purpose   = "SIP over TCP"
    for_each  = has("general/tcpbindaddr") ? [] : ["of UDP"]
    when      = local.tcp_on
    protocol  = ["tcp"]
    port      = local.port
    bind      = [local.address.host]
    advertise = local.told
    exposure  = "public"
    zero      = "unknown"
    assigned  = ["5060"]
  }

  listen "sip-tcp-address" {
    purpose   = "SIP over TCP"
    for_each  = has("general/tcpbindaddr") ? ["its own"] : []
    when      = local.tcp_on
    protocol  = ["tcp"]
    port      = port(local.tcp.port, default.sip_port)
    bind      = [local.tcp.host]
    advertise = local.told
    exposure  = "public"
    zero      = "unknown"
    assigned  = ["5060"]
  }

  # TLS takes the address of UDP too, but never its port.
  listen "sips" {
    purpose   = "SIP over TLS"
    when      = local.tls_on
    protocol  = ["tcp"]
    port      = port(local.tls.port, default.tls_port)
    bind      = [first(local.tls.host, local.address.host)]
    advertise = local.told
    exposure  = "public"
    zero      = "unknown"
    assigned  = ["5061"]
  }

  test "bindport wins over the port of the address" {
    input = <<-EOT
      [general]
      udpbindaddr=10.0.0.5:5064
      bindport=5062
      tcpenable=maybe
      tlsenable=yes
      [peer]
      port=5099
    EOT
    expect = [
      "sip udp 10.0.0.5 5062 config L3",
      "sip-tcp tcp 10.0.0.5 5062 config L3",
      "sips tcp 10.0.0.5 5061 default",
    ]
  }

  test "an address with colons and no port" {
    input  = <<-EOT
      [general]
      udpbindaddr=fd00:1::2
    EOT
    expect = ["sip udp fd00:1::2 5060 default L2"]
  }

  test "addresses of their own" {
    input  = <<-EOT
      [general]
      bindaddr=0.0.0.0
      tcpenable=yes
      tcpbindaddr=192.0.2.1
      tlsenable=enabled ; not a word of ast_true
      tlsbindaddr=192.0.2.1:5063
    EOT
    expect = ["sip udp 0.0.0.0 5060 default L2", "sip-tcp-address tcp 192.0.2.1 5060 default L4"]
  }
}
