# Asterisk's IAX2 channel. bindport counts for the addresses that stand below it, and a
# port of an address wins over it. Where several bindport are written, the last is taken.
# UDPTL, whose range has 4569 by default, takes another port where one is in use.

service "asterisk-iax2" {
  title     = "Asterisk IAX2"
  platforms = ["linux"]
  cites     = ["https://github.com/asterisk/asterisk/blob/f0c1c1a7b79b0f8cc0311649bf36824cbeee30a9/configs/samples/iax.conf.sample", "https://www.rfc-editor.org/rfc/rfc5456"]

  file "conf" {
    format = "asterisk"
    accept = section("general") || !has("*") # a file of nothing but includes is one too
    paths = {
      linux = ["/etc/asterisk/iax.conf"]
    }
  }

  default "port" {
    setting = "bindport"
    case {
      value = 4569
      cites = ["https://github.com/asterisk/asterisk/blob/f0c1c1a7b79b0f8cc0311649bf36824cbeee30a9/configs/samples/iax.conf.sample#L22", "https://www.rfc-editor.org/rfc/rfc5456"]
    }
  }

  locals {
    lines     = [for n in find("general/bind*") : { name = lower(name(n)), text = value(n, "") }]
    addresses = [for i, a in local.lines : { address = hostport(a.text), bare = hostport(a.text).port == null, below = length([for j, p in local.lines : p if j < i && p.name == "bindport"]) > 0 } if a.name == "bindaddr"]
  }

  listen "iax" {
    purpose  = "IAX2"
    for_each = length(local.addresses) == 0 ? ["every address"] : []
    protocol = ["udp"]
    port     = port(setting("general", "bindport"), default.port)
    bind     = ["0.0.0.0"]
    exposure = "public"
    zero     = "unknown"
    share    = "asterisk/udp"
    assigned = ["4569"]
  }

  listen "iax-address" {
    purpose  = "IAX2 on one address"
    for_each = [for a in local.addresses : a if !(a.bare && a.below)]
    protocol = ["udp"]
    port     = port(each.value.address.port, default.port)
    bind     = [each.value.address.host]
    exposure = "public"
    zero     = "unknown"
    share    = "asterisk/udp"
    assigned = ["4569"]
  }

  listen "iax-bindport" {
    purpose  = "IAX2 on one address"
    for_each = [for a in local.addresses : a if a.bare && a.below]
    protocol = ["udp"]
    port     = port(setting("general", "bindport"), default.port)
    bind     = [each.value.address.host]
    exposure = "public"
    zero     = "unknown"
    share    = "asterisk/udp"
    assigned = ["4569"]
  }

  lint "bindport-too-late" {
    when     = length([for a in local.addresses : a if a.bare && !a.below]) > 0 && has("general/bindport")
    severity = "warning"
    message  = "bindport stands below a bindaddr, which therefore does not use it"
    help     = "move bindport above the first bindaddr"
  }

  test "nothing set" {
    input  = <<-EOT
      [general]
      ;bindport=4570
      [guest]
      port=4000
    EOT
    expect = ["iax udp 0.0.0.0 4569 default"]
  }

  test "the order counts" {
    input = <<-EOT
      [general]
      bindaddr=192.0.2.1
      bindport=4600
      bindaddr=192.0.2.2
      bindaddr=[2001:db8::1]:4700
    EOT
    expect = [
      "iax-address udp 192.0.2.1 4569 default L2",
      "iax-bindport udp 192.0.2.2 4600 config L3",
      "iax-address udp 2001:db8::1 4700 config L5",
    ]
  }

  test "a port alone" {
    input  = <<-EOT
      [general]
      bindport = 4570
    EOT
    expect = ["iax udp 0.0.0.0 4570 config L2"]
  }
}
