# Asterisk's MGCP channel, removed in version 21. It is a call agent: it listens on 2727, although
# the comment of the shipped file says 2427, which is the port of gateways.

service "asterisk-mgcp" {
  title     = "Asterisk MGCP"
  platforms = ["linux"]
  cites     = ["https://github.com/asterisk/asterisk/blob/841107f294120a9798f8b24510a3856dbbc99454/configs/samples/mgcp.conf.sample"]

  file "conf" {
    format = "asterisk"
    accept = section("general") || !has("*") # a file of nothing but includes is one too
    paths = {
      linux = ["/etc/asterisk/mgcp.conf"]
    }
  }

  default "port" {
    setting = "port"
    case {
      value = 2727
      cites = ["https://github.com/asterisk/asterisk/blob/841107f294120a9798f8b24510a3856dbbc99454/channels/chan_mgcp.c", "https://www.rfc-editor.org/rfc/rfc3435"]
    }
  }

  listen "mgcp" {
    purpose  = "MGCP call agent"
    protocol = ["udp"]
    port     = port(setting("general", "port"), default.port)
    bind     = [hostport(setting("general", "bindaddr")).host]
    exposure = "public"
    zero     = "unknown"
    assigned = ["2727"]
  }

  test "the comment is wrong" {
    input  = <<-EOT
      [general]
      ;port = 2427
      [gateway]
      host = 192.0.2.9
      port = 2427
    EOT
    expect = ["mgcp udp * 2727 default"]
  }

  test "set" {
    input  = <<-EOT
      [general]
      bindaddr = 192.0.2.1
      port = 2728
    EOT
    expect = ["mgcp udp 192.0.2.1 2728 config L3"]
  }
}
