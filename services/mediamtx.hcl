# MediaMTX. Every setting may also stand in the environment, MTX_ and its name in capitals,
# and wins there: in a file, or in the unit. Go binds ":8554" to every address of both
# families.

service "mediamtx" {
  title     = "MediaMTX"
  platforms = ["linux", "windows-server", "freebsd", "macos"]
  runs      = ["mediamtx.service"]
  cites     = ["https://github.com/bluenviron/mediamtx/blob/3e09466c180431272a656b48aeca39c83d52d6c6/mediamtx.yml", "https://mediamtx.org/docs/references/configuration-file"]

  file "conf" {
    format      = "yaml"
    common_name = true # compose files and manifests may have the name too
    accept      = !has("services/*") && !has("apiVersion")
    paths = {
      linux = [
        "/etc/mediamtx/mediamtx.yml",
        "/usr/local/etc/mediamtx.yml",
        "/usr/etc/mediamtx.yml",
        "/etc/mediamtx.yml",
        "/opt/mediamtx/mediamtx.yml",
        "/etc/rtsp-simple-server.yml",
        "/usr/local/etc/rtsp-simple-server.yml",
      ]
      windows = ["C:/mediamtx/mediamtx.yml", "C:/Program Files/mediamtx/mediamtx.yml"]
    }
  }

  file "env" {
    format = "env"
    paths = {
      linux = ["/etc/default/mediamtx", "/etc/sysconfig/mediamtx", "/etc/mediamtx/mediamtx.env"]
    }
  }

  file "unit" {
    format = "systemd"
    units  = ["mediamtx.service"]
  }

  file "container" {
    format = "compose"
    images = ["mediamtx"]
  }

  default "api" {
    setting = "apiAddress"
    case {
      value = 9997
      cites = ["https://github.com/bluenviron/mediamtx/blob/3e09466c180431272a656b48aeca39c83d52d6c6/mediamtx.yml"]
    }
  }

  default "metrics" {
    setting = "metricsAddress"
    case {
      value = 9998
      cites = ["https://github.com/bluenviron/mediamtx/blob/3e09466c180431272a656b48aeca39c83d52d6c6/mediamtx.yml"]
    }
  }

  default "pprof" {
    setting = "pprofAddress"
    case {
      value = 9999
      cites = ["https://github.com/bluenviron/mediamtx/blob/3e09466c180431272a656b48aeca39c83d52d6c6/mediamtx.yml"]
    }
  }

  default "playback" {
    setting = "playbackAddress"
    case {
      value = 9996
      cites = ["https://github.com/bluenviron/mediamtx/blob/3e09466c180431272a656b48aeca39c83d52d6c6/mediamtx.yml"]
    }
  }

  default "rtsp" {
    setting = "rtspAddress"
    case {
      value = 8554
      cites = ["https://github.com/bluenviron/mediamtx/blob/0036e98f3077dd77bf7fbaed4e0860b86e16e8b3/internal/conf/conf.go"]
    }
  }

  default "rtsps" {
    setting = "rtspsAddress"
    case {
      value = 8322
      cites = ["https://github.com/bluenviron/mediamtx/blob/0036e98f3077dd77bf7fbaed4e0860b86e16e8b3/internal/conf/conf.go"]
    }
  }

  default "rtp" {
    setting = "rtpAddress"
    case {
      value = 8000
      cites = ["https://github.com/bluenviron/mediamtx/blob/0036e98f3077dd77bf7fbaed4e0860b86e16e8b3/internal/conf/conf.go"]
    }
  }

  default "rtcp" {
    setting = "rtcpAddress"
    case {
      value = 8001
      cites = ["https://github.com/bluenviron/mediamtx/blob/0036e98f3077dd77bf7fbaed4e0860b86e16e8b3/internal/conf/conf.go"]
    }
  }

  default "multicast_rtp" {
    setting = "multicastRTPPort"
    case {
      value = 8002
      cites = ["https://github.com/bluenviron/mediamtx/blob/0036e98f3077dd77bf7fbaed4e0860b86e16e8b3/internal/conf/conf.go"]
    }
  }

  default "multicast_rtcp" {
    setting = "multicastRTCPPort"
    case {
      value = 8003
      cites = ["https://github.com/bluenviron/mediamtx/blob/0036e98f3077dd77bf7fbaed4e0860b86e16e8b3/internal/conf/conf.go"]
    }
  }

  default "srtp" {
    setting = "srtpAddress"
    case {
      value = 8004
      cites = ["https://github.com/bluenviron/mediamtx/blob/0036e98f3077dd77bf7fbaed4e0860b86e16e8b3/internal/conf/conf.go"]
    }
  }

  default "srtcp" {
    setting = "srtcpAddress"
    case {
      value = 8005
      cites = ["https://github.com/bluenviron/mediamtx/blob/0036e98f3077dd77bf7fbaed4e0860b86e16e8b3/internal/conf/conf.go"]
    }
  }

  default "multicast_srtp" {
    setting = "multicastSRTPPort"
    case {
      value = 8006
      cites = ["https://github.com/bluenviron/mediamtx/blob/0036e98f3077dd77bf7fbaed4e0860b86e16e8b3/internal/conf/conf.go"]
    }
  }

  default "multicast_srtcp" {
    setting = "multicastSRTCPPort"
    case {
      value = 8007
      cites = ["https://github.com/bluenviron/mediamtx/blob/0036e98f3077dd77bf7fbaed4e0860b86e16e8b3/internal/conf/conf.go"]
    }
  }

  default "rtmp" {
    setting = "rtmpAddress"
    case {
      value = 1935
      cites = ["https://github.com/bluenviron/mediamtx/blob/0036e98f3077dd77bf7fbaed4e0860b86e16e8b3/internal/conf/conf.go"]
    }
  }

  default "rtmps" {
    setting = "rtmpsAddress"
    case {
      value = 1936
      cites = ["https://github.com/bluenviron/mediamtx/blob/0036e98f3077dd77bf7fbaed4e0860b86e16e8b3/internal/conf/conf.go"]
    }
  }

  default "hls" {
    setting = "hlsAddress"
    case {
      value = 8888
      cites = ["https://github.com/bluenviron/mediamtx/blob/0036e98f3077dd77bf7fbaed4e0860b86e16e8b3/internal/conf/conf.go"]
    }
  }

  default "webrtc" {
    setting = "webrtcAddress"
    case {
      value = 8889
      cites = ["https://github.com/bluenviron/mediamtx/blob/0036e98f3077dd77bf7fbaed4e0860b86e16e8b3/internal/conf/conf.go"]
    }
  }

  default "webrtc_udp" {
    setting = "webrtcLocalUDPAddress"
    case {
      value = 8189
      cites = ["https://github.com/bluenviron/mediamtx/blob/0036e98f3077dd77bf7fbaed4e0860b86e16e8b3/internal/conf/conf.go"]
    }
  }

  default "srt" {
    setting = "srtAddress"
    case {
      value = 8890
      cites = ["https://github.com/bluenviron/mediamtx/blob/0036e98f3077dd77bf7fbaed4e0860b86e16e8b3/internal/conf/conf.go"]
    }
  }

  default "moq_http" {
    setting = "moqHTTP2Address"
    case {
      value = 8892
      cites = ["https://github.com/bluenviron/mediamtx/blob/3e09466c180431272a656b48aeca39c83d52d6c6/mediamtx.yml"]
    }
  }

  default "moq_quic" {
    setting = "moqQUICAddress"
    case {
      value = 8893
      cites = ["https://github.com/bluenviron/mediamtx/blob/3e09466c180431272a656b48aeca39c83d52d6c6/mediamtx.yml"]
    }
  }

  # A file that says nothing of MoQ may be for a release that has it switched on, or for
  # one that does not know it.
  default "moq_unsaid" {
    setting = "moqHTTP2Address"
    case {
      since = "1.20"
      value = 8892
      cites = ["https://github.com/bluenviron/mediamtx/blob/3e09466c180431272a656b48aeca39c83d52d6c6/mediamtx.yml"]
    }
  }

  default "srtla" {
    setting = "srtlaAddress"
    case {
      value = 8891
      cites = ["https://github.com/bluenviron/mediamtx/blob/0036e98f3077dd77bf7fbaed4e0860b86e16e8b3/internal/conf/conf.go"]
    }
  }

  locals {
    env  = first(file("env"), find(file("container"), "environment")...)
    unit = flatten([for v in values(file("unit"), "Service/Environment") : words(v, "systemd")])

    # An old name that is written wins over the new one.
    rtsp_disable = first(value(local.env, "MTX_RTSPDISABLE"), flag(local.unit, "MTX_RTSPDISABLE"), value("rtspDisable"))
    rtsp         = local.rtsp_disable != null ? !truthy(local.rtsp_disable, false) : truthy(first(value(local.env, "MTX_RTSP"), flag(local.unit, "MTX_RTSP"), value("rtsp")), true)
    encryption   = text(first(value(local.env, "MTX_ENCRYPTION"), flag(local.unit, "MTX_ENCRYPTION"), value("encryption"), value(local.env, "MTX_RTSPENCRYPTION"), flag(local.unit, "MTX_RTSPENCRYPTION"), value("rtspEncryption")), "no")
    plain        = local.rtsp && contains(["no", "false", "off", "optional"], lower(local.encryption))
    secure       = local.rtsp && contains(["optional", "strict", "yes", "true", "on"], lower(local.encryption))

    env_transports = first(value(local.env, "MTX_PROTOCOLS"), flag(local.unit, "MTX_PROTOCOLS"), value(local.env, "MTX_RTSPTRANSPORTS"), flag(local.unit, "MTX_RTSPTRANSPORTS"))
    transports     = local.env_transports != null ? items(local.env_transports, ",") : has("protocols") ? values("protocols/*") : has("rtspTransports") ? values("rtspTransports/*") : ["udp", "multicast", "tcp"]
    udp            = contains(local.transports, "udp")
    multicast      = contains(local.transports, "multicast")

    rtmp_disable    = first(value(local.env, "MTX_RTMPDISABLE"), flag(local.unit, "MTX_RTMPDISABLE"), value("rtmpDisable"))
    rtmp            = local.rtmp_disable != null ? !truthy(local.rtmp_disable, false) : truthy(first(value(local.env, "MTX_RTMP"), flag(local.unit, "MTX_RTMP"), value("rtmp")), true)
    rtmp_encryption = text(first(value(local.env, "MTX_RTMPENCRYPTION"), flag(local.unit, "MTX_RTMPENCRYPTION"), value("rtmpEncryption")), "no")
    rtmp_plain      = local.rtmp && contains(["no", "false", "off", "optional"], lower(local.rtmp_encryption))
    rtmp_secure     = local.rtmp && contains(["optional", "strict", "yes", "true", "on"], lower(local.rtmp_encryption))
    hls_disable     = first(value(local.env, "MTX_HLSDISABLE"), flag(local.unit, "MTX_HLSDISABLE"), value("hlsDisable"))
    hls             = local.hls_disable != null ? !truthy(local.hls_disable, false) : truthy(first(value(local.env, "MTX_HLS"), flag(local.unit, "MTX_HLS"), value("hls")), true)
    webrtc_disable  = first(value(local.env, "MTX_WEBRTCDISABLE"), flag(local.unit, "MTX_WEBRTCDISABLE"), value("webrtcDisable"))
    webrtc          = local.webrtc_disable != null ? !truthy(local.webrtc_disable, false) : truthy(first(value(local.env, "MTX_WEBRTC"), flag(local.unit, "MTX_WEBRTC"), value("webrtc")), true)
    srt             = truthy(first(value(local.env, "MTX_SRT"), flag(local.unit, "MTX_SRT"), value("srt")), true)
    moq             = truthy(first(value(local.env, "MTX_MOQ"), flag(local.unit, "MTX_MOQ"), value("moq")), true)
    srtla           = truthy(first(value(local.env, "MTX_SRTLA"), flag(local.unit, "MTX_SRTLA"), value("srtla")), true)
    api             = truthy(first(value(local.env, "MTX_API"), flag(local.unit, "MTX_API"), value("api")), false)
    metrics         = truthy(first(value(local.env, "MTX_METRICS"), flag(local.unit, "MTX_METRICS"), value("metrics")), false)
    pprof           = truthy(first(value(local.env, "MTX_PPROF"), flag(local.unit, "MTX_PPROF"), value("pprof")), false)
    playback        = truthy(first(value(local.env, "MTX_PLAYBACK"), flag(local.unit, "MTX_PLAYBACK"), value("playback")), false)

    # What is said of a protocol tells that the release knows it.
    env_names = concat([for n in find(local.env, "*") : name(n)], local.unit)
    knows_moq = has("moq*") || length([for w in local.env_names : w if length(match("^MTX_MO(Q)", w)) > 0]) > 0
    knows_la  = has("srtla*") || length([for w in local.env_names : w if length(match("^MTX_SRTL(A)", w)) > 0]) > 0

    rtsp_at       = first(value(local.env, "MTX_RTSPADDRESS"), flag(local.unit, "MTX_RTSPADDRESS"), value("rtspAddress"))
    rtsps_at      = first(value(local.env, "MTX_RTSPSADDRESS"), flag(local.unit, "MTX_RTSPSADDRESS"), value("rtspsAddress"))
    rtp_at        = first(value(local.env, "MTX_RTPADDRESS"), flag(local.unit, "MTX_RTPADDRESS"), value("rtpAddress"))
    rtcp_at       = first(value(local.env, "MTX_RTCPADDRESS"), flag(local.unit, "MTX_RTCPADDRESS"), value("rtcpAddress"))
    srtp_at       = first(value(local.env, "MTX_SRTPADDRESS"), flag(local.unit, "MTX_SRTPADDRESS"), value("srtpAddress"))
    srtcp_at      = first(value(local.env, "MTX_SRTCPADDRESS"), flag(local.unit, "MTX_SRTCPADDRESS"), value("srtcpAddress"))
    rtmp_at       = first(value(local.env, "MTX_RTMPADDRESS"), flag(local.unit, "MTX_RTMPADDRESS"), value("rtmpAddress"))
    rtmps_at      = first(value(local.env, "MTX_RTMPSADDRESS"), flag(local.unit, "MTX_RTMPSADDRESS"), value("rtmpsAddress"))
    hls_at        = first(value(local.env, "MTX_HLSADDRESS"), flag(local.unit, "MTX_HLSADDRESS"), value("hlsAddress"))
    webrtc_at     = first(value(local.env, "MTX_WEBRTCADDRESS"), flag(local.unit, "MTX_WEBRTCADDRESS"), value("webrtcAddress"))
    webrtc_udp_at = first(value(local.env, "MTX_WEBRTCICEUDPMUXADDRESS"), flag(local.unit, "MTX_WEBRTCICEUDPMUXADDRESS"), value("webrtcICEUDPMuxAddress"), value(local.env, "MTX_WEBRTCLOCALUDPADDRESS"), flag(local.unit, "MTX_WEBRTCLOCALUDPADDRESS"), value("webrtcLocalUDPAddress"))
    webrtc_tcp_at = first(value(local.env, "MTX_WEBRTCICETCPMUXADDRESS"), flag(local.unit, "MTX_WEBRTCICETCPMUXADDRESS"), value("webrtcICETCPMuxAddress"), value(local.env, "MTX_WEBRTCLOCALTCPADDRESS"), flag(local.unit, "MTX_WEBRTCLOCALTCPADDRESS"), value("webrtcLocalTCPAddress"))
    srt_at        = first(value(local.env, "MTX_SRTADDRESS"), flag(local.unit, "MTX_SRTADDRESS"), value("srtAddress"))
    srtla_at      = first(value(local.env, "MTX_SRTLAADDRESS"), flag(local.unit, "MTX_SRTLAADDRESS"), value("srtlaAddress"))
    moq_http2_at  = first(value(local.env, "MTX_MOQHTTP2ADDRESS"), flag(local.unit, "MTX_MOQHTTP2ADDRESS"), value("moqHTTP2Address"))
    moq_http3_at  = first(value(local.env, "MTX_MOQHTTP3ADDRESS"), flag(local.unit, "MTX_MOQHTTP3ADDRESS"), value("moqHTTP3Address"))
    moq_quic_at   = first(value(local.env, "MTX_MOQQUICADDRESS"), flag(local.unit, "MTX_MOQQUICADDRESS"), value("moqQUICAddress"))
    api_at        = first(value(local.env, "MTX_APIADDRESS"), flag(local.unit, "MTX_APIADDRESS"), value("apiAddress"))
    metrics_at    = first(value(local.env, "MTX_METRICSADDRESS"), flag(local.unit, "MTX_METRICSADDRESS"), value("metricsAddress"))
    pprof_at      = first(value(local.env, "MTX_PPROFADDRESS"), flag(local.unit, "MTX_PPROFADDRESS"), value("pprofAddress"))
    playback_at   = first(value(local.env, "MTX_PLAYBACKADDRESS"), flag(local.unit, "MTX_PLAYBACKADDRESS"), value("playbackAddress"))

    # Scheme, host and port of a source, behind a name and a password.
    sources = [for s in values("paths/*/source") : match("^([a-z]+)(?:\\+[a-z]+)?://(?:[^/@]*@)?(\\[[^]]*\\]|[^:/?]*)(?::([0-9]+))?", s)]
  }

  # An empty address is a mistake, but for the two of WebRTC, where it means off. HTTP may
  # be served on a Unix socket: https://github.com/bluenviron/mediamtx/pull/4241
  listen "rtsp" {
    purpose  = "RTSP"
    when     = local.plain
    protocol = ["tcp"]
    port     = port(local.rtsp_at == "" ? local.rtsp_at : hostport(local.rtsp_at).port, default.rtsp)
    bind     = [first(hostport(local.rtsp_at).host, "*")]
    exposure = "public"
    assigned = ["554", "8554"]
    zero     = "chosen"
  }

  listen "rtsps" {
    purpose  = "RTSP over TLS"
    when     = local.secure
    protocol = ["tcp"]
    port     = port(local.rtsps_at == "" ? local.rtsps_at : hostport(local.rtsps_at).port, default.rtsps)
    bind     = [first(hostport(local.rtsps_at).host, "*")]
    exposure = "public"
    assigned = ["322"]
    zero     = "chosen"
  }

  listen "rtp" {
    purpose  = "RTP"
    when     = local.plain && local.udp
    protocol = ["udp"]
    port     = port(local.rtp_at == "" ? local.rtp_at : hostport(local.rtp_at).port, default.rtp)
    bind     = [first(hostport(local.rtp_at).host, "*")]
    exposure = "public"
    zero     = "chosen"
  }

  listen "rtcp" {
    purpose  = "RTCP"
    when     = local.plain && local.udp
    protocol = ["udp"]
    port     = port(local.rtcp_at == "" ? local.rtcp_at : hostport(local.rtcp_at).port, default.rtcp)
    bind     = [first(hostport(local.rtcp_at).host, "*")]
    exposure = "public"
    zero     = "chosen"
  }

  # The groups are those of multicastIPRange, one for each stream.
  listen "multicast-rtp" {
    purpose  = "RTP by multicast"
    when     = local.plain && local.multicast
    protocol = ["udp"]
    port     = port(first(value(local.env, "MTX_MULTICASTRTPPORT"), flag(local.unit, "MTX_MULTICASTRTPPORT"), value("multicastRTPPort")), default.multicast_rtp)
    exposure = "public"
    zero     = "chosen"
  }

  listen "multicast-rtcp" {
    purpose  = "RTCP by multicast"
    when     = local.plain && local.multicast
    protocol = ["udp"]
    port     = port(first(value(local.env, "MTX_MULTICASTRTCPPORT"), flag(local.unit, "MTX_MULTICASTRTCPPORT"), value("multicastRTCPPort")), default.multicast_rtcp)
    exposure = "public"
    zero     = "chosen"
  }

  listen "srtp" {
    purpose  = "SRTP"
    when     = local.secure && local.udp
    protocol = ["udp"]
    port     = port(local.srtp_at == "" ? local.srtp_at : hostport(local.srtp_at).port, default.srtp)
    bind     = [first(hostport(local.srtp_at).host, "*")]
    exposure = "public"
    zero     = "chosen"
  }

  listen "srtcp" {
    purpose  = "SRTCP"
    when     = local.secure && local.udp
    protocol = ["udp"]
    port     = port(local.srtcp_at == "" ? local.srtcp_at : hostport(local.srtcp_at).port, default.srtcp)
    bind     = [first(hostport(local.srtcp_at).host, "*")]
    exposure = "public"
    zero     = "chosen"
  }

  listen "multicast-srtp" {
    purpose  = "SRTP by multicast"
    when     = local.secure && local.multicast
    protocol = ["udp"]
    port     = port(first(value(local.env, "MTX_MULTICASTSRTPPORT"), flag(local.unit, "MTX_MULTICASTSRTPPORT"), value("multicastSRTPPort")), default.multicast_srtp)
    exposure = "public"
    zero     = "chosen"
  }

  listen "multicast-srtcp" {
    purpose  = "SRTCP by multicast"
    when     = local.secure && local.multicast
    protocol = ["udp"]
    port     = port(first(value(local.env, "MTX_MULTICASTSRTCPPORT"), flag(local.unit, "MTX_MULTICASTSRTCPPORT"), value("multicastSRTCPPort")), default.multicast_srtcp)
    exposure = "public"
    zero     = "chosen"
  }

  listen "rtmp" {
    purpose  = "RTMP"
    when     = local.rtmp_plain
    protocol = ["tcp"]
    port     = port(local.rtmp_at == "" ? local.rtmp_at : hostport(local.rtmp_at).port, default.rtmp)
    bind     = [first(hostport(local.rtmp_at).host, "*")]
    exposure = "public"
    assigned = ["1935"]
    zero     = "chosen"
  }

  listen "rtmps" {
    purpose  = "RTMP over TLS"
    when     = local.rtmp_secure
    protocol = ["tcp"]
    port     = port(local.rtmps_at == "" ? local.rtmps_at : hostport(local.rtmps_at).port, default.rtmps)
    bind     = [first(hostport(local.rtmps_at).host, "*")]
    exposure = "public"
    zero     = "chosen"
  }

  listen "hls" {
    purpose  = "HLS"
    when     = local.hls && !starts_with(local.hls_at, "unix:")
    protocol = ["tcp"]
    port     = port(local.hls_at == "" ? local.hls_at : hostport(local.hls_at).port, default.hls)
    bind     = [first(hostport(local.hls_at).host, "*")]
    exposure = "public"
    assigned = ["80", "443"]
    zero     = "chosen"
  }

  listen "webrtc" {
    purpose  = "WebRTC signalling (WHIP and WHEP)"
    when     = local.webrtc && !starts_with(local.webrtc_at, "unix:")
    protocol = ["tcp"]
    port     = port(local.webrtc_at == "" ? local.webrtc_at : hostport(local.webrtc_at).port, default.webrtc)
    bind     = [first(hostport(local.webrtc_at).host, "*")]
    exposure = "public"
    assigned = ["80", "443"]
    zero     = "chosen"
  }

  listen "webrtc-udp" {
    purpose  = "WebRTC media (ICE)"
    when     = local.webrtc && local.webrtc_udp_at != ""
    protocol = ["udp"]
    port     = port(hostport(local.webrtc_udp_at).port, default.webrtc_udp)
    bind     = [first(hostport(local.webrtc_udp_at).host, "*")]
    exposure = "public"
    zero     = "chosen"
  }

  listen "webrtc-tcp" {
    purpose  = "WebRTC media (ICE over TCP)"
    when     = local.webrtc && local.webrtc_tcp_at != null && local.webrtc_tcp_at != ""
    protocol = ["tcp"]
    port     = port(hostport(local.webrtc_tcp_at).port, null)
    bind     = [first(hostport(local.webrtc_tcp_at).host, "*")]
    exposure = "public"
    zero     = "chosen"
  }

  listen "srt" {
    purpose  = "SRT"
    when     = local.srt
    protocol = ["udp"]
    port     = port(local.srt_at == "" ? local.srt_at : hostport(local.srt_at).port, default.srt)
    bind     = [first(hostport(local.srt_at).host, "*")]
    exposure = "public"
    zero     = "chosen"
  }

  listen "srtla" {
    purpose  = "SRT over several links"
    for_each = local.knows_la ? ["srtla"] : []
    when     = local.srtla && local.srt
    protocol = ["udp"]
    port     = port(local.srtla_at == "" ? local.srtla_at : hostport(local.srtla_at).port, default.srtla)
    bind     = [first(hostport(local.srtla_at).host, "*")]
    exposure = "public"
    zero     = "chosen"
  }

  listen "moq-http2" {
    purpose  = "MoQ (HTTP/2)"
    when     = local.moq
    protocol = ["tcp"]
    port     = port(local.moq_http2_at == "" ? local.moq_http2_at : hostport(local.moq_http2_at).port, local.knows_moq ? default.moq_http : default.moq_unsaid)
    bind     = [first(hostport(local.moq_http2_at).host, "*")]
    exposure = "public"
    zero     = "chosen"
  }

  listen "moq-http3" {
    purpose  = "MoQ (HTTP/3)"
    for_each = local.knows_moq ? ["moq"] : []
    when     = local.moq
    protocol = ["udp"]
    port     = port(local.moq_http3_at == "" ? local.moq_http3_at : hostport(local.moq_http3_at).port, default.moq_http)
    bind     = [first(hostport(local.moq_http3_at).host, "*")]
    exposure = "public"
    zero     = "chosen"
  }

  # The release that brought SRTLA listens for plain QUIC no more.
  listen "moq-quic" {
    purpose  = "MoQ (QUIC)"
    for_each = local.moq_quic_at != null || local.knows_moq && !local.knows_la ? ["moq"] : []
    when     = local.moq
    protocol = ["udp"]
    port     = port(local.moq_quic_at == "" ? local.moq_quic_at : hostport(local.moq_quic_at).port, default.moq_quic)
    bind     = [first(hostport(local.moq_quic_at).host, "*")]
    exposure = "public"
    zero     = "chosen"
  }

  listen "api" {
    purpose  = "control API"
    when     = local.api && !starts_with(local.api_at, "unix:")
    protocol = ["tcp"]
    port     = port(local.api_at == "" ? local.api_at : hostport(local.api_at).port, default.api)
    bind     = [first(hostport(local.api_at).host, "*")]
    exposure = "admin"
    zero     = "chosen"
  }

  listen "metrics" {
    purpose  = "metrics"
    when     = local.metrics && !starts_with(local.metrics_at, "unix:")
    protocol = ["tcp"]
    port     = port(local.metrics_at == "" ? local.metrics_at : hostport(local.metrics_at).port, default.metrics)
    bind     = [first(hostport(local.metrics_at).host, "*")]
    exposure = "admin"
    zero     = "chosen"
  }

  listen "pprof" {
    purpose  = "profiling"
    when     = local.pprof && !starts_with(local.pprof_at, "unix:")
    protocol = ["tcp"]
    port     = port(local.pprof_at == "" ? local.pprof_at : hostport(local.pprof_at).port, default.pprof)
    bind     = [first(hostport(local.pprof_at).host, "*")]
    exposure = "admin"
    zero     = "chosen"
  }

  listen "playback" {
    purpose  = "playback of recordings"
    when     = local.playback && !starts_with(local.playback_at, "unix:")
    protocol = ["tcp"]
    port     = port(local.playback_at == "" ? local.playback_at : hostport(local.playback_at).port, default.playback)
    bind     = [first(hostport(local.playback_at).host, "*")]
    exposure = "public"
    zero     = "chosen"
  }

  # A UDP source is waited for.
  listen "source" {
    purpose  = "stream that is sent here"
    for_each = [for m in local.sources : m if length(m) > 0 && m[0] == "udp" && m[2] != null]
    protocol = ["udp"]
    port     = port(each.value[2], null)
    exposure = "public"
    zero     = "chosen"
  }

  # All other sources are fetched. rtspUDPSourcePortRange is where answers come in.
  connect "source" {
    purpose  = "stream that is fetched"
    for_each = [for m in local.sources : m if length(m) > 0 && contains(["rtsp", "rtsps", "rtmp", "rtmps", "http", "https", "whep", "wheps", "srt"], m[0]) && m[2] != null]
    protocol = each.value[0] == "srt" ? ["udp"] : ["tcp"]
    peer     = each.value[1]
    port     = port(each.value[2], null)
  }

  test "nothing written but one port" {
    input = <<-EOT
      logLevel: info
      moq: no
      rtspAddress: :9554
    EOT
    expect = [
      "rtsp tcp * 9554 config L3",
      "rtp udp * 8000 default",
      "rtcp udp * 8001 default",
      "multicast-rtp udp * 8002 default",
      "multicast-rtcp udp * 8003 default",
      "rtmp tcp * 1935 default",
      "hls tcp * 8888 default",
      "webrtc tcp * 8889 default",
      "webrtc-udp udp * 8189 default",
      "srt udp * 8890 default",
    ]
  }

  test "a release that nobody names" {
    input  = <<-EOT
      rtsp: no
      rtmp: no
      hls: no
      webrtc: no
      srt: no
    EOT
    expect = []
  }

  test "encryption, everything written" {
    input = <<-EOT
      api: yes
      apiAddress: 127.0.0.1:7997
      metrics: yes
      metricsAddress: :7998
      pprof: yes
      pprofAddress: :7999
      playback: yes
      playbackAddress: :7996
      rtspEncryption: strict
      rtspTransports: [tcp, udp, multicast]
      rtspsAddress: "[2001:db8::1]:7322"
      srtpAddress: :7004
      srtcpAddress: :7005
      multicastSRTPPort: 7006
      multicastSRTCPPort: 7007
      rtmpEncryption: "optional"
      rtmpAddress: :7935
      rtmpsAddress: :7936
      hls: no
      webrtcAddress: :7889
      webrtcLocalUDPAddress: ""
      webrtcLocalTCPAddress: :7189
      srt: no
      moq: true
      moqHTTP2Address: :7892
      moqHTTP3Address: :7893
      moqQUICAddress: :7894
    EOT
    expect = [
      "api tcp 127.0.0.1 7997 config L2",
      "metrics tcp * 7998 config L4",
      "pprof tcp * 7999 config L6",
      "playback tcp * 7996 config L8",
      "rtsps tcp 2001:db8::1 7322 config L11",
      "srtp udp * 7004 config L12",
      "srtcp udp * 7005 config L13",
      "multicast-srtp udp * 7006 config L14",
      "multicast-srtcp udp * 7007 config L15",
      "rtmp tcp * 7935 config L17",
      "rtmps tcp * 7936 config L18",
      "webrtc tcp * 7889 config L20",
      "webrtc-tcp tcp * 7189 config L22",
      "moq-http2 tcp * 7892 config L25",
      "moq-http3 udp * 7893 config L26",
      "moq-quic udp * 7894 config L27",
    ]
  }

  test "a Unix socket" {
    input  = <<-EOT
      rtsp: no
      rtmp: no
      hlsAddress: unix:///run/hls.sock
      webrtc: no
      srt: no
      moq: no
    EOT
    expect = []
  }

  test "sources" {
    input = <<-EOT
      rtspTransports: [tcp]
      rtmpDisable: yes
      hlsDisable: yes
      webrtcDisable: yes
      srt: no
      moq: no
      pathDefaults:
        rtspUDPSourcePortRange: [33000, 34000]
      paths:
        gate:
          source: rtsp://viewer:secret@192.0.2.7:8555/live
        tower:
          source: udp+mpegts://238.0.0.1:1234
        here:
          source: publisher
    EOT
    expect = [
      "rtsp tcp * 8554 default",
      "source tcp -> 192.0.2.7 8555 config L11",
      "source udp * 1234 config L13",
    ]
  }

  test "the environment" {
    role   = "env"
    input  = <<-EOT
      MTX_RTSPADDRESS=10.0.0.5:9554
      MTX_RTSPTRANSPORTS=tcp
      MTX_RTMP=no
      MTX_HLS=no
      MTX_WEBRTC=no
      MTX_SRT=no
      MTX_MOQ=no
    EOT
    expect = ["rtsp tcp 10.0.0.5 9554 config L1"]
  }

  test "the environment in a unit" {
    role   = "unit"
    input  = <<-EOT
      [Service]
      ExecStart=/usr/local/bin/mediamtx /etc/mediamtx/mediamtx.yml
      Environment="MTX_RTSP=no" MTX_RTMPADDRESS=:2935 MTX_HLS=no
      Environment=MTX_WEBRTC=no MTX_SRT=no MTX_MOQ=no
    EOT
    expect = ["rtmp tcp * 2935 config L3"]
  }

  test "a file and both environments" {
    files = {
      conf = "rtspAddress: :9001\nrtmpAddress: :9002\nsrtAddress: :9003\nrtspTransports: [tcp]\nhls: no\nwebrtc: no\nmoq: no\n"
      env  = "MTX_RTSPADDRESS=:9101\n"
      unit = "[Service]\nEnvironment=MTX_RTSPADDRESS=:9201 MTX_RTMPADDRESS=:9202\n"
    }
    expect = [
      "rtsp tcp * 9101 config L1",
      "rtmp tcp * 9202 config L2",
      "srt udp * 9003 config L3",
    ]
  }

  test "a container" {
    role   = "container"
    input  = <<-EOT
      services:
        media:
          image: bluenviron/mediamtx:1
          network_mode: host
          environment:
            MTX_RTSPADDRESS: ":9554"
            MTX_PROTOCOLS: tcp
            MTX_RTMP: "no"
            MTX_HLS: "no"
            MTX_WEBRTC: "no"
            MTX_SRT: "no"
            MTX_MOQ: "no"
            MTX_SRTLA: "no"
    EOT
    expect = ["rtsp tcp * 9554 config L6"]
  }
}
