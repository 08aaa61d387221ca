# LumenVox speech recognition server. asr_server.conf, its later name, is unverified.

service "lumenvox-sre" {
  title     = "LumenVox speech recognition (SRE, later ASR) server"
  platforms = ["linux", "windows-server"]
  cites     = ["https://github.com/benlangfeld/lumenvox-chef/tree/3761a9294967109227392342d29bb1894664342f/templates/default"]

  file "conf" {
    format        = "lumenvox"
    default_words = ["default"]
    accept        = section("SRE")
    paths = {
      linux   = ["/etc/lumenvox/sre_server.conf", "/etc/lumenvox/asr_server.conf"]
      windows = ["C:/Program Files/LumenVox/config/sre_server.conf", "C:/Program Files/LumenVox/Engine/config/sre_server.conf"]
    }
  }

  default "port" {
    setting = "SRE_PORTNUM"
    case {
      value = 5730
      cites = ["https://github.com/benlangfeld/lumenvox-chef/tree/3761a9294967109227392342d29bb1894664342f/templates/default"]
    }
  }

  listen "sre" {
    purpose  = "speech recognition"
    protocol = ["tcp"] # unverified: the protocol is not documented
    port     = port(setting("SRE", "SRE_PORTNUM"), default.port)
    exposure = "internal"
  }

  test "as shipped" {
    input = <<-EOT
      [GLOBAL]
      VERSION = 10.5.200
      [SRE]
      SRE_PORTNUM = default
    EOT
    expect = [
      "sre tcp * 5730 default L4",
    ]
  }
}
