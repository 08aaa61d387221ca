# Wazo's configuration daemon. Files of conf.d win over this one, in the order of their
# names.

service "wazo-confd" {
  title     = "wazo-confd"
  platforms = ["linux"]
  cites     = ["https://github.com/wazo-platform/wazo-confd/blob/4086b2e454d14d235a517ea6b6876762efb82452/etc/wazo-confd/config.yml"]

  file "conf" {
    format      = "yaml"
    common_name = true
    accept      = has("rest_api") && (has("provd") || has("sysconfd") || has("ari"))
    layers      = ["conf.d/*.yml"]
    paths = {
      linux = ["/etc/wazo-confd/config.yml"]
    }
  }

  default "port" {
    setting = "rest_api/port"
    case {
      value = 9486
      cites = ["https://github.com/wazo-platform/wazo-confd/blob/4086b2e454d14d235a517ea6b6876762efb82452/etc/wazo-confd/config.yml#L21"]
    }
  }

  default "bind" {
    setting = "rest_api/listen"
    case {
      value = "127.0.0.1"
      cites = ["https://github.com/wazo-platform/wazo-confd/blob/4086b2e454d14d235a517ea6b6876762efb82452/etc/wazo-confd/config.yml#L20"]
    }
  }

  listen "api" {
    purpose  = "REST API"
    protocol = ["tcp"]
    port     = port(value("rest_api/port"), default.port)
    bind     = [text(value("rest_api/listen"), default.bind)]
    zero     = "unknown"
    exposure = "internal"
  }

  connect "auth" {
    purpose  = "wazo-auth"
    for_each = values("auth/port")
    protocol = ["tcp"]
    peer     = text(value("auth/host"), "localhost")
    port     = port(each.value, null)
  }

  connect "ari" {
    purpose  = "Asterisk (ARI)"
    for_each = values("ari/port")
    protocol = ["tcp"]
    peer     = text(value("ari/host"), "localhost")
    port     = port(each.value, null)
    to       = ["asterisk-http.http", "asterisk-http.https"]
  }

  connect "bus" {
    purpose  = "RabbitMQ"
    for_each = values("bus/port")
    protocol = ["tcp"]
    peer     = text(value("bus/host"), "localhost")
    port     = port(each.value, null)
    to       = ["rabbitmq.amqp", "rabbitmq.amqp-default", "rabbitmq.amqps"]
  }

  connect "provd" {
    purpose  = "wazo-provd"
    for_each = values("provd/port")
    protocol = ["tcp"]
    peer     = text(value("provd/host"), "localhost")
    port     = port(each.value, null)
  }

  connect "sysconfd" {
    purpose  = "wazo-sysconfd"
    for_each = values("sysconfd/port")
    protocol = ["tcp"]
    peer     = text(value("sysconfd/host"), "localhost")
    port     = port(each.value, null)
  }

  test "ports of others are not its own" {
    input  = <<-EOT
      rest_api:
        listen: 127.0.0.1
        port: 9487
      auth:
        host: localhost
        port: 8080
      provd:
        port: 8667
    EOT
    expect = ["api tcp 127.0.0.1 9487 config L3", "auth tcp -> localhost 8080 config L6", "provd tcp -> localhost 8667 config L8"]
  }

  test "as shipped" {
    input  = <<-EOT
      rest_api:
        min_threads: 5
      ari:
        host: localhost
        port: 5039
    EOT
    expect = ["api tcp 127.0.0.1 9486 default", "ari tcp -> localhost 5039 config L5"]
  }
}
