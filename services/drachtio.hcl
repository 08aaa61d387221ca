# drachtio server. Its command line says the same things as its file and wins: one contact
# there replaces all of the file. Its DRACHTIO_ environment variables are not read.

service "drachtio" {
  title     = "drachtio server"
  platforms = ["linux"]
  cites     = ["https://github.com/drachtio/drachtio-server/blob/9c2dd4cb6ae7c86fc494f028d35ea3381e311e38/drachtio.conf.xml"]

  file "conf" {
    format = "xml"
    accept = has("drachtio/admin") || has("drachtio/sip")
    paths = {
      linux = [
        "/etc/drachtio.conf.xml",
        "/etc/drachtio/drachtio.conf.xml",
        "/etc/drachtio/drachtio.conf[0-9].xml",
        "/etc/drachtio/docker.drachtio.conf.xml",
        "/usr/local/etc/drachtio.conf.xml",
      ]
    }
  }

  # The options: https://github.com/drachtio/drachtio-server/blob/90f9859ccb2166d977cfe2dc328b9d574dcc796b/src/controller.cpp
  file "unit" {
    format = "systemd"
    units  = ["drachtio*.service"]
    accept = has("Service/ExecStart")
  }

  default "admin_port" {
    setting = "port"
    case {
      value = 9022
      cites = ["https://github.com/drachtio/drachtio-server/blob/9c2dd4cb6ae7c86fc494f028d35ea3381e311e38/src/drachtio-config.cpp"]
    }
  }

  default "contact" {
    setting = "contact"
    case {
      value = "sip:*"
      cites = ["https://github.com/drachtio/drachtio-server/blob/9c2dd4cb6ae7c86fc494f028d35ea3381e311e38/src/controller.cpp#L1144"]
    }
  }

  default "transport" {
    setting = "transport"
    case {
      value = "udp,tcp"
      cites = ["https://github.com/drachtio/drachtio-server/blob/9c2dd4cb6ae7c86fc494f028d35ea3381e311e38/src/controller.cpp#L1144"]
    }
  }

  default "sip_port" {
    setting = "contact"
    case {
      value = 5060
      cites = ["https://www.rfc-editor.org/rfc/rfc3261#section-19.1.2"]
    }
  }

  default "sips_port" {
    setting = "contact"
    case {
      value = 5061
      cites = ["https://www.rfc-editor.org/rfc/rfc3261#section-19.1.2"]
    }
  }

  default "capture_port" {
    setting = "port"
    case {
      value = 9060
      cites = ["https://github.com/drachtio/drachtio-server/blob/9c2dd4cb6ae7c86fc494f028d35ea3381e311e38/src/drachtio-config.cpp"]
    }
  }

  locals {
    # The older form, one contact without a list around it, hides the list.
    written = length(values("drachtio/sip/contact")) > 0 ? values("drachtio/sip/contact") : values("drachtio/sip/contacts/contact")
    argv    = words(value(file("unit"), "Service/ExecStart"), "systemd")
    said    = flags(local.argv, "--contact", "-c")
    # A unit alone does not say what its configuration has.
    whole    = has("drachtio") || has_flag(local.argv, "--noconfig")
    contacts = length(local.said) > 0 ? local.said : length(local.written) > 0 ? local.written : local.whole ? [default.contact] : []

    admin_port = first(flag(local.argv, "--port", "-p"), nonempty(value("drachtio/admin/@port")))
    admin_tls  = first(flag(local.argv, "--tls-port"), nonempty(value("drachtio/admin/@tls-port")))
    admin      = [first(flag(local.argv, "--address"), nonempty(value("drachtio/admin")), "*")]
    scraped    = flag(local.argv, "--prometheus-scrape-port")
    homer      = flag(local.argv, "--homer")
  }

  # The programs that drive the server connect to it over TCP.
  listen "admin" {
    purpose  = "control by applications"
    when     = has("drachtio/admin") || local.admin_port != null
    protocol = ["tcp"]
    port     = port(local.admin_port, default.admin_port)
    bind     = local.admin
    exposure = "internal"
  }

  listen "admin-tls" {
    purpose  = "control by applications (TLS)"
    when     = local.admin_tls != null
    protocol = ["tcp"]
    port     = port(local.admin_tls, 0)
    bind     = local.admin
    exposure = "internal"
  }

  listen "prometheus" {
    purpose  = "metrics"
    when     = local.scraped == null && nonempty(value("drachtio/monitoring/prometheus/@port")) != null
    protocol = ["tcp"]
    port     = port(value("drachtio/monitoring/prometheus/@port"), 0)
    bind     = [first(nonempty(value("drachtio/monitoring/prometheus")), "*")]
    exposure = "admin"
  }

  # A port or an address and a port on the command line.
  listen "prometheus-scrape" {
    purpose  = "metrics"
    for_each = local.scraped == null ? [] : [hostport(local.scraped)]
    protocol = ["tcp"]
    port     = port(each.value.port, null)
    bind     = [first(each.value.host, "*")]
    exposure = "admin"
  }

  each "contact" {
    for_each = local.contacts

    locals {
      # sip:host:port;transport=a,b and the same with sips:, which is TLS
      parts      = items(each.value, ";")
      uri        = first(local.parts...)
      address    = hostport(trim_prefix(trim_prefix(local.uri, "sips:"), "sip:"))
      secure     = starts_with(local.uri, "sips:")
      named      = first([for p in local.parts : trim_prefix(p, "transport=") if starts_with(p, "transport=")]...)
      transports = [for t in items(first(local.named, local.secure ? "tls" : default.transport), ",") : lower(t)]
      tls        = local.secure || contains(local.transports, "tls") || contains(local.transports, "wss")
    }

    listen "sip" {
      purpose  = "SIP"
      for_each = [for a in [local.address] : a if !local.tls]
      protocol = distinct([for t in local.transports : t == "udp" ? "udp" : "tcp"])
      port     = port(each.value.port, default.sip_port)
      bind     = [first(each.value.host, "*")]
      share    = "sip"
      zero     = "unknown"
      exposure = "public"
      assigned = ["5060"]
    }

    listen "sips" {
      purpose  = "SIP over TLS"
      for_each = [for a in [local.address] : a if local.tls]
      protocol = distinct([for t in local.transports : t == "udp" ? "udp" : "tcp"])
      port     = port(each.value.port, default.sips_port)
      bind     = [first(each.value.host, "*")]
      share    = "sip"
      zero     = "unknown"
      exposure = "public"
      assigned = ["5061"]
    }
  }

  connect "homer" {
    purpose  = "HEP capture server"
    for_each = local.homer == null ? [] : [hostport(local.homer)]
    protocol = ["udp"]
    peer     = each.value.host
    port     = port(each.value.port, default.capture_port)
  }

  connect "capture" {
    purpose  = "HEP capture server"
    when     = local.homer == null && nonempty(value("drachtio/sip/capture-server")) != null
    protocol = ["udp"]
    peer     = value("drachtio/sip/capture-server")
    port     = port(value("drachtio/sip/capture-server/@port"), default.capture_port)
  }

  connect "request-handler" {
    purpose  = "web application that handles requests"
    for_each = [for u in values("drachtio/request-handlers/request-handler") : u if nonempty(u) != null]
    protocol = ["tcp"]
    peer     = hostport(each.value).host
    port     = port(hostport(each.value).port, starts_with(each.value, "https:") ? 443 : 80)
  }

  test "the command line wins" {
    files = {
      conf = <<-EOT
        <drachtio>
          <admin port="9023" tls-port="9024">192.0.2.1</admin>
          <sip><contacts><contact>sip:*:5090;transport=udp</contact></contacts></sip>
          <monitoring><prometheus port="8088">192.0.2.1</prometheus></monitoring>
        </drachtio>
      EOT
      unit = <<-EOT
        [Service]
        ExecStart=/usr/local/bin/drachtio --port 9025 --contact sip:192.0.2.1:5070;transport=udp,tcp --external-ip 198.51.100.1 \
          -c "sips:192.0.2.1:5071;transport=tls" --prometheus-scrape-port 192.0.2.1:8090 --homer 192.0.2.9:9061
      EOT
    }
    expect = [
      "admin tcp 192.0.2.1 9025 config L2",
      "admin-tls tcp 192.0.2.1 9024 config L2",
      "sip udp 192.0.2.1 5070 config L2",
      "sip tcp 192.0.2.1 5070 config L2",
      "sips tcp 192.0.2.1 5071 config L3",
      "prometheus-scrape tcp 192.0.2.1 8090 config L3",
      "homer udp -> 192.0.2.9 9061 config L3",
    ]
  }

  test "a unit alone" {
    role   = "unit"
    input  = <<-EOT
      [Service]
      ExecStart=/usr/local/bin/drachtio --port=9025 -f /etc/drachtio.conf.xml
    EOT
    expect = ["admin tcp * 9025 config L2"]
  }

  test "no configuration at all" {
    role   = "unit"
    input  = <<-EOT
      [Service]
      ExecStart=/usr/local/bin/drachtio --noconfig --address 192.0.2.1 --port 9022
    EOT
    expect = ["admin tcp 192.0.2.1 9022 config L2", "sip udp * 5060 default", "sip tcp * 5060 default"]
  }

  test "one contact, one transport" {
    input = <<-EOT
      <drachtio>
        <admin port="9023" tls-port="9024" secret="x">10.0.0.5</admin>
        <request-handlers><request-handler sip-method="INVITE">http://10.0.0.9:3000/a</request-handler></request-handlers>
        <sip>
          <contacts>
            <contact>sip:10.0.0.5:5070;transport=tcp</contact>
            <!-- <contact>sip:*:80;transport=ws</contact> -->
            <contact external-ip="192.0.2.1">sips:10.0.0.5</contact>
          </contacts>
        </sip>
      </drachtio>
    EOT
    expect = [
      "admin tcp 10.0.0.5 9023 config L2",
      "admin-tls tcp 10.0.0.5 9024 config L2",
      "request-handler tcp -> 10.0.0.9 3000 config L3",
      "sip tcp 10.0.0.5 5070 config L6",
      "sips tcp 10.0.0.5 5061 default L8",
    ]
  }

  test "no contact at all" {
    input = <<-EOT
      <drachtio>
        <admin secret="x">127.0.0.1</admin>
        <sip><contacts></contacts></sip>
        <monitoring><prometheus port="8089">127.0.0.1</prometheus></monitoring>
      </drachtio>
    EOT
    expect = [
      "admin tcp 127.0.0.1 9022 default",
      "prometheus tcp 127.0.0.1 8089 config L4",
      "sip udp * 5060 default",
      "sip tcp * 5060 default",
    ]
  }

  test "the older form" {
    input = <<-EOT
      <drachtio>
        <admin port="9022">127.0.0.1</admin>
        <sip>
          <contact>sip:*;transport=udp,tcp</contact>
          <contacts><contact>sip:*:5090</contact></contacts>
        </sip>
      </drachtio>
    EOT
    expect = [
      "admin tcp 127.0.0.1 9022 config L2",
      "sip udp * 5060 default L4",
      "sip tcp * 5060 default L4",
    ]
  }
}
