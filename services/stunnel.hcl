# stunnel: TLS for what has none.
#
# Held against stunnel 5.68 of Debian 12: a port alone is that of every IPv4 address, every
# accept of a section opens one, :::PORT is both families, and 0 lets the system choose.

service "stunnel" {
  title     = "stunnel"
  platforms = ["linux", "freebsd", "openbsd", "netbsd", "macos", "windows-server"]
  cites     = ["https://www.stunnel.org/static/stunnel.html"]

  file "conf" {
    format      = "lines"
    common_name = true
    contains    = ["ccept", "="] # names in any case
    accept      = has("*/accept") && (has("*/connect") || has("*/exec"))
    dialect {
      comments   = ";#"
      delimiters = "="
      sections   = true
      bare       = "broken"
      include "include" {
        folder = "*"
      }
    }
    paths = {
      linux   = ["/etc/stunnel/*.conf"]
      windows = ["C:/Program Files/stunnel/config/stunnel.conf", "C:/Program Files (x86)/stunnel/config/stunnel.conf"]
    }
  }

  locals {
    # [HOST:]PORT, where the port is behind the last colon; a path is a socket in the file
    # system.
    accepts  = [for n in find("*/accept") : value(n) if !starts_with(value(n), "/")]
    connects = [for n in find("*/connect") : value(n) if !starts_with(value(n), "/")]
  }

  each "accept" {
    for_each = local.accepts
    locals {
      host   = first(match("^(.*):[^:]*$", each.value)...)
      number = first(match("([^:]*)$", each.value)...)
    }

    listen "service" {
      purpose  = "a service of stunnel"
      protocol = ["tcp"]
      port     = port(first(numeric(local.number), service_port(local.number, "tcp")), null)
      bind     = [text(local.host == "*" ? null : nonempty(local.host), "0.0.0.0")]
      zero     = "chosen"
      exposure = "public"
    }
  }

  each "connect" {
    for_each = local.connects
    locals {
      host   = first(match("^(.*):[^:]*$", each.value)...)
      number = first(match("([^:]*)$", each.value)...)
    }

    connect "target" {
      purpose  = "the other end of a service"
      protocol = ["tcp"]
      peer     = text(nonempty(local.host), "localhost")
      port     = port(first(numeric(local.number), service_port(local.number, "tcp")), null)
    }
  }

  test "nothing that listens" {
    input  = "; accept = 7001\n[mail]\nclient = yes\naccept = /run/mail.sock\nconnect = /run/acme.sock\n"
    expect = []
  }

  test "everything" {
    input = <<-EOT
      cert = /etc/stunnel/acme.pem
      [sip]
      accept = 5071
      accept = 192.0.2.7:5072
      connect = 5070
      [ldap]
      client = yes
        Accept=127.0.0.1:7389
      connect = ldap.acme.example:7636
      connect = 2001:db8::7:7637
      [http]
      accept = :::8444
      # accept = 8445
      exec = /usr/bin/acme
      [local]
      accept = /run/acme.sock
      connect = ::1:8081
    EOT
    expect = [
      "service tcp 0.0.0.0 5071 config L3",
      "service tcp 192.0.2.7 5072 config L4",
      "target tcp -> localhost 5070 config L5",
      "service tcp 127.0.0.1 7389 config L8",
      "target tcp -> ldap.acme.example 7636 config L9",
      "target tcp -> 2001:db8::7 7637 config L10",
      "service tcp :: 8444 config L12",
      "target tcp -> ::1 8081 config L17",
    ]
  }

  test "a port that the system chooses" {
    input  = "[a]\naccept = *:0\nconnect = 7002\n"
    expect = ["target tcp -> localhost 7002 config L3"]
  }
}
