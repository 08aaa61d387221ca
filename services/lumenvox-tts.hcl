# LumenVox text-to-speech server.

service "lumenvox-tts" {
  title     = "LumenVox text-to-speech server"
  platforms = ["linux", "windows-server"]
  cites     = ["https://github.com/benlangfeld/lumenvox-chef/tree/3761a9294967109227392342d29bb1894664342f/templates/default"]

  file "conf" {
    format        = "lumenvox"
    default_words = ["default"]
    accept        = section("GLOBAL")
    paths = {
      linux   = ["/etc/lumenvox/tts_server.conf"]
      windows = ["C:/Program Files/LumenVox/config/tts_server.conf", "C:/Program Files/LumenVox/Engine/config/tts_server.conf"]
    }
  }

  default "port" {
    setting = "PORT_NUM"
    case {
      value = 7579
      cites = ["https://github.com/benlangfeld/lumenvox-chef/tree/3761a9294967109227392342d29bb1894664342f/templates/default"]
    }
  }

  listen "tts" {
    purpose  = "text to speech"
    protocol = ["tcp"] # unverified: the protocol is not documented
    port     = port(setting("GLOBAL", "PORT_NUM"), default.port)
    exposure = "internal"
  }

  test "as shipped" {
    input = <<-EOT
      [GLOBAL]
      VERSION = 10.5.200
      PORT_NUM = default
    EOT
    expect = [
      "tts tcp * 7579 default L3",
    ]
  }

  test "moved" {
    input = <<-EOT
      [GLOBAL]
      PORT_NUM = 07580
    EOT
    expect = [
      "tts tcp * 7580 config L2",
    ]
  }
}
