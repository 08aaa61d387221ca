# LumenVox License Server. The name of its file and of its key were not found in any
# document: license_server.conf is unverified, and so only the default port is claimed.

service "lumenvox-license" {
  title     = "LumenVox License Server"
  platforms = ["linux", "windows-server"]
  cites     = ["https://github.com/benlangfeld/lumenvox-chef/tree/3761a9294967109227392342d29bb1894664342f/templates/default"]

  file "conf" {
    format        = "lumenvox"
    default_words = ["default"]
    accept        = section("GLOBAL")
    paths = {
      linux   = ["/etc/lumenvox/license_server.conf"]
      windows = ["C:/Program Files/LumenVox/config/license_server.conf", "C:/Program Files/LumenVox/Engine/config/license_server.conf"]
    }
  }

  default "port" {
    setting = "the port of the license server"
    case {
      value = 7569
      cites = ["https://www.lumenvox.com/help/speechEngine/administration/licensing/subscription_licensing.htm", "https://github.com/benlangfeld/lumenvox-chef/tree/3761a9294967109227392342d29bb1894664342f/templates/default"]
    }
  }

  listen "license" {
    purpose  = "licenses"
    protocol = ["tcp"]
    port     = port(null, default.port)
    exposure = "internal"
  }

  test "any file" {
    input = <<-EOT
      [GLOBAL]
      VERSION = 10.5.200
    EOT
    expect = [
      "license tcp * 7569 default",
    ]
  }
}
