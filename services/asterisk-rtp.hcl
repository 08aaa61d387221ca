# Asterisk's RTP engine. It walks over even ports up to the end of the range, so that RTCP
# may take the port behind it.

service "asterisk-rtp" {
  title     = "Asterisk RTP"
  platforms = ["linux"]
  cites     = ["https://docs.asterisk.org/Configuration/"]

  file "conf" {
    format = "asterisk"
    accept = section("general") || !has("*")
    paths  = { linux = ["/etc/asterisk/rtp.conf", "/usr/local/etc/asterisk/rtp.conf"] }
  }

  default "rtpstart" {
    setting = "rtpstart"
    case {
      value = 5000
      cites = ["https://github.com/asterisk/asterisk/blob/f0c1c1a7b79b0f8cc0311649bf36824cbeee30a9/res/res_rtp_asterisk.c#L105"]
    }
  }

  default "rtpend" {
    setting = "rtpend"
    case {
      value = 31000
      cites = ["https://github.com/asterisk/asterisk/blob/f0c1c1a7b79b0f8cc0311649bf36824cbeee30a9/res/res_rtp_asterisk.c#L106"]
    }
  }

  locals {
    # Numbers outside of 1024 to 65535 become the nearer of the two, and a start that is not
    # below the end makes both the built-in ones:
    # https://github.com/asterisk/asterisk/blob/f0c1c1a7b79b0f8cc0311649bf36824cbeee30a9/res/res_rtp_asterisk.c#L10370
    # https://github.com/asterisk/asterisk/blob/f0c1c1a7b79b0f8cc0311649bf36824cbeee30a9/res/res_rtp_asterisk.c#L10607
    start_set = number(setting("general", "rtpstart"), default.rtpstart)
    end_set   = number(setting("general", "rtpend"), default.rtpend)
    start     = min(max(local.start_set, 1024), 65535)
    end       = min(max(local.end_set, 1024), 65535)
    valid     = local.start < local.end
    low       = local.valid ? local.start : default.rtpstart
    high      = local.valid ? local.end : default.rtpend
  }

  listen "rtp" {
    purpose  = "RTP and RTCP"
    protocol = ["udp"]
    first    = even_up(local.low)
    last     = even_down(local.high) + 1
    nominal  = [local.low, local.high]
    pairs    = true
    exposure = "public"
  }

  lint "range-reset" {
    when     = !local.valid
    severity = "warning"
    message  = "rtpstart is not below rtpend, so Asterisk uses the built-in 5000-31000"
    help     = "write a start below the end"
  }

  test "one port behind the end" {
    input  = <<-EOT
      [general]
      rtpstart=12000
      rtpend=13000 ; inclusive
    EOT
    expect = ["rtp udp * 12000-13001 config nominal 12000-13000 L2"]
  }

  test "odd numbers" {
    input  = <<-EOT
      [General]
      rtpstart => 12001
      rtpend => 12999
    EOT
    expect = ["rtp udp * 12002-12999 config nominal 12001-12999 L2"]
  }

  test "nothing said" {
    input  = <<-EOT
      [general]
      ;rtpstart=10000
      icesupport=yes
    EOT
    expect = ["rtp udp * 5000-31001 default nominal 5000-31000"]
  }

  test "an end that nobody wrote" {
    input  = <<-EOT
      [general]
      rtpstart=20000
    EOT
    expect = ["rtp udp * 20000-31001 config nominal 20000-31000 L2"]
  }

  test "clamped" {
    input  = <<-EOT
      [general]
      rtpstart=100
      rtpend=70000
    EOT
    expect = ["rtp udp * 1024-65535 config L2"]
  }

  test "the wrong way round" {
    input  = <<-EOT
      [general]
      rtpstart=20000
      rtpend=10000
    EOT
    expect = ["rtp udp * 5000-31001 default nominal 5000-31000 L2"]
  }

  test "an include that cannot be read" {
    input  = "#include rtp_additional.conf\n"
    expect = []
  }
}
