# Asterisk's DUNDi, which asks other servers for the way to a number.

service "asterisk-dundi" {
  title     = "Asterisk DUNDi"
  platforms = ["linux"]
  cites     = ["https://github.com/asterisk/asterisk/blob/f0c1c1a7b79b0f8cc0311649bf36824cbeee30a9/configs/samples/dundi.conf.sample"]

  file "conf" {
    format = "asterisk"
    accept = section("general") || !has("*") # a file of nothing but includes is one too
    paths = {
      linux = ["/etc/asterisk/dundi.conf"]
    }
  }

  default "port" {
    setting = "port"
    case {
      value = 4520
      cites = ["https://github.com/asterisk/asterisk/blob/f0c1c1a7b79b0f8cc0311649bf36824cbeee30a9/include/asterisk/dundi.h#L30", "https://github.com/asterisk/asterisk/blob/f0c1c1a7b79b0f8cc0311649bf36824cbeee30a9/configs/samples/dundi.conf.sample#L27"]
    }
  }

  # A second address is one of the other IP version; both have the same port.
  listen "dundi" {
    purpose  = "DUNDi"
    protocol = ["udp"]
    port     = port(setting("general", "port"), default.port)
    bind     = [text(hostport(setting("general", "bindaddr")).host, "0.0.0.0"), hostport(setting("general", "bindaddr2")).host]
    exposure = "public"
    zero     = "unknown"
  }

  test "nothing set" {
    input  = <<-EOT
      [general]
      ;port=4521
      [mappings]
      port => elsewhere,1
    EOT
    expect = ["dundi udp 0.0.0.0 4520 default"]
  }

  test "two addresses" {
    input  = <<-EOT
      [general]
      bindaddr=192.0.2.1
      bindaddr2=2001:db8::1
      port=4521
    EOT
    expect = ["dundi udp 192.0.2.1,2001:db8::1 4521 config L4"]
  }
}
