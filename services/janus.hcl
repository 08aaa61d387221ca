# Janus. The core, each transport and each plugin have a file of their own; one that is not
# there opens nothing here.

service "janus" {
  title     = "Janus WebRTC server"
  platforms = ["linux"]
  runs      = ["janus.service"]
  cites     = ["https://github.com/meetecho/janus-gateway/tree/94408ffccbc1a7c39dac82d55e5dd475c807e770/conf"]

  file "core" {
    format = "libconfig"
    paths = {
      linux = ["/etc/janus/janus.jcfg", "/opt/janus/etc/janus/janus.jcfg", "/usr/local/etc/janus/janus.jcfg"]
    }
  }

  file "http" {
    format = "libconfig"
    paths = {
      linux = ["/etc/janus/janus.transport.http.jcfg", "/opt/janus/etc/janus/janus.transport.http.jcfg", "/usr/local/etc/janus/janus.transport.http.jcfg"]
    }
  }

  file "websockets" {
    format = "libconfig"
    paths = {
      linux = ["/etc/janus/janus.transport.websockets.jcfg", "/opt/janus/etc/janus/janus.transport.websockets.jcfg", "/usr/local/etc/janus/janus.transport.websockets.jcfg"]
    }
  }

  file "sip" {
    format = "libconfig"
    paths = {
      linux = ["/etc/janus/janus.plugin.sip.jcfg", "/opt/janus/etc/janus/janus.plugin.sip.jcfg", "/usr/local/etc/janus/janus.plugin.sip.jcfg"]
    }
  }

  file "nosip" {
    format = "libconfig"
    paths = {
      linux = ["/etc/janus/janus.plugin.nosip.jcfg", "/opt/janus/etc/janus/janus.plugin.nosip.jcfg", "/usr/local/etc/janus/janus.plugin.nosip.jcfg"]
    }
  }

  file "audiobridge" {
    format = "libconfig"
    paths = {
      linux = ["/etc/janus/janus.plugin.audiobridge.jcfg", "/opt/janus/etc/janus/janus.plugin.audiobridge.jcfg", "/usr/local/etc/janus/janus.plugin.audiobridge.jcfg"]
    }
  }

  file "streaming" {
    format = "libconfig"
    paths = {
      linux = ["/etc/janus/janus.plugin.streaming.jcfg", "/opt/janus/etc/janus/janus.plugin.streaming.jcfg", "/usr/local/etc/janus/janus.plugin.streaming.jcfg"]
    }
  }

  file "rabbitmq" {
    format = "libconfig"
    paths = {
      linux = ["/etc/janus/janus.transport.rabbitmq.jcfg", "/opt/janus/etc/janus/janus.transport.rabbitmq.jcfg", "/usr/local/etc/janus/janus.transport.rabbitmq.jcfg"]
    }
  }

  file "mqtt" {
    format = "libconfig"
    paths = {
      linux = ["/etc/janus/janus.transport.mqtt.jcfg", "/opt/janus/etc/janus/janus.transport.mqtt.jcfg", "/usr/local/etc/janus/janus.transport.mqtt.jcfg"]
    }
  }

  default "port" {
    setting = "port"
    case {
      value = 8088
      cites = ["https://github.com/meetecho/janus-gateway/blob/94408ffccbc1a7c39dac82d55e5dd475c807e770/conf/janus.transport.http.jcfg.sample#L15"]
    }
  }

  default "secure_port" {
    setting = "secure_port"
    case {
      value = 8089
      cites = ["https://github.com/meetecho/janus-gateway/blob/94408ffccbc1a7c39dac82d55e5dd475c807e770/conf/janus.transport.http.jcfg.sample#L19"]
    }
  }

  default "admin_port" {
    setting = "admin_port"
    case {
      value = 7088
      cites = ["https://github.com/meetecho/janus-gateway/blob/94408ffccbc1a7c39dac82d55e5dd475c807e770/conf/janus.transport.http.jcfg.sample#L43"]
    }
  }

  default "admin_secure_port" {
    setting = "admin_secure_port"
    case {
      value = 7889
      cites = ["https://github.com/meetecho/janus-gateway/blob/94408ffccbc1a7c39dac82d55e5dd475c807e770/conf/janus.transport.http.jcfg.sample#L47"]
    }
  }

  default "ws_port" {
    setting = "ws_port"
    case {
      value = 8188
      cites = ["https://github.com/meetecho/janus-gateway/blob/94408ffccbc1a7c39dac82d55e5dd475c807e770/conf/janus.transport.websockets.jcfg.sample#L11"]
    }
  }

  default "wss_port" {
    setting = "wss_port"
    case {
      value = 8989
      cites = ["https://github.com/meetecho/janus-gateway/blob/94408ffccbc1a7c39dac82d55e5dd475c807e770/conf/janus.transport.websockets.jcfg.sample#L16"]
    }
  }

  default "admin_ws_port" {
    setting = "admin_ws_port"
    case {
      value = 7188
      cites = ["https://github.com/meetecho/janus-gateway/blob/94408ffccbc1a7c39dac82d55e5dd475c807e770/conf/janus.transport.websockets.jcfg.sample#L34"]
    }
  }

  default "admin_wss_port" {
    setting = "admin_wss_port"
    case {
      value = 7989
      cites = ["https://github.com/meetecho/janus-gateway/blob/94408ffccbc1a7c39dac82d55e5dd475c807e770/conf/janus.transport.websockets.jcfg.sample#L39"]
    }
  }

  default "rtp_first" {
    setting = "rtp_port_range"
    case {
      value = 10000
      cites = ["https://github.com/meetecho/janus-gateway/blob/94408ffccbc1a7c39dac82d55e5dd475c807e770/conf/janus.plugin.sip.jcfg.sample#L30"]
    }
  }

  default "rtp_last" {
    setting = "rtp_port_range"
    case {
      value = 60000
      cites = ["https://github.com/meetecho/janus-gateway/blob/94408ffccbc1a7c39dac82d55e5dd475c807e770/conf/janus.plugin.sip.jcfg.sample#L30"]
    }
  }

  default "rabbitmq_port" {
    setting = "port"
    case {
      value = 5672
      cites = ["https://github.com/meetecho/janus-gateway/blob/94408ffccbc1a7c39dac82d55e5dd475c807e770/src/transports/janus_rabbitmq.c"]
    }
  }

  default "mqtt_port" {
    setting = "url"
    case {
      value = 1883
      cites = ["https://github.com/meetecho/janus-gateway/blob/94408ffccbc1a7c39dac82d55e5dd475c807e770/conf/janus.transport.mqtt.jcfg.sample#L8"]
    }
  }

  locals {
    http = file("http")
    ws   = file("websockets")
    # A web server with TLS needs both, one for WebSockets takes the key from the certificate:
    # janus_http.c, line 854, and janus_websockets.c, line 457, of that commit.
    https  = value(local.http, "certificates/cert_pem") != null && value(local.http, "certificates/cert_key") != null
    wss    = value(local.ws, "certificates/cert_pem") != null
    stream = file("streaming")
    media  = range(value("media/rtp_port_range"))
  }

  # Without a range the ports are those that the system hands out.
  listen "media" {
    purpose   = "ICE, RTP and RTCP of WebRTC"
    when      = has("media/rtp_port_range")
    protocol  = ["udp"]
    first     = port(local.media.first, null)
    last      = port(local.media.last, null)
    share     = "rtp"
    advertise = items(value("nat/nat_1_1_mapping"), ", ")
    exposure  = "public"
  }

  listen "http" {
    purpose  = "HTTP API"
    when     = truthy(value(local.http, "general/http"), false)
    protocol = ["tcp"]
    port     = port(value(local.http, "general/port"), default.port)
    bind     = [first(nonempty(value(local.http, "general/ip")), nonempty(value(local.http, "general/interface")), "*")]
    exposure = "public"
  }

  listen "https" {
    purpose  = "HTTPS API"
    when     = truthy(value(local.http, "general/https"), false) && local.https
    protocol = ["tcp"]
    port     = port(value(local.http, "general/secure_port"), default.secure_port)
    bind     = [first(nonempty(value(local.http, "general/secure_ip")), nonempty(value(local.http, "general/secure_interface")), "*")]
    exposure = "public"
  }

  listen "admin-http" {
    purpose   = "admin API over HTTP"
    when      = truthy(value(local.http, "admin/admin_http"), false)
    protocol  = ["tcp"]
    port      = port(value(local.http, "admin/admin_port"), default.admin_port)
    bind      = [first(nonempty(value(local.http, "admin/admin_ip")), nonempty(value(local.http, "admin/admin_interface")), "*")]
    unguarded = "the secret of the administrators crosses the network in clear"
    exposure  = "admin"
  }

  listen "admin-https" {
    purpose  = "admin API over HTTPS"
    when     = truthy(value(local.http, "admin/admin_https"), false) && local.https
    protocol = ["tcp"]
    port     = port(value(local.http, "admin/admin_secure_port"), default.admin_secure_port)
    bind     = [first(nonempty(value(local.http, "admin/admin_secure_ip")), nonempty(value(local.http, "admin/admin_secure_interface")), "*")]
    exposure = "admin"
  }

  listen "ws" {
    purpose  = "WebSocket API"
    when     = truthy(value(local.ws, "general/ws"), false) && value(local.ws, "general/ws_unix") == null
    protocol = ["tcp"]
    port     = port(value(local.ws, "general/ws_port"), default.ws_port)
    bind     = [first(nonempty(value(local.ws, "general/ws_ip")), nonempty(value(local.ws, "general/ws_interface")), "*")]
    exposure = "public"
  }

  listen "wss" {
    purpose  = "WebSocket API over TLS"
    when     = truthy(value(local.ws, "general/wss"), false) && value(local.ws, "general/wss_unix") == null && local.wss
    protocol = ["tcp"]
    port     = port(value(local.ws, "general/wss_port"), default.wss_port)
    bind     = [first(nonempty(value(local.ws, "general/wss_ip")), nonempty(value(local.ws, "general/wss_interface")), "*")]
    exposure = "public"
  }

  listen "admin-ws" {
    purpose   = "admin API over WebSocket"
    when      = truthy(value(local.ws, "admin/admin_ws"), false) && value(local.ws, "admin/admin_ws_unix") == null
    protocol  = ["tcp"]
    port      = port(value(local.ws, "admin/admin_ws_port"), default.admin_ws_port)
    bind      = [first(nonempty(value(local.ws, "admin/admin_ws_ip")), nonempty(value(local.ws, "admin/admin_ws_interface")), "*")]
    unguarded = "the secret of the administrators crosses the network in clear"
    exposure  = "admin"
  }

  listen "admin-wss" {
    purpose  = "admin API over WebSocket and TLS"
    when     = truthy(value(local.ws, "admin/admin_wss"), false) && value(local.ws, "admin/admin_wss_unix") == null && local.wss
    protocol = ["tcp"]
    port     = port(value(local.ws, "admin/admin_wss_port"), default.admin_wss_port)
    bind     = [first(nonempty(value(local.ws, "admin/admin_wss_ip")), nonempty(value(local.ws, "admin/admin_wss_interface")), "*")]
    exposure = "admin"
  }

  connect "rabbitmq" {
    purpose  = "RabbitMQ"
    when     = truthy(value(file("rabbitmq"), "general/enabled"), false)
    protocol = ["tcp"]
    peer     = text(value(file("rabbitmq"), "general/host"), "localhost")
    port     = port(value(file("rabbitmq"), "general/port"), default.rabbitmq_port)
    to       = ["rabbitmq.amqp", "rabbitmq.amqp-default", "rabbitmq.amqps"]
  }

  connect "mqtt" {
    purpose  = "MQTT broker"
    when     = truthy(value(file("mqtt"), "general/enabled"), false)
    protocol = ["tcp"]
    peer     = text(hostport(value(file("mqtt"), "general/url")).host, "localhost")
    port     = port(hostport(value(file("mqtt"), "general/url")).port, default.mqtt_port)
    to       = ["mosquitto.mqtt", "mosquitto.local", "mosquitto.old", "rabbitmq.mqtt", "rabbitmq.mqtt-default"]
  }

  each "range" {
    for_each = [for role in ["sip", "nosip"] : file(role) if has(file(role), "*")]

    locals {
      range = range(value(each.value, "general/rtp_port_range"))
      one   = port(local.range.first, default.rtp_first)
      two   = port(local.range.last, default.rtp_last)
      # The plugin swaps bounds that are the wrong way round, and 0 is the highest port.
      last = local.two == 0 ? 65535 : local.two
    }

    # RTP takes an even port, and RTCP the next one, which may lie above the range.
    listen "rtp" {
      purpose   = "RTP and RTCP of SIP calls"
      protocol  = ["udp"]
      first     = even_up(min(local.one, local.last))
      last      = min(even_down(max(local.one, local.last)) + 1, 65535)
      nominal   = [min(local.one, local.last), max(local.one, local.last)]
      bind      = [first(nonempty(value(each.value, "general/local_media_ip")), nonempty(value(each.value, "general/local_ip")), "*")]
      pairs     = true
      share     = "rtp"
      advertise = values(each.value, "general/sdp_ip")
      exposure  = "public"
    }
  }

  each "audiobridge" {
    for_each = [for role in ["audiobridge"] : file(role) if has(file(role), "*")]

    locals {
      range = range(value(each.value, "general/rtp_port_range"))
    }

    listen "audiobridge" {
      purpose  = "plain RTP of the audio bridge"
      protocol = ["udp"]
      first    = port(local.range.first, default.rtp_first)
      last     = port(local.range.last, default.rtp_last)
      bind     = [first(nonempty(value(each.value, "general/local_ip")), "*")]
      share    = "rtp"
      exposure = "public"
    }
  }

  # What a mount point leaves to the plugin, and all of RTSP, comes from its own range, to
  # its end: janus_streaming.c, lines 7470 and 7625, of that commit.
  each "streaming" {
    for_each = length([for m in find(local.stream, "*") : m if value(m, "type") == "rtsp" || length([for p in concat(values(m, "*port"), values(m, "media/*/*port")) : p if p == "0"]) > 0]) > 0 ? [local.stream] : []

    locals {
      range = range(value(each.value, "general/rtp_port_range"))
      one   = port(local.range.first, default.rtp_first)
      two   = port(local.range.last, default.rtp_last)
      last  = local.two == 0 ? 65535 : local.two
    }

    listen "stream-range" {
      purpose  = "sources of streams without a port of their own"
      protocol = ["udp"]
      first    = even_up(min(local.one, local.last))
      last     = max(local.one, local.last)
      nominal  = [min(local.one, local.last), max(local.one, local.last)]
      share    = "rtp"
      exposure = "internal"
    }
  }

  # A mount point listens for the source of a stream. The medium must be switched on.
  each "mountpoint" {
    for_each = [for m in find(local.stream, "*") : m if value(m, "type") == "rtp"]

    locals {
      # A medium is received from its group, or by its interface, or from anywhere.
      audio_at = first(nonempty(value(each.value, "audiomcast")), nonempty(value(each.value, "audioiface")), "*")
      video_at = first(nonempty(value(each.value, "videomcast")), nonempty(value(each.value, "videoiface")), "*")
      data_at  = first(nonempty(value(each.value, "dataiface")), "*")

      audio = truthy(value(each.value, "audio"), false) ? [for p in concat(values(each.value, "audioport"), values(each.value, "audiortcpport")) : { port = p, at = local.audio_at }] : []
      video = truthy(value(each.value, "video"), false) ? [for p in concat(values(each.value, "videoport*"), values(each.value, "videortcpport")) : { port = p, at = local.video_at }] : []
      data  = truthy(value(each.value, "data"), false) ? [for p in values(each.value, "dataport") : { port = p, at = local.data_at }] : []
      list  = flatten([for m in find(each.value, "media/*") : [for p in concat(values(m, "port*"), values(m, "rtcpport")) : { port = p, at = first(nonempty(value(m, "mcast")), nonempty(value(m, "iface")), "*") }]])
    }

    listen "stream" {
      purpose  = "source of a stream"
      for_each = [for p in concat(local.audio, local.video, local.data, local.list) : p if p.port != "0"]
      protocol = ["udp"]
      port     = port(each.value.port, null)
      bind     = [each.value.at]
      exposure = "internal"
    }
  }

  test "web servers" {
    role   = "http"
    input  = <<-EOT
      general: {
        http = true
        https = true
        secure_port = 9443  # but there is no certificate
      }
      admin: {
        admin_http = true
        admin_port = 7188
        admin_ip = "127.0.0.1"
      }
    EOT
    expect = ["http tcp * 8088 default", "admin-http tcp 127.0.0.1 7188 config L8"]
  }

  test "certificates without a key" {
    role   = "http"
    input  = <<-EOT
      general: {
        https = true
        secure_port = 9443
      }
      certificates: { cert_pem = "/etc/janus/janus.pem" }
    EOT
    expect = []
  }

  test "WebSockets, one of them on a path" {
    role   = "websockets"
    input  = <<-EOT
      general: {
        ws = true
        ws_unix = "/run/janus.sock"
        wss = true
        wss_port = 9989
      }
      certificates: { cert_pem = "/etc/janus/janus.pem" }
    EOT
    expect = ["wss tcp * 9989 config L5"]
  }

  test "queues" {
    files = {
      rabbitmq = "general: {\n  enabled = true\n  host = \"192.0.2.9\"\n}\n"
      mqtt     = "general: {\n  enabled = true\n  url = \"tcp://192.0.2.8:1884\"\n}\n"
    }
    expect = ["rabbitmq tcp -> 192.0.2.9 5672 default", "mqtt tcp -> 192.0.2.8 1884 config L3"]
  }

  test "RTCP lies above the range" {
    role   = "sip"
    input  = <<-EOT
      general: {
        rtp_port_range = "22000-21000"
      }
    EOT
    expect = ["rtp udp * 21000-22001 config nominal 21000-22000 L2"]
  }

  test "nothing written" {
    role   = "nosip"
    input  = "general: { }\n"
    expect = ["rtp udp * 10000-60001 default nominal 10000-60000"]
  }

  test "mount points" {
    role   = "streaming"
    input  = <<-EOT
      general: { }
      hall: {
        type = "rtp"
        audio = true
        audioport = 6002
        video = false
        videoport = 6004
      }
      stage: {
        type = "rtp"
        media = ( { type = "audio", port = 6102 },
                  { type = "video", port = 6104 } )
      }
    EOT
    expect = ["stream udp * 6002 config L5", "stream udp * 6102 config L11", "stream udp * 6104 config L12"]
  }

  test "mount points that leave it to the plugin" {
    role   = "streaming"
    input  = <<-EOT
      general: { rtp_port_range = "21001-21999" }
      hall: {
        type = "rtp"
        audio = true
        audioport = 0
        data = true
        dataport = 6003
      }
    EOT
    expect = ["stream-range udp * 21002-21999 config nominal 21001-21999 L1", "stream udp * 6003 config L7"]
  }

  test "media range of the core" {
    input  = <<-EOT
      media: {
        rtp_port_range = "30000-30999"
      }
    EOT
    expect = ["media udp * 30000-30999 config L2"]
  }

  test "an interface" {
    role   = "websockets"
    input  = <<-EOT
      general: {
        ws = true
        ws_interface = "eth1"
        ws_ip = ""
      }
    EOT
    expect = ["ws tcp eth1 8188 default"]
  }

  test "groups and interfaces of streams" {
    role   = "streaming"
    input  = <<-EOT
      one: {
        type = "rtp"
        audio = true
        audioport = 5110
        audiomcast = "239.7.7.7"
        audioiface = "eth1"
        video = true
        videoport = 5112
        videoiface = "eth1"
        videomcast = ""
      }
      two: {
        type = "rtp"
        media = ({ type = "audio", port = 5120, mcast = "239.7.7.8" })
      }
    EOT
    expect = ["stream udp 239.7.7.7 5110 config L4", "stream udp eth1 5112 config L8", "stream udp 239.7.7.8 5120 config L14"]
  }
}
