# Vosk servers are told in their environment alone. The one that speaks gRPC has another
# built-in port than those that speak WebSocket or WebRTC.

service "vosk-server" {
  title     = "Vosk server"
  platforms = ["linux"]
  cites     = ["https://github.com/alphacep/vosk-server"]

  file "env" {
    format = "env"
    accept = has("VOSK_*")
    paths = {
      linux = ["/etc/default/vosk-server", "/etc/sysconfig/vosk-server", "/etc/default/vosk", "/etc/sysconfig/vosk"]
    }
  }

  file "unit" {
    format      = "systemd"
    common_name = true
    accept      = length(match("(asr_server|stt_server|vosk[-_]server)", value("Service/ExecStart"))) > 0
    units       = ["vosk-server.service", "vosk.service", "vosk@*.service"]
  }

  file "container" {
    format = "compose"
    images = ["alphacep/kaldi-*", "vosk-server"]
  }

  default "port" {
    setting = "VOSK_SERVER_PORT"
    case {
      value = 2700
      cites = ["https://github.com/alphacep/vosk-server/blob/master/websocket/asr_server.py"]
    }
  }

  default "grpc" {
    setting = "VOSK_SERVER_PORT"
    case {
      value = 5001
      cites = ["https://github.com/alphacep/vosk-server/blob/master/grpc/stt_server.py"]
    }
  }

  default "bind" {
    setting = "VOSK_SERVER_INTERFACE"
    case {
      value = "0.0.0.0"
      cites = ["https://github.com/alphacep/vosk-server/blob/master/websocket/asr_server.py"]
    }
  }

  locals {
    unit = flatten([for v in values(file("unit"), "Service/Environment") : words(v, "systemd")])
    env  = first(find(file("container"), "environment")...)
    port = first(value("VOSK_SERVER_PORT"), flag(local.unit, "VOSK_SERVER_PORT"), value(local.env, "VOSK_SERVER_PORT"))

    # A program that the unit starts, or that nobody shows.
    grpc = length(match("(grpc|stt_serve)r?", first(value(file("unit"), "Service/ExecStart"), value(file("container"), "image")))) > 0
  }

  listen "recognition" {
    purpose  = "speech recognition"
    protocol = ["tcp"]
    port     = port(local.port, local.grpc ? default.grpc : default.port)
    bind     = [text(first(value("VOSK_SERVER_INTERFACE"), flag(local.unit, "VOSK_SERVER_INTERFACE"), value(local.env, "VOSK_SERVER_INTERFACE")), default.bind)]
    exposure = "internal"
    zero     = "chosen"
  }

  test "the environment" {
    input  = <<-EOT
      VOSK_SERVER_INTERFACE=10.0.0.5
      VOSK_SERVER_PORT=2701
    EOT
    expect = ["recognition tcp 10.0.0.5 2701 config L2"]
  }

  test "nothing written" {
    input  = "VOSK_MODEL_PATH=/opt/vosk/model\n"
    expect = ["recognition tcp 0.0.0.0 2700 default"]
  }

  test "a unit" {
    role   = "unit"
    input  = <<-EOT
      [Service]
      Environment="VOSK_SERVER_PORT=2702" VOSK_SERVER_INTERFACE=127.0.0.1
      ExecStart=/usr/bin/python3 /opt/vosk-server/websocket/asr_server.py /opt/vosk/model
    EOT
    expect = ["recognition tcp 127.0.0.1 2702 config L2"]
  }

  test "gRPC" {
    role   = "unit"
    input  = <<-EOT
      [Service]
      ExecStart=/usr/bin/python3 /opt/vosk-server/grpc/stt_server.py
    EOT
    expect = ["recognition tcp 0.0.0.0 5001 default"]
  }

  test "containers" {
    role   = "container"
    input  = <<-EOT
      services:
        de:
          image: alphacep/kaldi-de:latest
          network_mode: host
          environment: ["VOSK_SERVER_PORT=2705"]
        rpc:
          image: alphacep/kaldi-grpc-en
          network_mode: host
    EOT
    expect = ["recognition tcp 0.0.0.0 2705 config L5", "recognition tcp 0.0.0.0 5001 default"]
  }
}
