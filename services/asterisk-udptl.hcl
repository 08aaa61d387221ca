# Asterisk's UDPTL, which carries fax (T.38). It has no port beside each other one. A port
# of the range that is in use, as IAX2's 4569 by default, is passed over:
# https://github.com/asterisk/asterisk/blob/f0c1c1a7b79b0f8cc0311649bf36824cbeee30a9/main/udptl.c

service "asterisk-udptl" {
  title     = "Asterisk UDPTL (T.38 fax)"
  platforms = ["linux"]
  cites     = ["https://docs.asterisk.org/Configuration/"]

  file "conf" {
    format = "asterisk"
    accept = section("general") || !has("*")
    paths  = { linux = ["/etc/asterisk/udptl.conf", "/usr/local/etc/asterisk/udptl.conf"] }
  }

  default "udptlstart" {
    setting = "udptlstart"
    case {
      value = 4000
      cites = ["https://github.com/asterisk/asterisk/blob/f0c1c1a7b79b0f8cc0311649bf36824cbeee30a9/main/udptl.c#L152"]
    }
  }

  default "udptlend" {
    setting = "udptlend"
    case {
      value = 4999
      cites = ["https://github.com/asterisk/asterisk/blob/f0c1c1a7b79b0f8cc0311649bf36824cbeee30a9/main/udptl.c#L152"]
    }
  }

  locals {
    # A number outside of 1024 to 65535 is replaced by the built-in one, and a start above
    # the end makes both the built-in ones. With use_even_ports the ends are moved inwards:
    # https://github.com/asterisk/asterisk/blob/f0c1c1a7b79b0f8cc0311649bf36824cbeee30a9/main/udptl.c
    start_set = number(setting("general", "udptlstart"), default.udptlstart)
    end_set   = number(setting("general", "udptlend"), default.udptlend)
    start     = local.start_set >= 1024 && local.start_set <= 65535 ? local.start_set : default.udptlstart
    end       = local.end_set >= 1024 && local.end_set <= 65535 ? local.end_set : default.udptlend
    even      = truthy(setting("general", "use_even_ports"), false)
    valid     = (local.even ? even_up(local.start) : local.start) <= local.end
    low       = local.valid ? local.start : default.udptlstart
    high      = local.valid ? local.end : default.udptlend
  }

  listen "udptl" {
    purpose  = "UDPTL"
    protocol = ["udp"]
    first    = local.even ? even_up(local.low) : local.low
    last     = local.even ? even_down(local.high) : local.high
    nominal  = [local.low, local.high]
    share    = "asterisk/udp"
    exposure = "public"
  }

  lint "range-reset" {
    when     = !local.valid
    severity = "warning"
    message  = "udptlstart is above udptlend, so Asterisk uses the built-in 4000-4999"
    help     = "write a start below the end"
  }

  test "both ends are used" {
    input  = <<-EOT
      [general]
      udptlstart=4500
      udptlend=4600
      use_even_ports = no
    EOT
    expect = ["udptl udp * 4500-4600 config L2"]
  }

  test "even ports only" {
    input  = <<-EOT
      [general]
      udptlstart=4501
      udptlend=4601
      use_even_ports = yes
    EOT
    expect = ["udptl udp * 4502-4600 config nominal 4501-4601 L2"]
  }

  test "the wrong way round" {
    input  = <<-EOT
      [general]
      udptlstart=4700
      udptlend=4600
    EOT
    expect = ["udptl udp * 4000-4999 default L2"]
  }

  test "nothing said" {
    input  = <<-EOT
      [general]
      ;udptlstart=4500
    EOT
    expect = ["udptl udp * 4000-4999 default"]
  }

  test "an include that cannot be read" {
    input  = <<-EOT
      [general]
      #include udptl_custom.conf
    EOT
    expect = []
  }
}
