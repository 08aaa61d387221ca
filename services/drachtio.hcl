# drachtio server. Its command line and its DRACHTIO_ environment variables say the same
# things as the file and win: usage() and getEnv() of src/controller.cpp.

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

  file "unit" {
    format = "systemd"
    accept = has("Service/ExecStart")
    units  = ["drachtio*.service"]
  }

  file "container" {
    format = "compose"
    images = ["drachtio-server"]
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
    argv    = command(file("unit"), file("container"))
    env     = first(find(file("container"), "environment")...)
    # A unit that names another file does not say what that has.
    whole    = has("drachtio") || file("container") != null || has_flag(local.argv, "--noconfig") || !has_flag(local.argv, "-f", "--file")
    asked    = flags(local.argv, "--contact", "-c")
    contacts = length(local.asked) > 0 ? local.asked : length(local.written) > 0 ? local.written : local.whole ? [default.contact] : []

    # Without a file the server takes all it is not told from its defaults.
    started    = has("drachtio/admin") || file("unit") != null || file("container") != null
    admin      = first(flag(local.argv, "--address"), value(local.env, "DRACHTIO_ADMIN_ADDRESS"), nonempty(value("drachtio/admin")))
    admin_port = first(flag(local.argv, "--port", "-p"), value(local.env, "DRACHTIO_ADMIN_TCP_PORT"), nonempty(value("drachtio/admin/@port")))
    admin_tls  = first(flag(local.argv, "--tls-port"), value(local.env, "DRACHTIO_ADMIN_TLS_PORT"), nonempty(value("drachtio/admin/@tls-port")))
    scraped    = hostport(first(flag(local.argv, "--prometheus-scrape-port"), value(local.env, "DRACHTIO_PROMETHEUS_SCRAPE_PORT")))
    homer      = flag(local.argv, "--homer")
    prometheus = first(local.scraped.port, nonempty(value("drachtio/monitoring/prometheus/@port")))
  }

  # The programs that drive the server connect to it over TCP.
  listen "admin" {
    purpose  = "control by applications"
    when     = local.started
    protocol = ["tcp"]
    port     = port(local.admin_port, default.admin_port)
    bind     = [first(local.admin, "*")]
    exposure = "internal"
  }

  listen "admin-tls" {
    purpose  = "control by applications (TLS)"
    when     = local.admin_tls != null
    protocol = ["tcp"]
    port     = port(local.admin_tls, 0)
    bind     = [first(local.admin, "*")]
    exposure = "internal"
  }

  listen "prometheus" {
    purpose  = "metrics"
    when     = local.prometheus != null
    protocol = ["tcp"]
    port     = port(local.prometheus, 0)
    bind     = [first(local.scraped.host, nonempty(value("drachtio/monitoring/prometheus")), "*")]
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
      "prometheus tcp 192.0.2.1 8090 config L3",
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

  test "a container" {
    role  = "container"
    input = <<-EOT
      services:
        sip:
          image: drachtio/drachtio-server:0.8
          network_mode: host
          command: drachtio --contact "sip:10.0.0.5:5072;transport=udp,tcp" --loglevel info --port 9032
          environment:
            DRACHTIO_ADMIN_ADDRESS: 127.0.0.1
            DRACHTIO_ADMIN_TCP_PORT: 9033
            DRACHTIO_PROMETHEUS_SCRAPE_PORT: 0.0.0.0:8099
    EOT
    expect = [
      "sip udp 10.0.0.5 5072 config L5",
      "sip tcp 10.0.0.5 5072 config L5",
      "admin tcp 127.0.0.1 9032 config L5",
      "prometheus tcp 0.0.0.0 8099 config L9",
    ]
  }

  test "the command line and the file" {
    files = {
      conf = "<drachtio><admin port='9022'>127.0.0.1</admin><sip><contact>sip:*</contact></sip></drachtio>\n"
      unit = "[Service]\nExecStart=/usr/local/bin/drachtio --contact sip:10.0.0.6;transport=tcp --tls-port 9024\n"
    }
    expect = [
      "sip tcp 10.0.0.6 5060 default L2",
      "admin tcp 127.0.0.1 9022 config L1",
      "admin-tls tcp 127.0.0.1 9024 config L2",
    ]
  }
}
