# SRS. What "listen" means depends on the block that it stands in. Of a block that occurs
# twice the first one counts, except for stream_caster.

service "srs" {
  title     = "SRS (Simple Realtime Server)"
  platforms = ["linux"]
  cites     = ["https://github.com/ossrs/srs/blob/101382afd0feb63243b391e59c529376018d4020/trunk/conf/full.conf"]

  file "conf" {
    format = "nginx"
    accept = has("listen") || has("http_api") || has("rtc_server") || has("vhost")
    paths = {
      linux = ["/usr/local/srs/conf/srs.conf", "/etc/srs/srs.conf", "/full.conf"]
    }
  }

  default "rtmp_port" {
    setting = "origin"
    case {
      value = 1935
      cites = ["https://github.com/ossrs/srs/blob/101382afd0feb63243b391e59c529376018d4020/trunk/src/kernel/srs_kernel_consts.hpp"]
    }
  }

  default "api_port" {
    setting = "http_api listen"
    case {
      value = 1985
      cites = ["https://github.com/ossrs/srs/blob/101382afd0feb63243b391e59c529376018d4020/trunk/conf/full.conf#L183"]
    }
  }

  default "api_tls_port" {
    setting = "http_api https listen"
    case {
      value = 1990
      cites = ["https://github.com/ossrs/srs/blob/101382afd0feb63243b391e59c529376018d4020/trunk/conf/full.conf#L230"]
    }
  }

  default "http_port" {
    setting = "http_server listen"
    case {
      value = 8080
      cites = ["https://github.com/ossrs/srs/blob/101382afd0feb63243b391e59c529376018d4020/trunk/conf/full.conf#L264"]
    }
  }

  default "http_tls_port" {
    setting = "http_server https listen"
    case {
      value = 8088
      cites = ["https://github.com/ossrs/srs/blob/101382afd0feb63243b391e59c529376018d4020/trunk/conf/full.conf#L284"]
    }
  }

  default "rtc_port" {
    setting = "rtc_server listen"
    case {
      value = 8000
      cites = ["https://github.com/ossrs/srs/blob/101382afd0feb63243b391e59c529376018d4020/trunk/conf/full.conf#L412"]
    }
  }

  default "sip_port" {
    setting = "sip listen"
    case {
      value = 5060
      cites = ["https://github.com/ossrs/srs/blob/101382afd0feb63243b391e59c529376018d4020/trunk/conf/full.conf#L687"]
    }
  }

  default "exporter_port" {
    setting = "exporter listen"
    case {
      value = 9972
      cites = ["https://github.com/ossrs/srs/blob/101382afd0feb63243b391e59c529376018d4020/trunk/conf/full.conf#L863"]
    }
  }

  each "rtmp" {
    for_each = find("listen[0]")

    listen "rtmp" {
      purpose  = "RTMP"
      for_each = args(each.value)
      protocol = ["tcp"]
      port     = port(hostport(each.value).port, null)
      bind     = [text(hostport(each.value).host, "*")]
      zero     = "unknown"
      exposure = "public"
      assigned = ["1935"]
      share    = "srs"
    }
  }

  each "api" {
    for_each = find("http_api[0]")

    locals {
      at  = hostport(value(each.value, "listen[0]"))
      tls = hostport(value(each.value, "https[0]/listen[0]"))
    }

    listen "http-api" {
      purpose  = "SRS HTTP API"
      when     = truthy(value(each.value, "enabled[0]"), false)
      protocol = ["tcp"]
      port     = port(local.at.port, default.api_port)
      bind     = [text(local.at.host, "*")]
      zero     = "unknown"
      exposure = "admin"
      share    = "srs" # http_server may use the same port
    }

    listen "https-api" {
      purpose  = "SRS HTTPS API"
      when     = truthy(value(each.value, "enabled[0]"), false) && truthy(value(each.value, "https[0]/enabled[0]"), false)
      protocol = ["tcp"]
      port     = port(local.tls.port, default.api_tls_port)
      bind     = [text(local.tls.host, "*")]
      zero     = "unknown"
      exposure = "admin"
      share    = "srs"
    }
  }

  each "http" {
    for_each = find("http_server[0]")

    locals {
      at  = hostport(value(each.value, "listen[0]"))
      tls = hostport(value(each.value, "https[0]/listen[0]"))
    }

    listen "http" {
      purpose  = "HTTP streaming"
      when     = truthy(value(each.value, "enabled[0]"), false)
      protocol = ["tcp"]
      port     = port(local.at.port, default.http_port)
      bind     = [text(local.at.host, "*")]
      zero     = "unknown"
      exposure = "public"
      share    = "srs"
    }

    listen "https" {
      purpose  = "HTTPS streaming"
      when     = truthy(value(each.value, "enabled[0]"), false) && truthy(value(each.value, "https[0]/enabled[0]"), false)
      protocol = ["tcp"]
      port     = port(local.tls.port, default.http_tls_port)
      bind     = [text(local.tls.host, "*")]
      zero     = "unknown"
      exposure = "public"
      share    = "srs"
    }
  }

  # The default of srt_server is not documented there: without a port it is reported.
  listen "srt" {
    purpose  = "SRT"
    for_each = find("srt_server[0]")
    when     = truthy(value(each.value, "enabled[0]"), false)
    protocol = ["udp"]
    port     = port(hostport(value(each.value, "listen[0]")).port, null)
    bind     = [text(hostport(value(each.value, "listen[0]")).host, "*")]
    zero     = "unknown"
    exposure = "public"
  }

  each "rtc" {
    for_each = find("rtc_server[0]")

    locals {
      at  = hostport(value(each.value, "listen[0]"))
      tcp = hostport(value(each.value, "tcp[0]/listen[0]"))
    }

    listen "rtc" {
      purpose  = "WebRTC media"
      when     = truthy(value(each.value, "enabled[0]"), false)
      protocol = ["udp"]
      port     = port(local.at.port, default.rtc_port)
      bind     = [text(local.at.host, "*")]
      zero     = "unknown"
      exposure = "public"
    }

    listen "rtc-tcp" {
      purpose  = "WebRTC media over TCP"
      when     = truthy(value(each.value, "enabled[0]"), false) && truthy(value(each.value, "tcp[0]/enabled[0]"), false)
      protocol = ["tcp"]
      port     = port(local.tcp.port, default.rtc_port)
      bind     = [text(local.tcp.host, "*")]
      zero     = "unknown"
      exposure = "public"
      share    = "srs"
    }
  }

  each "caster" {
    for_each = find("stream_caster")

    locals {
      on   = truthy(value(each.value, "enabled[0]"), false)
      kind = text(value(each.value, "caster[0]"), "")
      at   = hostport(value(each.value, "listen[0]"))
      sip  = hostport(value(each.value, "sip[0]/listen[0]"))
    }

    listen "caster" {
      purpose  = "stream input"
      when     = local.on && contains(["mpegts_over_udp", "flv", "gb28181"], local.kind)
      protocol = local.kind == "mpegts_over_udp" ? ["udp"] : ["tcp"]
      port     = port(local.at.port, null)
      bind     = [text(local.at.host, "*")]
      zero     = "unknown"
      exposure = "public"
    }

    listen "gb28181-sip" {
      purpose  = "SIP of GB28181"
      when     = local.on && local.kind == "gb28181" && has(each.value, "sip") && truthy(value(each.value, "sip[0]/enabled[0]"), true)
      protocol = ["tcp"]
      port     = port(local.sip.port, default.sip_port)
      bind     = [text(local.sip.host, "*")]
      zero     = "unknown"
      exposure = "public"
      assigned = ["5060"]
    }
  }

  listen "exporter" {
    purpose  = "Prometheus metrics"
    for_each = find("exporter[0]")
    when     = truthy(value(each.value, "enabled[0]"), false)
    protocol = ["tcp"]
    port     = port(hostport(value(each.value, "listen[0]")).port, default.exporter_port)
    bind     = [text(hostport(value(each.value, "listen[0]")).host, "*")]
    zero     = "unknown"
    exposure = "admin"
  }

  # An edge asks its origins, where the stream is: "mode remote".
  each "edge" {
    for_each = [for c in find("vhost/cluster") : c if text(value(c, "mode[0]"), "local") == "remote"]

    connect "origin" {
      purpose  = "origin server"
      for_each = [for n in flatten([for n in find(each.value, "origin[0]") : args(n)]) : hostport(n)]
      protocol = ["tcp"]
      peer     = each.value.host
      port     = port(each.value.port, default.rtmp_port)
    }
  }

  each "forward" {
    for_each = [for f in find("vhost/forward") : f if truthy(value(f, "enabled[0]"), false)]

    connect "forward" {
      purpose  = "server that streams are sent on to"
      for_each = [for n in flatten([for n in find(each.value, "destination[0]") : args(n)]) : hostport(n)]
      protocol = ["tcp"]
      peer     = each.value.host
      port     = port(each.value.port, default.rtmp_port)
    }
  }

  test "blocks and what is off" {
    input = <<-EOT
      listen 1936 19360;
      http_api { enabled on; listen 127.0.0.1:1986; }
      http_server { enabled off; listen 8081; }
      rtc_server { enabled on; tcp { enabled on; listen 8001; } }
      srt_server { enabled on; listen 10081; }
      http_api { enabled on; listen 9090; }
    EOT
    expect = [
      "rtmp tcp * 1936 config L1", "rtmp tcp * 19360 config L1", "http-api tcp 127.0.0.1 1986 config L2",
      "rtc udp * 8000 default", "rtc-tcp tcp * 8001 config L4", "srt udp * 10081 config L5",
    ]
  }

  test "edges and forwarding" {
    input = <<-EOT
      listen 1936;
      vhost a.example {
        cluster { mode remote; origin 192.0.2.5:1937 origin.example; }
        forward { enabled on; destination 192.0.2.6:1938; }
      }
      vhost b.example {
        cluster { mode local; origin 192.0.2.7:1939; }
        forward { enabled off; destination 192.0.2.8:1940; }
      }
    EOT
    expect = [
      "rtmp tcp * 1936 config L1", "origin tcp -> 192.0.2.5 1937 config L3", "origin tcp -> origin.example 1935 default L3",
      "forward tcp -> 192.0.2.6 1938 config L4",
    ]
  }

  test "casters" {
    input = <<-EOT
      listen 1935;
      stream_caster { enabled on; caster mpegts_over_udp; listen 8940; }
      stream_caster { enabled on; caster flv; listen 8941; }
      stream_caster { enabled on; caster gb28181; listen 9001; sip { enabled on; } }
      stream_caster { enabled off; caster flv; listen 8942; }
    EOT
    expect = [
      "rtmp tcp * 1935 config L1", "caster udp * 8940 config L2", "caster tcp * 8941 config L3",
      "caster tcp * 9001 config L4", "gb28181-sip tcp * 5060 default",
    ]
  }
}
