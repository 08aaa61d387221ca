# LiveKit server. Media takes a range with a socket for each participant, or a few ports
# that all share; without either the range is a built-in one. Of several shared ports as
# many are opened as the host has CPUs, from the first on. Options of the command line win
# over the file; they have the names of the settings, with dots.

service "livekit" {
  title     = "LiveKit"
  platforms = ["linux", "windows-server", "macos"]
  cites     = ["https://github.com/livekit/livekit/blob/788d4c354474383956067e3a22ffba88dd4803e4/config-sample.yaml", "https://docs.livekit.io/home/self-hosting/ports-firewall/"]

  file "conf" {
    format      = "yaml"
    common_name = true # config.yaml
    # LiveKit's other servers (SIP, Egress, Ingress) have "ws_url" too.
    accept = (has("rtc") || has("turn") || has("keys") || has("key_file") || has("room") || has("bind_addresses") || has("signal_relay") || has("node_selector")) && !has("ws_url") && !has("sip_port") && !has("apiVersion") && !has("services")
    paths = {
      linux = [
        "/etc/livekit.yaml",
        "/etc/livekit.yml",
        "/etc/livekit/livekit.yaml",
        "/etc/livekit/config.yaml",
        "/etc/livekit/config.yml",
        "/opt/livekit/livekit.yaml",
        "/opt/livekit/config.yaml",
      ]
    }
    samples = ["/config-sample.yaml"]
  }

  file "unit" {
    format = "systemd"
    units  = ["livekit.service", "livekit-server.service", "livekit@*.service"]
  }

  file "container" {
    format = "compose"
    images = ["livekit-server"]
    bodies = { conf = "LIVEKIT_CONFIG" }
  }

  default "port" {
    setting = "port"
    case {
      value = 7880
      cites = ["https://github.com/livekit/livekit/blob/cba047d52c1e2de560d73fbe07f50ee5bfc49d93/pkg/config/config.go"]
    }
  }

  default "tcp_port" {
    setting = "rtc/tcp_port"
    case {
      value = 7881
      cites = ["https://github.com/livekit/livekit/blob/cba047d52c1e2de560d73fbe07f50ee5bfc49d93/pkg/config/config.go"]
    }
  }

  default "range_start" {
    setting = "rtc/port_range_start"
    case {
      value = 50000
      cites = ["https://github.com/livekit/mediatransportutil/blob/0548817a4949a05ac04b199aa2a323157c0557f0/pkg/rtcconfig/config.go"]
    }
  }

  default "range_end" {
    setting = "rtc/port_range_end"
    case {
      value = 60000
      cites = ["https://github.com/livekit/mediatransportutil/blob/0548817a4949a05ac04b199aa2a323157c0557f0/pkg/rtcconfig/config.go"]
    }
  }

  default "development_udp" {
    setting = "rtc/udp_port"
    case {
      value = 7882
      cites = ["https://github.com/livekit/mediatransportutil/blob/0548817a4949a05ac04b199aa2a323157c0557f0/pkg/rtcconfig/config.go"]
    }
  }

  default "relay_start" {
    setting = "turn/relay_range_start"
    case {
      value = 30000
      cites = ["https://github.com/livekit/livekit/blob/cba047d52c1e2de560d73fbe07f50ee5bfc49d93/pkg/config/config.go"]
    }
  }

  default "relay_end" {
    setting = "turn/relay_range_end"
    case {
      value = 40000
      cites = ["https://github.com/livekit/livekit/blob/cba047d52c1e2de560d73fbe07f50ee5bfc49d93/pkg/config/config.go"]
    }
  }

  default "relay_development" {
    setting = "turn/relay_range_end"
    case {
      value = 30002
      cites = ["https://github.com/livekit/livekit/blob/cba047d52c1e2de560d73fbe07f50ee5bfc49d93/pkg/config/config.go"]
    }
  }

  locals {
    argv        = command(file("unit"), file("container"))
    asked       = flatten([for a in flags(local.argv, "--bind", "-bind") : items(a, ",")])
    addresses   = length(local.asked) > 0 ? local.asked : values("bind_addresses/*")
    development = truthy(value("development"), false) || has_flag(local.argv, "--dev", "-dev")
    keys        = has("keys/*") || has("key_file") || has_flag(local.argv, "--keys", "--key-file") || has(file("container"), "environment/LIVEKIT_KEYS")
    # Without keys, development is for this host alone: getConfig() of cmd/server/main.go.
    bind = length(local.addresses) > 0 ? distinct([for a in local.addresses : wildcard(a)]) : local.development && !local.keys ? ["127.0.0.1", "::1"] : ["*"]

    # 0 is as if nothing was written.
    said_start  = first(flag(local.argv, "--rtc.port_range_start"), value("rtc/port_range_start"))
    said_end    = first(flag(local.argv, "--rtc.port_range_end"), value("rtc/port_range_end"))
    said_shared = first(flag(local.argv, "--udp-port", "-udp-port", "--rtc.udp_port"), value("rtc/udp_port"))

    start  = local.said_start == "0" ? null : local.said_start
    end    = local.said_end == "0" ? null : local.said_end
    shared = local.said_shared == "0" ? null : nonempty(local.said_shared)
    udp    = !truthy(value("rtc/force_tcp"), false)

    # The range wins over shared ports, when it has both ends.
    ranged = local.start != null && local.end != null || local.shared == null && !local.development
    common = local.shared != null && !local.ranged || local.shared == null && local.start == null && local.development

    turn      = truthy(value("turn/enabled"), false)
    turn_bind = length(values("turn/bind_addresses/*")) > 0 ? distinct([for a in values("turn/bind_addresses/*") : wildcard(a)]) : ["*"]

    # One end of the relay range without the other does not count.
    relay_start = value("turn/relay_range_start")
    relay_end   = value("turn/relay_range_end")
    relay       = local.relay_start != null && local.relay_start != "0" && local.relay_end != null && local.relay_end != "0"

    prometheus = first(flag(local.argv, "--prometheus_port", "--prometheus.port"), value("prometheus_port"), value("prometheus/port"))
  }

  listen "http" {
    purpose  = "signalling and API"
    protocol = ["tcp"]
    port     = port(first(flag(local.argv, "--port", "-port"), value("port")), default.port)
    bind     = local.bind
    exposure = "public"
    zero     = "chosen"
  }

  listen "ice-tcp" {
    purpose  = "media over TCP (ICE)"
    protocol = ["tcp"]
    port     = port(first(flag(local.argv, "--rtc.tcp_port"), value("rtc/tcp_port")), default.tcp_port)
    exposure = "public"
  }

  listen "media" {
    purpose   = "media (ICE, RTP and RTCP)"
    for_each  = local.ranged ? ["range"] : []
    when      = local.udp
    protocol  = ["udp"]
    first     = port(local.start, default.range_start)
    last      = port(local.end, local.start == null ? default.range_end : null)
    advertise = values("rtc/node_ip")
    exposure  = "public"
  }

  listen "media-shared" {
    purpose   = "media of all participants (ICE, RTP and RTCP)"
    for_each  = local.common ? ["shared"] : []
    when      = local.udp
    protocol  = ["udp"]
    first     = port(range(local.shared).first, default.development_udp)
    last      = port(range(local.shared).last, default.development_udp)
    advertise = values("rtc/node_ip")
    exposure  = "public"
  }

  # The relay tries another port of its range where one is in use, and may have this one in it:
  # https://github.com/pion/turn/blob/01735456370b418fb07370c5dd5c5883c623086e/relay_address_generator_range.go
  listen "turn-udp" {
    purpose  = "TURN over UDP"
    when     = local.turn && value("turn/udp_port") != null
    protocol = ["udp"]
    port     = port(value("turn/udp_port"), null)
    bind     = local.turn_bind
    share    = "turn"
    exposure = "public"
    assigned = ["3478"]
  }

  # TURN over TLS, also where a load balancer in front of it takes the TLS off.
  listen "turn-tls" {
    purpose  = "TURN over TLS"
    when     = local.turn && value("turn/tls_port") != null
    protocol = ["tcp"]
    port     = port(value("turn/tls_port"), null)
    bind     = local.turn_bind
    exposure = "public"
    assigned = ["5349", "443"]
  }

  listen "relay" {
    purpose  = "TURN relay"
    for_each = local.relay ? ["relay"] : []
    when     = local.turn
    protocol = ["udp"]
    first    = port(local.relay_start, null)
    last     = port(local.relay_end, null)
    bind     = local.turn_bind
    share    = "turn"
    exposure = "internal"
  }

  listen "relay-default" {
    purpose  = "TURN relay"
    for_each = local.relay ? [] : ["relay"]
    when     = local.turn
    protocol = ["udp"]
    first    = port(null, default.relay_start)
    last     = port(null, local.development ? default.relay_development : default.relay_end)
    bind     = local.turn_bind
    share    = "turn"
    exposure = "internal"
  }

  listen "metrics" {
    purpose  = "Prometheus metrics"
    for_each = local.prometheus == null ? [] : [local.prometheus]
    protocol = ["tcp"]
    port     = port(each.value, null)
    bind     = local.bind
    exposure = "admin"
  }

  listen "debug" {
    purpose  = "profiling"
    for_each = values("debug_handler_port/port")
    protocol = ["tcp"]
    port     = port(each.value, null)
    exposure = "admin"
  }

  connect "redis" {
    purpose  = "Redis"
    for_each = [for a in concat(flags(local.argv, "--redis-host", "-redis-host"), values("redis/address"), values("redis/sentinel_addresses/*"), values("redis/cluster_addresses/*")) : hostport(a) if hostport(a).port != null]
    protocol = ["tcp"]
    peer     = each.value.host
    port     = port(each.value.port, null)
    to       = ["redis.redis", "redis.tls", "redis-sentinel.sentinel", "redis-sentinel.tls"]
  }

  test "as built in" {
    input = <<-EOT
      keys:
        devkey: a-secret-that-is-long-enough-for-it
    EOT
    expect = [
      "http tcp * 7880 default",
      "ice-tcp tcp * 7881 default",
      "media udp * 50000-60000 default",
    ]
  }

  test "a range, TURN, metrics and Redis" {
    input = <<-EOT
      port: 7890
      bind_addresses:
        - 10.0.0.5
        - "2001:db8::5"
      redis:
        address: 10.0.0.9:6380
      rtc:
        port_range_start: 20000
        port_range_end: 21000
        udp_port: 7882-7892
        tcp_port: 0
      turn:
        enabled: true
        udp_port: 3479
        tls_port: 5350
        relay_range_start: 31000
        relay_range_end: 31999
      prometheus_port: 6790
      debug_handler_port:
        port: 7071
      keys: {k: s}
    EOT
    expect = [
      "http tcp 10.0.0.5,2001:db8::5 7890 config L1",
      "redis tcp -> 10.0.0.9 6380 config L6",
      "media udp * 20000-21000 config L8",
      "turn-udp udp * 3479 config L14",
      "turn-tls tcp * 5350 config L15",
      "relay udp * 31000-31999 config L16",
      "metrics tcp 10.0.0.5,2001:db8::5 6790 config L18",
      "debug tcp * 7071 config L20",
    ]
  }

  test "shared ports, TURN without a range" {
    input = <<-EOT
      rtc:
        udp_port: 7900-7907
      turn:
        enabled: true
        tls_port: 443
        relay_range_start: 31000
    EOT
    expect = [
      "http tcp * 7880 default",
      "ice-tcp tcp * 7881 default",
      "media-shared udp * 7900-7907 config L2",
      "turn-tls tcp * 443 config L5",
      "relay-default udp * 30000-40000 default",
    ]
  }

  test "one shared port" {
    input = <<-EOT
      rtc: {udp_port: 7900}
      turn: {enabled: false, udp_port: 3478}
    EOT
    expect = [
      "http tcp * 7880 default",
      "ice-tcp tcp * 7881 default",
      "media-shared udp * 7900 config L1",
    ]
  }

  test "development" {
    input = <<-EOT
      development: true
      turn:
        enabled: true
        udp_port: 3478
    EOT
    expect = [
      "http tcp 127.0.0.1,::1 7880 default",
      "ice-tcp tcp * 7881 default",
      "media-shared udp * 7882 default",
      "turn-udp udp * 3478 config L4",
      "relay-default udp * 30000-30002 default",
    ]
  }

  test "the command line" {
    role  = "unit"
    input = <<-EOT
      [Service]
      ExecStart=/usr/local/bin/livekit-server --bind 10.0.0.5 --port 7900 --udp-port=7901 --rtc.tcp_port 7902 --redis-host 10.0.0.9:6379
    EOT
    expect = [
      "http tcp 10.0.0.5 7900 config L2",
      "media-shared udp * 7901 config L2",
      "ice-tcp tcp * 7902 config L2",
      "redis tcp -> 10.0.0.9 6379 config L2",
    ]
  }

  test "a container" {
    role  = "container"
    input = <<-EOT
      services:
        sfu:
          image: livekit/livekit-server:v1
          network_mode: host
          command: --port 7990
          environment:
            - |
              LIVEKIT_KEYS=devkey: secret
            - LIVEKIT_CONFIG=
    EOT
    expect = [
      "http tcp * 7990 config L5",
      "ice-tcp tcp * 7881 default",
      "media udp * 50000-60000 default",
    ]
  }
}
