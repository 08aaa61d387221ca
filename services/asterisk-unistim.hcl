# Asterisk's UNISTIM channel for Nortel telephones. It has no default port: without one the
# channel does not start.

service "asterisk-unistim" {
  title     = "Asterisk UNISTIM"
  platforms = ["linux"]
  cites     = ["https://github.com/asterisk/asterisk/blob/f0c1c1a7b79b0f8cc0311649bf36824cbeee30a9/configs/samples/unistim.conf.sample"]

  file "conf" {
    format = "asterisk"
    accept = section("general") || !has("*") # a file of nothing but includes is one too
    paths = {
      linux = ["/etc/asterisk/unistim.conf"]
    }
  }

  listen "unistim" {
    purpose  = "UNISTIM"
    protocol = ["udp"]
    port     = port(setting("general", "port"), 0) # https://github.com/asterisk/asterisk/blob/f0c1c1a7b79b0f8cc0311649bf36824cbeee30a9/channels/chan_unistim.c#L6942
    exposure = "public"
  }

  test "set" {
    input  = <<-EOT
      [general]
      port=5000 ; UDP
      ;public_ip=192.0.2.1
    EOT
    expect = ["unistim udp * 5000 config L2"]
  }

  test "no port, no channel" {
    input  = <<-EOT
      [general]
      [violet]
      port=5000
    EOT
    expect = []
  }
}
