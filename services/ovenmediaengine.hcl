# OvenMediaEngine. Blocks of one process that name the same port share its socket. Pull
# providers (OVT, RTSPC) open nothing. A port whose block does not say it is claimed only
# where its built-in value is known.

service "ovenmediaengine" {
  title     = "OvenMediaEngine"
  platforms = ["linux"]
  cites     = ["https://docs.ovenmediaengine.com/configuration"]

  file "conf" {
    format      = "ome-xml"
    accept      = has("Server/Bind")
    common_name = true # Tomcat and others have a server.xml too
    paths = {
      linux = [
        "/usr/share/ovenmediaengine/conf/Server.xml",
        "/usr/share/ovenmediaengine/conf/Origin.xml",
        "/usr/share/ovenmediaengine/conf/Edge.xml",
        "/opt/ovenmediaengine/bin/*_conf/Server.xml",
        "/opt/ovenmediaengine/bin/conf/Server.xml",
      ]
    }
  }

  default "rtmp" {
    setting = "Port"
    case {
      value = "1935"
      cites = ["https://github.com/AirenSoft/OvenMediaEngine/blob/09ce8b313ce9633fd176bb3e6930ad253908d417/src/projects/config/items/bind/providers/providers.h"]
    }
  }

  default "rtsp" {
    setting = "Port"
    case {
      value = "554"
      cites = ["https://github.com/AirenSoft/OvenMediaEngine/blob/09ce8b313ce9633fd176bb3e6930ad253908d417/src/projects/config/items/bind/providers/providers.h"]
    }
  }

  default "srt" {
    setting = "Port"
    case {
      value = "9999"
      cites = ["https://github.com/AirenSoft/OvenMediaEngine/blob/09ce8b313ce9633fd176bb3e6930ad253908d417/src/projects/config/items/bind/providers/providers.h"]
    }
  }

  default "mpegts" {
    setting = "Port"
    case {
      value = "4000"
      cites = ["https://github.com/AirenSoft/OvenMediaEngine/blob/09ce8b313ce9633fd176bb3e6930ad253908d417/src/projects/config/items/bind/providers/providers.h"]
    }
  }

  default "signalling" {
    setting = "Port"
    case {
      value = "3333"
      cites = ["https://github.com/AirenSoft/OvenMediaEngine/blob/09ce8b313ce9633fd176bb3e6930ad253908d417/src/projects/config/items/bind/providers/providers.h"]
    }
  }

  default "ovt" {
    setting = "Port"
    case {
      value = "9000"
      cites = ["https://github.com/AirenSoft/OvenMediaEngine/blob/07036933a158608b23d6b801313e56ab27d448f8/src/projects/config/items/bind/publishers/publishers.h"]
    }
  }

  locals {
    # What Server and Bind do not say, no virtual host can add: "first" takes the built-in
    # value even where an included file could not be read.
    bind = length(values("Server/IP")) > 0 ? values("Server/IP") : ["*"]
  }

  listen "rtmp" {
    purpose  = "RTMP input"
    for_each = find("Server/Bind/Providers/RTMP")
    protocol = ["tcp"]
    port     = port(trim_suffix(trim_suffix(trim_suffix(first(nonempty(value(each.value, "Port")), default.rtmp), "/tcp"), "/udp"), "/srt"), 0)
    bind     = local.bind
    share    = "ome"
    exposure = "public"
    assigned = ["1935"]
  }

  listen "rtsp" {
    purpose  = "RTSP input"
    for_each = find("Server/Bind/Providers/RTSP")
    protocol = ["tcp"]
    port     = port(trim_suffix(trim_suffix(trim_suffix(first(nonempty(value(each.value, "Port")), default.rtsp), "/tcp"), "/udp"), "/srt"), 0)
    bind     = local.bind
    share    = "ome"
    exposure = "public"
    assigned = ["554"]
  }

  # SRT runs over UDP, whatever the file calls it.
  listen "srt-input" {
    purpose  = "SRT input"
    for_each = find("Server/Bind/Providers/SRT")
    protocol = ["udp"]
    port     = port(trim_suffix(trim_suffix(trim_suffix(first(nonempty(value(each.value, "Port")), default.srt), "/tcp"), "/udp"), "/srt"), 0)
    bind     = local.bind
    share    = "ome"
    exposure = "public"
  }

  listen "srt-output" {
    purpose  = "SRT output"
    for_each = values("Server/Bind/Publishers/SRT/Port")
    protocol = ["udp"]
    port     = port(trim_suffix(trim_suffix(trim_suffix(each.value, "/tcp"), "/udp"), "/srt"), 0)
    bind     = local.bind
    share    = "ome"
    exposure = "public"
  }

  # A list of ports and ranges with one protocol behind all of it, udp without:
  # https://github.com/AirenSoft/OvenMediaEngine/blob/08f78e6ac0087bf7cfd0ec5ecdad2be300a32f82/src/projects/config/items/common/ranged_port.h
  each "mpegts" {
    for_each = find("Server/Bind/Providers/MPEGTS")

    locals {
      text = first(nonempty(value(each.value, "Port")), default.mpegts)
      tcp  = length([for p in items(local.text, "/") : p if lower(p) == "tcp"]) > 0
    }

    listen "mpegts" {
      purpose  = "MPEG-TS input"
      for_each = items(trim_suffix(trim_suffix(trim_suffix(local.text, "/tcp"), "/udp"), "/srt"), ",")
      protocol = local.tcp ? ["tcp"] : ["udp"]
      first    = port(range(each.value).first, 0)
      last     = port(range(each.value).last, 0)
      bind     = local.bind
      share    = "ome"
      exposure = "public"
    }
  }

  # Input and output have signalling of the same form.
  listen "signalling" {
    purpose  = "WebRTC signalling"
    for_each = find("Server/Bind/*/WebRTC/Signalling")
    protocol = ["tcp"]
    port     = port(trim_suffix(trim_suffix(trim_suffix(first(nonempty(value(each.value, "Port")), default.signalling), "/tcp"), "/udp"), "/srt"), 0)
    bind     = local.bind
    share    = "ome"
    exposure = "public"
  }

  listen "signalling-tls" {
    purpose  = "WebRTC signalling (TLS)"
    for_each = values("Server/Bind/*/WebRTC/Signalling/TLSPort")
    protocol = ["tcp"]
    port     = port(trim_suffix(trim_suffix(trim_suffix(each.value, "/tcp"), "/udp"), "/srt"), 0)
    bind     = local.bind
    share    = "ome"
    exposure = "public"
  }

  # Both ends of a candidate are used. Its address is what is told to the other side; the
  # socket is bound to the server's own.
  each "ice" {
    for_each = values("Server/Bind/*/WebRTC/IceCandidates/IceCandidate")

    locals {
      tcp = length([for p in items(each.value, "/") : p if lower(p) == "tcp"]) > 0
    }

    listen "ice" {
      purpose  = "WebRTC media (ICE)"
      for_each = items(hostport(each.value).port, ",")
      protocol = local.tcp ? ["tcp"] : ["udp"]
      first    = port(range(each.value).first, 0)
      last     = port(range(each.value).last, 0)
      bind     = local.bind
      share    = "ome"
      exposure = "public"
    }
  }

  listen "relay" {
    purpose  = "WebRTC relay (TURN over TCP)"
    for_each = [for r in values("Server/Bind/*/WebRTC/IceCandidates/TcpRelay") : r if hostport(r).port != null]
    protocol = ["tcp"]
    port     = port(hostport(each.value).port, 0)
    bind     = local.bind
    share    = "ome"
    exposure = "public"
    assigned = ["3478"]
  }

  # Edges pull from here.
  listen "ovt" {
    purpose  = "OVT for edges"
    for_each = find("Server/Bind/Publishers/OVT")
    protocol = ["tcp"]
    port     = port(trim_suffix(trim_suffix(trim_suffix(first(nonempty(value(each.value, "Port")), default.ovt), "/tcp"), "/udp"), "/srt"), 0)
    bind     = local.bind
    share    = "ome"
    exposure = "internal"
  }

  listen "http" {
    purpose  = "HTTP output"
    for_each = concat(values("Server/Bind/Publishers/LLHLS/Port"), values("Server/Bind/Publishers/HLS/Port"), values("Server/Bind/Publishers/DASH/Port"), values("Server/Bind/Publishers/LLDASH/Port"), values("Server/Bind/Publishers/Thumbnail/Port"))
    protocol = ["tcp"]
    port     = port(trim_suffix(trim_suffix(trim_suffix(each.value, "/tcp"), "/udp"), "/srt"), 0)
    bind     = local.bind
    share    = "ome"
    exposure = "public"
    assigned = ["80"]
  }

  listen "https" {
    purpose  = "HTTPS output"
    for_each = concat(values("Server/Bind/Publishers/LLHLS/TLSPort"), values("Server/Bind/Publishers/HLS/TLSPort"), values("Server/Bind/Publishers/DASH/TLSPort"), values("Server/Bind/Publishers/LLDASH/TLSPort"), values("Server/Bind/Publishers/Thumbnail/TLSPort"))
    protocol = ["tcp"]
    port     = port(trim_suffix(trim_suffix(trim_suffix(each.value, "/tcp"), "/udp"), "/srt"), 0)
    bind     = local.bind
    share    = "ome"
    exposure = "public"
    assigned = ["443"]
  }

  listen "api" {
    purpose  = "REST API"
    for_each = concat(values("Server/Bind/Managers/API/Port"), values("Server/Bind/Managers/API/TLSPort"))
    protocol = ["tcp"]
    port     = port(trim_suffix(trim_suffix(trim_suffix(each.value, "/tcp"), "/udp"), "/srt"), 0)
    bind     = local.bind
    share    = "ome"
    exposure = "admin"
  }

  connect "stun" {
    purpose  = "STUN server that tells the public address"
    for_each = [for s in [for t in values("Server/StunServer") : hostport(t)] : s if s.port != null]
    protocol = ["udp"]
    peer     = each.value.host
    port     = port(each.value.port, null)
  }

  # Streams are pulled from there.
  connect "origin" {
    purpose  = "origin server"
    for_each = [for u in [for t in values("Server/VirtualHosts/VirtualHost/Origins/Origin/Pass/Urls/Url") : hostport(t)] : u if u.port != null]
    protocol = ["tcp"]
    peer     = text(nonempty(each.value.host), "*")
    port     = port(each.value.port, null)
  }

  test "the same port in several blocks" {
    input = <<-EOT
      <Server version="8">
        <IP>10.0.0.5</IP>
        <StunServer>stun.example:13479</StunServer>
        <Bind>
          <Managers><API><Port>8091</Port></API></Managers>
          <Providers>
            <OVT><WorkerCount>1</WorkerCount></OVT>
            <RTMP><Port>1936</Port></RTMP>
            <SRT><Port>9997</Port></SRT>
            <MPEGTS><Port>4100-4104,4106/udp</Port></MPEGTS>
            <WebRTC>
              <Signalling><Port>3343</Port><TLSPort>3344</TLSPort></Signalling>
              <IceCandidates>
                <IceCandidate>*:11000-11004/udp</IceCandidate>
                <TcpRelay>*:3479</TcpRelay>
              </IceCandidates>
            </WebRTC>
          </Providers>
          <Publishers>
            <LLHLS><Port>3343</Port><TLSPort>3344</TLSPort></LLHLS>
          </Publishers>
        </Bind>
        <VirtualHosts><VirtualHost><Origins><Origin><Pass><Scheme>ovt</Scheme>
          <Urls><Url>origin.example:9001/app/</Url></Urls>
        </Pass></Origin></Origins></VirtualHost></VirtualHosts>
      </Server>
    EOT
    expect = [
      "stun udp -> stun.example 13479 config L3",
      "api tcp 10.0.0.5 8091 config L5",
      "rtmp tcp 10.0.0.5 1936 config L8",
      "srt-input udp 10.0.0.5 9997 config L9",
      "mpegts udp 10.0.0.5 4100-4104 config L10",
      "mpegts udp 10.0.0.5 4106 config L10",
      "signalling tcp 10.0.0.5 3343 config L12",
      "signalling-tls tcp 10.0.0.5 3344 config L12",
      "ice udp 10.0.0.5 11000-11004 config L14",
      "relay tcp 10.0.0.5 3479 config L15",
      "http tcp 10.0.0.5 3343 config L20",
      "https tcp 10.0.0.5 3344 config L20",
      "origin tcp -> origin.example 9001 config L24",
    ]
  }

  test "variables" {
    input = <<-EOT
      <Server version="8">
        <IP>*</IP>
        <Bind>
          <Providers>
            <RTMP><Port>$${env:RTMP:1937}</Port></RTMP>
            <SRT><Port>$${env:SRT_WITHOUT_DEFAULT}</Port></SRT>
            <WebRTC>
              <IceCandidates>
                <IceCandidate>$${env:IP:*}:$${env:ICE:12000-12004,12006/tcp}</IceCandidate>
                <TcpRelay>$${env:IP:*}:$${env:RELAY:3480}</TcpRelay>
              </IceCandidates>
            </WebRTC>
          </Providers>
        </Bind>
      </Server>
    EOT
    expect = [
      "rtmp tcp * 1937 config L5",
      "ice tcp * 12000-12004 config L9",
      "ice tcp * 12006 config L9",
      "relay tcp * 3480 config L10",
    ]
  }

  test "blocks that say no port" {
    input  = <<-EOT
      <Server>
        <Bind>
          <Providers><RTMP/><RTSPC><WorkerCount>1</WorkerCount></RTSPC></Providers>
          <Publishers><OVT/></Publishers>
        </Bind>
      </Server>
    EOT
    expect = ["rtmp tcp * 1935 default", "ovt tcp * 9000 default"]
  }
}
