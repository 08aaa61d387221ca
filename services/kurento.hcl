# Kurento Media Server. Its JSON has comments as keys that begin with "//" and repeat; old
# releases had the same settings in an INI file, and a built-in port where newer ones stay
# closed. The range of RTP is in another file, whose defaults are not documented.

service "kurento" {
  title     = "Kurento Media Server"
  platforms = ["linux"]
  cites     = ["https://github.com/Kurento/kurento-media-server/blob/0f004533256ce5fa6481f124db16c243b75084fa/kurento.conf.json"]

  file "conf" {
    format = "json"
    accept = has("mediaServer")
    paths = {
      linux = ["/etc/kurento/kurento.conf.json"]
    }
  }

  file "old" {
    format = "boost-ini"
    accept = has("mediaServer.*")
    paths = {
      linux = ["/etc/kurento/kurento.conf.ini", "/etc/kurento/kurento.conf"]
    }
  }

  # Left alone unless it says a range: it is there on every host.
  file "rtp" {
    format = "boost-ini"
    paths = {
      linux = ["/etc/kurento/modules/kurento/BaseRtpEndpoint.conf.ini"]
    }
  }

  default "old_port" {
    setting = "mediaServer.net.websocket/port"
    case {
      value = 8888
      cites = ["https://github.com/Kurento/kurento-media-server/blob/04ec616ff273f348efb245f84779ca32a96c8ae8/server/transport/websocket/WebSocketTransport.cpp"]
    }
  }

  locals {
    old  = file("old")
    net  = "mediaServer/net/websocket"
    ini  = "mediaServer.net.websocket"
    port = value("${local.net}/port")

    # Without an address it is IPv6, which takes IPv4 as well, unless that is switched off.
    address = nonempty(first(value("${local.net}/address"), value(local.old, "${local.ini}/address")))
    bind    = [local.address != null ? local.address : truthy(value("${local.net}/ipv6"), true) ? "*" : "0.0.0.0"]

    secure      = first(value("${local.net}/secure/port"), value(local.old, "${local.ini}.secure/port"))
    certificate = first(value("${local.net}/secure/certificate"), value(local.old, "${local.ini}.secure/certificate"))
    rtp         = file("rtp")
  }

  listen "websocket" {
    purpose  = "control over WebSocket"
    for_each = local.old == null || has("mediaServer") ? ["json"] : []
    when     = local.port != null
    protocol = ["tcp"]
    port     = port(local.port, 0)
    bind     = local.bind
    exposure = "internal"
  }

  listen "websocket-old" {
    purpose  = "control over WebSocket"
    for_each = local.old == null || has("mediaServer") ? [] : ["ini"]
    protocol = ["tcp"]
    port     = port(value(local.old, "${local.ini}/port"), default.old_port)
    bind     = local.bind
    exposure = "internal"
  }

  # Without a certificate it is not started.
  listen "websocket-tls" {
    purpose  = "control over WebSocket and TLS"
    when     = local.secure != null && local.certificate != null
    protocol = ["tcp"]
    port     = port(local.secure, 0)
    bind     = local.bind
    exposure = "internal"
  }

  listen "rtp" {
    purpose  = "media (RTP and RTCP)"
    for_each = value(local.rtp, "minPort") != null || value(local.rtp, "maxPort") != null ? ["rtp"] : []
    protocol = ["udp"]
    first    = port(value(local.rtp, "minPort"), null)
    last     = port(value(local.rtp, "maxPort"), null)
    exposure = "public"
  }

  connect "registrar" {
    purpose  = "registrar"
    for_each = [for a in concat(values("${local.net}/registrar/address"), values(local.old, "${local.ini}.registrar/address")) : hostport(a) if hostport(a).port != null]
    protocol = ["tcp"]
    peer     = each.value.host
    port     = port(each.value.port, null)
  }

  test "comments are keys" {
    input  = <<-EOT
      {
        "mediaServer": {
          "net": {
            "websocket": {
              "//": "the port",
              "//": "0 is off",
              "port": 8889,
              "//address": "127.0.0.1",
              "ipv6": false,
              "secure": { "//port": 8433, "certificate": "x.pem" },
              "//registrar": { "address": "ws://localhost:9090" }
            }
          }
        }
      }
    EOT
    expect = ["websocket tcp 0.0.0.0 8889 config L7"]
  }

  test "everything written" {
    input  = <<-EOT
      { "mediaServer": { "net": { "websocket": {
        "address": "10.0.0.5",
        "port": 0,
        "secure": {
          "port": 8434,
          "certificate": "x.pem"
        },
        "registrar": { "address": "ws://10.0.0.9:9091" }
      } } } }
    EOT
    expect = ["websocket-tls tcp 10.0.0.5 8434 config L5", "registrar tcp -> 10.0.0.9 9091 config L8"]
  }

  test "TLS without a certificate, and no port" {
    input  = <<-EOT
      { "mediaServer": { "net": { "websocket": { "secure": { "port": 8434 } } } } }
    EOT
    expect = []
  }

  test "the old form" {
    role   = "old"
    input  = <<-EOT
      [mediaServer.resources]
      garbageCollectorPeriod=240
      [mediaServer.net.websocket]
      ; address=0.0.0.0
      port=8890
      [mediaServer.net.websocket.secure]
      port=8434
      certificate=x.pem
    EOT
    expect = ["websocket-old tcp * 8890 config L5", "websocket-tls tcp * 8434 config L7"]
  }

  test "the old form, nothing written" {
    role   = "old"
    input  = <<-EOT
      [mediaServer.net.websocket]
      threads=10
    EOT
    expect = ["websocket-old tcp * 8888 default"]
  }

  test "a range for RTP" {
    role   = "rtp"
    input  = <<-EOT
      ; comments
      minPort=40000
      maxPort=40999
    EOT
    expect = ["rtp udp * 40000-40999 config L2"]
  }
}
