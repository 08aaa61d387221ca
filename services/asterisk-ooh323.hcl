# Asterisk's H.323 channel. Its audio uses the ports of rtp.conf, which asterisk-rtp describes.

service "asterisk-ooh323" {
  title     = "Asterisk H.323 (ooh323)"
  platforms = ["linux"]
  cites     = ["https://github.com/asterisk/asterisk/blob/f0c1c1a7b79b0f8cc0311649bf36824cbeee30a9/configs/samples/ooh323.conf.sample"]

  file "conf" {
    format = "asterisk"
    accept = section("general") || !has("*") # a file of nothing but includes is one too
    paths = {
      linux = ["/etc/asterisk/ooh323.conf"]
    }
  }

  default "port" {
    setting = "port"
    case {
      value = 1720
      cites = ["https://github.com/asterisk/asterisk/blob/f0c1c1a7b79b0f8cc0311649bf36824cbeee30a9/configs/samples/ooh323.conf.sample#L44", "https://github.com/asterisk/asterisk/blob/f0c1c1a7b79b0f8cc0311649bf36824cbeee30a9/addons/chan_ooh323.c#L2856"]
    }
  }

  default "range_first" {
    setting = "h225portrange"
    case {
      value = 12030
      cites = ["https://github.com/asterisk/asterisk/blob/f0c1c1a7b79b0f8cc0311649bf36824cbeee30a9/addons/chan_ooh323.c#L2856"]
    }
  }

  default "range_last" {
    setting = "h225portrange"
    case {
      value = 12230
      cites = ["https://github.com/asterisk/asterisk/blob/f0c1c1a7b79b0f8cc0311649bf36824cbeee30a9/addons/chan_ooh323.c#L2856"]
    }
  }

  locals {
    address = hostport(setting("general", "bindaddr"))
    range   = range(setting("general", "h225portrange")) # a comma stands between the ends
  }

  # Without bindaddr it looks for an address of the host: any may be the one.
  listen "h225" {
    purpose  = "H.323 call signalling"
    protocol = ["tcp"]
    port     = port(setting("general", "port"), default.port)
    bind     = [local.address.host]
    exposure = "public"
    zero     = "unknown"
    assigned = ["1720"]
  }

  listen "h245" {
    purpose  = "H.323 signalling and H.245"
    protocol = ["tcp"]
    first    = port(local.range.first, default.range_first)
    last     = port(local.range.last, default.range_last)
    bind     = [local.address.host]
    exposure = "public"
    zero     = "unknown"
  }

  test "nothing set" {
    input  = <<-EOT
      [general]
      ;port=1721
      [peer]
      type=peer
      port=1820
    EOT
    expect = ["h225 tcp * 1720 default", "h245 tcp * 12030-12230 default"]
  }

  test "a range with a comma" {
    input  = <<-EOT
      [general]
      bindaddr=192.0.2.1
      port=1721
      h225portrange=13000,13099
    EOT
    expect = ["h225 tcp 192.0.2.1 1721 config L3", "h245 tcp 192.0.2.1 13000-13099 config L4"]
  }
}
