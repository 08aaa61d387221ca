# Asterisk's HTTP server. ARI, AMI over HTTP and the WebSockets of SIP ride on it, so who
# should reach it differs from host to host; it is not opened to everybody.

service "asterisk-http" {
  title     = "Asterisk HTTP server"
  platforms = ["linux"]
  runs      = ["asterisk.service"]
  cites     = ["https://github.com/asterisk/asterisk/blob/f0c1c1a7b79b0f8cc0311649bf36824cbeee30a9/configs/samples/http.conf.sample", "https://github.com/asterisk/asterisk/blob/f0c1c1a7b79b0f8cc0311649bf36824cbeee30a9/main/http.c"]

  file "conf" {
    format      = "asterisk"
    accept      = section("general") || !has("*") # a file of nothing but includes is one too
    common_name = true
    paths = {
      linux = ["/etc/asterisk/http.conf"]
    }
  }

  default "port" {
    setting = "bindport"
    case {
      value = 8088
      cites = ["https://github.com/asterisk/asterisk/blob/f0c1c1a7b79b0f8cc0311649bf36824cbeee30a9/configs/samples/http.conf.sample#L37"]
    }
  }

  default "tls_port" {
    setting = "tlsbindaddr"
    case {
      value = 8089
      cites = ["https://github.com/asterisk/asterisk/blob/f0c1c1a7b79b0f8cc0311649bf36824cbeee30a9/configs/samples/http.conf.sample", "https://github.com/asterisk/asterisk/blob/f0c1c1a7b79b0f8cc0311649bf36824cbeee30a9/main/http.c#L2621"]
    }
  }

  locals {
    yes     = ["yes", "true", "y", "t", "1", "on"] # ast_true() knows no other words
    address = hostport(setting("general", "bindaddr"))
    tls     = hostport(setting("general", "tlsbindaddr"))
    # Without an address there is no server.
    on     = contains(local.yes, lower(text(setting("general", "enabled"), "no"))) && text(setting("general", "bindaddr"), "") != ""
    tls_on = contains(local.yes, lower(text(first(setting("general", "tlsenable"), setting("general", "sslenable")), "no")))
  }

  listen "http" {
    purpose  = "HTTP, ARI and WebSocket"
    when     = local.on
    protocol = ["tcp"]
    port     = port(setting("general", "bindport"), default.port)
    bind     = [local.address.host]
    exposure = "internal"
    zero     = "unknown"
  }

  # TLS takes the plain address where it has none of its own, but never the plain port.
  listen "https" {
    purpose  = "HTTPS, ARI and secure WebSocket"
    when     = local.tls_on && (local.on || text(setting("general", "tlsbindaddr"), "") != "")
    protocol = ["tcp"]
    port     = port(local.tls.port, default.tls_port)
    bind     = [first(local.tls.host, local.address.host)]
    exposure = "internal"
    zero     = "unknown"
  }

  test "an address switches nothing on" {
    input  = <<-EOT
      [general]
      bindaddr=127.0.0.1
      bindport=8090
    EOT
    expect = []
  }

  test "no address, no server" {
    input  = <<-EOT
      [general]
      enabled=yes
      tlsenable=yes
    EOT
    expect = []
  }

  test "both" {
    input  = <<-EOT
      [general]
      enabled=yes
      bindaddr=10.0.0.5
      bindport=8090
      tlsenable=yes
    EOT
    expect = ["http tcp 10.0.0.5 8090 config L4", "https tcp 10.0.0.5 8089 default"]
  }

  test "TLS alone" {
    input  = <<-EOT
      [general]
      enabled=no
      tlsenable=yes
      tlsbindaddr=0.0.0.0:8443
    EOT
    expect = ["https tcp 0.0.0.0 8443 config L4"]
  }
}
