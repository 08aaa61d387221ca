# CUPS, the print server.

service "cups" {
  title     = "CUPS"
  platforms = ["linux", "freebsd", "macos"]
  cites     = ["https://openprinting.github.io/cups/doc/man-cupsd.conf.html"]

  file "conf" {
    format = "apache"
    paths = {
      linux = ["/etc/cups/cupsd.conf"]
    }
  }

  default "port" {
    setting = "the port of Listen"
    case {
      value = 631
      cites = ["https://openprinting.github.io/cups/doc/man-cupsd.conf.html", "https://www.rfc-editor.org/rfc/rfc8010#section-4"]
    }
  }

  listen "ipp-port" {
    purpose  = "IPP"
    for_each = concat(values("Port"), values("SSLPort"))
    protocol = ["tcp"]
    port     = port(each.value, null)
    zero     = "unknown"
    exposure = "internal"
    assigned = ["631"]
  }

  # A Unix socket is a path.
  listen "ipp" {
    purpose  = "IPP"
    for_each = [for l in concat(values("Listen"), values("SSLListen")) : hostport(l) if !starts_with(l, "/")]
    protocol = ["tcp"]
    port     = port(each.value.port, default.port)
    bind     = [first(each.value.host, "*")]
    zero     = "unknown"
    exposure = "internal"
    assigned = ["631"]
  }

  test "as shipped" {
    input  = <<-EOT
      Listen localhost:631
      Listen /run/cups/cups.sock
      <Location />
        Order allow,deny
      </Location>
    EOT
    expect = ["ipp tcp localhost 631 config L1"]
  }

  test "for the network" {
    input = <<-EOT
      Port 1631
      Listen [::1]:632
      Listen *:633
    EOT
    expect = [
      "ipp-port tcp * 1631 config L1",
      "ipp tcp ::1 632 config L2",
      "ipp tcp * 633 config L3",
    ]
  }

  test "a template" {
    input  = <<-EOT
      Listen localhost:@PRINT_PORT@
    EOT
    expect = []
  }
}
