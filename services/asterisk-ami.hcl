# Asterisk's manager interface. Whoever can log in there owns the telephone system.

service "asterisk-ami" {
  title     = "Asterisk Manager Interface"
  platforms = ["linux"]
  cites     = ["https://github.com/asterisk/asterisk/blob/f0c1c1a7b79b0f8cc0311649bf36824cbeee30a9/configs/samples/manager.conf.sample", "https://github.com/asterisk/asterisk/blob/f0c1c1a7b79b0f8cc0311649bf36824cbeee30a9/main/manager.c"]

  file "conf" {
    format      = "asterisk"
    accept      = (section("general") || !has("*")) && !section("SETTINGS")
    common_name = true # LumenVox has a manager.conf too
    paths = {
      linux = ["/etc/asterisk/manager.conf"]
    }
  }

  default "port" {
    setting = "port"
    case {
      value = 5038
      cites = ["https://github.com/asterisk/asterisk/blob/f0c1c1a7b79b0f8cc0311649bf36824cbeee30a9/configs/samples/manager.conf.sample#L25"]
    }
  }

  default "tls_port" {
    setting = "tlsbindaddr"
    case {
      value = 5039
      cites = ["https://github.com/asterisk/asterisk/blob/f0c1c1a7b79b0f8cc0311649bf36824cbeee30a9/configs/samples/manager.conf.sample#L34"]
    }
  }

  locals {
    yes     = ["yes", "true", "y", "t", "1", "on"] # ast_true() knows no other words
    on      = contains(local.yes, lower(text(setting("general", "enabled"), "no")))
    tls_on  = contains(local.yes, lower(text(first(setting("general", "tlsenable"), setting("general", "sslenable")), "no")))
    address = hostport(setting("general", "bindaddr"))
    tls     = hostport(setting("general", "tlsbindaddr"))
  }

  # Without bindaddr it listens on [::], that is on everything: main/manager.c, line 9878.
  listen "ami" {
    purpose      = "manager interface"
    when         = local.on
    protocol     = ["tcp"]
    port         = port(setting("general", "port"), default.port)
    bind         = [text(local.address.host, "::")]
    unguarded    = "log-ins, commands and the events of all calls cross the network in clear"
    exposure     = "admin"
    trusted_only = "https://github.com/asterisk/asterisk/blob/f0c1c1a7b79b0f8cc0311649bf36824cbeee30a9/configs/samples/manager.conf.sample"
    zero         = "unknown"
  }

  listen "ami-tls" {
    purpose  = "manager interface over TLS"
    when     = local.on && local.tls_on
    protocol = ["tcp"]
    port     = port(local.tls.port, default.tls_port)
    bind     = [first(local.tls.host, local.address.host, "::")]
    exposure = "admin"
    zero     = "unknown"
  }

  test "switched off" {
    input  = <<-EOT
      [general]
      enabled = no
      port = 5038
      tlsenable = yes
      tlsbindaddr = 0.0.0.0:5039
    EOT
    expect = []
  }

  test "no address is every address" {
    input  = <<-EOT
      [general]
      enabled = yes
      [operator]
      secret = x
      port = 1
    EOT
    expect = ["ami tcp :: 5038 default"]
  }

  test "with TLS" {
    input  = <<-EOT
      [general]
      enabled = yes
      port = 5040
      bindaddr = 127.0.0.1
      tlsenable = yes
    EOT
    expect = ["ami tcp 127.0.0.1 5040 config L3", "ami-tls tcp 127.0.0.1 5039 default"]
  }
}
