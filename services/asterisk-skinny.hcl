# Asterisk's Skinny channel for Cisco telephones, removed in version 21.

service "asterisk-skinny" {
  title     = "Asterisk Skinny (SCCP)"
  platforms = ["linux"]
  cites     = ["https://github.com/asterisk/asterisk/blob/1c8acdb1c080f6d79325b7367213bc2a8ccb0b13/configs/samples/skinny.conf.sample"]

  file "conf" {
    format = "asterisk"
    accept = section("general") || !has("*") # a file of nothing but includes is one too
    paths = {
      linux = ["/etc/asterisk/skinny.conf"]
    }
  }

  default "port" {
    setting = "bindport"
    case {
      value = 2000
      cites = ["https://github.com/asterisk/asterisk/blob/1c8acdb1c080f6d79325b7367213bc2a8ccb0b13/configs/samples/skinny.conf.sample#L6"]
    }
  }

  listen "skinny" {
    purpose  = "Skinny (SCCP)"
    protocol = ["tcp"]
    port     = port(setting("general", "bindport"), default.port)
    bind     = [hostport(setting("general", "bindaddr")).host]
    exposure = "public"
    zero     = "unknown"
    assigned = ["2000"]
  }

  test "nothing set" {
    input  = <<-EOT
      [general]
      keepalive=120
      [devices]
      bindport=2001
    EOT
    expect = ["skinny tcp * 2000 default"]
  }

  test "the last one counts" {
    input  = <<-EOT
      [general]
      bindaddr=192.0.2.1
      bindport=2001
      bindport=2002 ; of two
    EOT
    expect = ["skinny tcp 192.0.2.1 2002 config L4"]
  }
}
