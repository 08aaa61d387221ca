# Jitsi Videobridge. Its file lies over the defaults inside the program, and the settings
# of the old properties file win over both.

service "jitsi-videobridge" {
  title     = "Jitsi Videobridge"
  platforms = ["linux"]
  runs      = ["jitsi-videobridge2.service"]
  cites     = ["https://github.com/jitsi/jitsi-videobridge/blob/a29d97d13fbfb54afc676a526485ce87df4f7a64/jvb/src/main/resources/reference.conf"]

  file "conf" {
    format  = "hocon"
    accept  = has("videobridge") || has("ice4j") || !has("*")
    samples = ["/reference.conf", "/application.conf"] # the defaults in the program
    paths = {
      linux = ["/etc/jitsi/videobridge/jvb.conf"]
    }
  }

  file "legacy" {
    format = "properties"
    accept = has("org.jitsi.videobridge.*")
    paths = {
      linux = ["/etc/jitsi/videobridge/sip-communicator.properties"]
    }
    common_name = true
  }

  default "ice-port" {
    setting = "videobridge.ice.udp.port"
    case {
      value = 10000
      cites = ["https://github.com/jitsi/jitsi-videobridge/blob/a29d97d13fbfb54afc676a526485ce87df4f7a64/jvb/src/main/resources/reference.conf#L296"]
    }
  }

  default "http-port" {
    setting = "videobridge.http-servers.private.port"
    case {
      value = 8080
      cites = ["https://github.com/jitsi/jicoco"]
    }
  }

  default "tls-port" {
    setting = "videobridge.http-servers.private.tls-port"
    case {
      value = 8443
      cites = ["https://github.com/jitsi/jicoco"]
    }
  }

  locals {
    old     = file("legacy")
    ice     = first(value(local.old, "org.jitsi.videobridge.SINGLE_PORT_HARVESTER_PORT"), value("videobridge/ice/udp/port"))
    private = first(value(local.old, "org.jitsi.videobridge.rest.private.jetty.port"), value("videobridge/http-servers/private/port"))
    public  = first(value(local.old, "org.jitsi.videobridge.rest.jetty.port"), value("videobridge/http-servers/public/port"))
    host    = first(value(local.old, "org.jitsi.videobridge.rest.private.jetty.host"), value("videobridge/http-servers/private/host"))

    # -1 switches a server off. The public one is off unless somebody switches it on.
    private_on  = local.private == null || local.private != "-1"
    public_on   = local.public != null && local.public != "-1"
    private_tls = value("videobridge/http-servers/private/tls-port")
    public_tls  = value("videobridge/http-servers/public/tls-port")
  }

  listen "ice" {
    purpose  = "media (ICE, RTP and RTCP)"
    when     = local.ice == null || local.ice != "-1"
    protocol = ["udp"]
    port     = port(local.ice, default.ice-port)
    exposure = "public"
  }

  listen "http-private" {
    purpose      = "health, statistics and control over HTTP"
    when         = local.private_on
    protocol     = ["tcp"]
    port         = port(local.private, default.http-port)
    bind         = [text(local.host, "127.0.0.1")]
    exposure     = "internal"
    trusted_only = "https://github.com/jitsi/jitsi-videobridge/blob/master/doc/rest.md"
  }

  listen "https-private" {
    purpose      = "health, statistics and control over HTTPS"
    when         = has("videobridge/http-servers/private/key-store-path") && (local.private_tls == null || local.private_tls != "-1")
    protocol     = ["tcp"]
    port         = port(local.private_tls, default.tls-port)
    bind         = [text(local.host, "127.0.0.1")]
    exposure     = "internal"
    trusted_only = "https://github.com/jitsi/jitsi-videobridge/blob/master/doc/rest.md"
  }

  listen "http-public" {
    purpose  = "WebSockets of the bridge channel"
    when     = local.public_on
    protocol = ["tcp"]
    port     = port(local.public, null)
    bind     = [text(value("videobridge/http-servers/public/host"), "*")]
    exposure = "public"
  }

  listen "https-public" {
    purpose  = "WebSockets of the bridge channel over TLS"
    when     = local.public_tls != null && local.public_tls != "-1"
    protocol = ["tcp"]
    port     = port(local.public_tls, null)
    bind     = [text(value("videobridge/http-servers/public/host"), "*")]
    exposure = "public"
  }

  test "dotted keys and blocks" {
    input  = <<-EOT
      videobridge.ice.udp.port = 10100
      videobridge {
        http-servers {
          public { port = 9090 }
          private.port = -1
        }
      }
    EOT
    expect = ["ice udp * 10100 config L1", "http-public tcp * 9090 config L4"]
  }

  test "nothing written" {
    input  = "videobridge { stats { enabled = true } }\n"
    expect = ["ice udp * 10000 default", "http-private tcp 127.0.0.1 8080 default"]
  }

  test "the old file wins" {
    role   = "legacy"
    input  = <<-EOT
      org.jitsi.videobridge.SINGLE_PORT_HARVESTER_PORT=4443
      org.jitsi.videobridge.rest.private.jetty.port=-1
    EOT
    expect = ["ice udp * 4443 config L1"]
  }
}
