# LiveKit SIP. What is announced (sip_port) and what is listened on (sip_port_listen) may
# differ behind a load balancer.

service "livekit-sip" {
  title     = "LiveKit SIP"
  platforms = ["linux"]
  cites     = ["https://github.com/livekit/sip/blob/be5d3f572761b5f4a33577e3d2ea6d44402ad108/README.md", "https://docs.livekit.io/home/self-hosting/sip-server/"]

  file "conf" {
    format      = "yaml"
    common_name = true # config.yaml
    # Egress and Ingress are told where LiveKit and Redis are in the same words.
    accept = has("sip_port") || has("sip_port_listen") || has("rtp_port") || has("sip_hostname") || (has("redis") && (has("ws_url") || has("api_secret")) && !has("rtc") && !has("rtmp_port") && !has("whip_port") && !has("rtc_config") && !has("http_relay_port") && !has("template_port") && !has("template_base") && !has("storage") && !has("cpu_cost") && !has("s3") && !has("azure") && !has("gcp") && !has("alioss") && !has("session_limits"))
    paths = {
      linux = [
        "/etc/livekit-sip.yaml",
        "/etc/livekit-sip/config.yaml",
        "/etc/livekit-sip/config.yml",
        "/etc/livekit-sip/sip.yaml",
        "/etc/livekit/sip.yaml",
        "/etc/livekit/sip-config.yaml",
        "/etc/livekit/livekit-sip.yaml",
        "/opt/livekit/sip.yaml",
      ]
    }
  }

  file "container" {
    format = "compose"
    images = ["livekit/sip"]
    bodies = { conf = "SIP_CONFIG_BODY" }
  }

  default "sip" {
    setting = "sip_port"
    case {
      value = 5060
      cites = ["https://github.com/livekit/sip/blob/007e3b379ae6e608ca47fa10f46bc4068c92b4bb/pkg/config/config.go"]
    }
  }

  default "sips" {
    setting = "tls/port"
    case {
      value = 5061
      cites = ["https://github.com/livekit/sip/blob/007e3b379ae6e608ca47fa10f46bc4068c92b4bb/pkg/config/config.go"]
    }
  }

  default "rtp_start" {
    setting = "rtp_port"
    case {
      value = 10000
      cites = ["https://github.com/livekit/sip/blob/007e3b379ae6e608ca47fa10f46bc4068c92b4bb/pkg/config/config.go"]
    }
  }

  default "rtp_end" {
    setting = "rtp_port"
    case {
      value = 20000
      cites = ["https://github.com/livekit/sip/blob/007e3b379ae6e608ca47fa10f46bc4068c92b4bb/pkg/config/config.go"]
    }
  }

  locals {
    bind = [wildcard(value("listen_ip"))]

    # 0 is as if nothing was written.
    sip_listen = value("sip_port_listen") == "0" ? null : value("sip_port_listen")
    sip_port   = value("sip_port") == "0" ? null : value("sip_port")
    tls_listen = value("tls/port_listen") == "0" ? null : value("tls/port_listen")
    tls_port   = value("tls/port") == "0" ? null : value("tls/port")

    # "a-b", a number that is the beginning alone, or an object.
    ends      = [for m in [match("^\\s*([0-9]+)\\s*-\\s*([0-9]+)\\s*$", value("rtp_port"))] : m if length(m) > 0]
    rtp_start = first(concat([for m in local.ends : m[0]], [value("rtp_port/start"), numeric(value("rtp_port"))])...)
    rtp_end   = first(concat([for m in local.ends : m[1]], [value("rtp_port/end")])...)
  }

  listen "sip" {
    purpose  = "SIP"
    protocol = ["udp", "tcp"]
    port     = port(first(local.sip_listen, local.sip_port), default.sip)
    bind     = local.bind
    exposure = "public"
    assigned = ["5060"]
  }

  listen "sips" {
    purpose  = "SIP over TLS"
    for_each = has("tls/*") ? ["tls"] : []
    protocol = ["tcp"]
    port     = port(first(local.tls_listen, local.tls_port), default.sips)
    bind     = local.bind
    exposure = "public"
    assigned = ["5061"]
  }

  listen "rtp" {
    purpose  = "RTP"
    protocol = ["udp"]
    first    = port(local.rtp_start == "0" ? null : local.rtp_start, default.rtp_start)
    last     = port(local.rtp_end == "0" ? null : local.rtp_end, default.rtp_end)
    exposure = "public"
  }

  listen "health" {
    purpose  = "health checks"
    for_each = values("health_port")
    protocol = ["tcp"]
    port     = port(each.value, null)
    exposure = "admin"
  }

  listen "metrics" {
    purpose  = "Prometheus metrics"
    for_each = values("prometheus_port")
    protocol = ["tcp"]
    port     = port(each.value, null)
    exposure = "admin"
  }

  listen "pprof" {
    purpose  = "profiling"
    for_each = values("pprof_port")
    protocol = ["tcp"]
    port     = port(each.value, null)
    exposure = "admin"
  }

  connect "livekit" {
    purpose  = "LiveKit server"
    for_each = [for u in values("ws_url") : hostport(u) if hostport(u).port != null]
    protocol = ["tcp"]
    peer     = each.value.host
    port     = port(each.value.port, null)
    to       = ["livekit.http"]
  }

  connect "redis" {
    purpose  = "Redis"
    for_each = [for a in concat(values("redis/address"), values("redis/sentinel_addresses/*"), values("redis/cluster_addresses/*")) : hostport(a) if hostport(a).port != null]
    protocol = ["tcp"]
    peer     = each.value.host
    port     = port(each.value.port, null)
    to       = ["redis.redis", "redis.tls", "redis-sentinel.sentinel", "redis-sentinel.tls"]
  }

  test "as built in" {
    input = <<-EOT
      api_key: k
      api_secret: s
      ws_url: wss://voice.example.com
      redis:
        address: 10.0.0.9:6379
    EOT
    expect = [
      "sip udp * 5060 default",
      "sip tcp * 5060 default",
      "rtp udp * 10000-20000 default",
      "redis tcp -> 10.0.0.9 6379 config L5",
    ]
  }

  test "everything written" {
    input = <<-EOT
      ws_url: ws://10.0.0.8:7880
      sip_port: 5070
      sip_port_listen: 5080
      listen_ip: 10.0.0.5
      tls:
        port: 5071
        certs: []
      rtp_port: 30000-30999
      health_port: 8081
      prometheus_port: 8082
      pprof_port: 0
    EOT
    expect = [
      "livekit tcp -> 10.0.0.8 7880 config L1",
      "sip udp 10.0.0.5 5080 config L3",
      "sip tcp 10.0.0.5 5080 config L3",
      "sips tcp 10.0.0.5 5071 config L6",
      "rtp udp * 30000-30999 config L8",
      "health tcp * 8081 config L9",
      "metrics tcp * 8082 config L10",
    ]
  }

  test "an object, and an end that nobody wrote" {
    input = <<-EOT
      sip_port: 5070
      rtp_port:
        start: 12000
        end: 12999
    EOT
    expect = [
      "sip udp * 5070 config L1",
      "sip tcp * 5070 config L1",
      "rtp udp * 12000-12999 config L3",
    ]
  }

  test "the beginning alone" {
    input = <<-EOT
      sip_port: 0
      rtp_port: 15000
    EOT
    expect = [
      "sip udp * 5060 default L1",
      "sip tcp * 5060 default L1",
      "rtp udp * 15000-20000 config L2",
    ]
  }

  test "a container with its file in the environment" {
    role  = "container"
    input = <<-EOT
      services:
        bridge:
          image: livekit/sip:v1
          network_mode: host
          environment:
            SIP_CONFIG_BODY: |
              ws_url: ws://10.0.0.4:7880
              # sip_port: 5060
              sip_port: 5074
              rtp_port: 12000-12999
    EOT
    expect = [
      "livekit tcp -> 10.0.0.4 7880 config L7",
      "sip udp * 5074 config L9",
      "sip tcp * 5074 config L9",
      "rtp udp * 12000-12999 config L10",
    ]
  }
}
