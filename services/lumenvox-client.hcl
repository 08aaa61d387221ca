# LumenVox client library: it opens no port and connects to lists of servers, host or
# host:port joined by ";". LIC_SERVER_HOSTNAME is the name before 10.0.

service "lumenvox-client" {
  title     = "LumenVox client library"
  platforms = ["linux", "windows-server"]
  cites     = ["https://github.com/benlangfeld/lumenvox-chef/tree/3761a9294967109227392342d29bb1894664342f/templates/default"]

  file "conf" {
    format        = "lumenvox"
    default_words = ["default"]
    accept        = section("GLOBAL")
    paths = {
      linux   = ["/etc/lumenvox/client_property.conf"]
      windows = ["C:/Program Files/LumenVox/Engine/config/client_property.conf", "C:/Program Files/LumenVox/config/client_property.conf"]
    }
  }

  default "license_servers" {
    setting = "LICENSE_SERVERS"
    case {
      value = "127.0.0.1"
      cites = ["https://github.com/benlangfeld/lumenvox-chef/tree/3761a9294967109227392342d29bb1894664342f/templates/default", "http://www.lumenvox.com/knowledgebase/index.php?/article/AA-01500/0/client_property.conf.html"]
    }
  }

  default "sre_servers" {
    setting = "SRE_SERVERS"
    case {
      value = "127.0.0.1"
      cites = ["https://github.com/benlangfeld/lumenvox-chef/tree/3761a9294967109227392342d29bb1894664342f/templates/default", "http://www.lumenvox.com/knowledgebase/index.php?/article/AA-01500/0/client_property.conf.html"]
    }
  }

  default "tts_servers" {
    setting = "TTS_SERVERS"
    case {
      value = "127.0.0.1"
      cites = ["https://github.com/benlangfeld/lumenvox-chef/tree/3761a9294967109227392342d29bb1894664342f/templates/default", "http://www.lumenvox.com/knowledgebase/index.php?/article/AA-01500/0/client_property.conf.html"]
    }
  }

  default "license_port" {
    setting = "LICENSE_SERVERS"
    case {
      value = 7569
      cites = ["https://github.com/benlangfeld/lumenvox-chef/tree/3761a9294967109227392342d29bb1894664342f/templates/default", "http://www.lumenvox.com/knowledgebase/index.php?/article/AA-01500/0/client_property.conf.html"]
    }
  }

  default "sre_port" {
    setting = "SRE_SERVERS"
    case {
      value = 5730
      cites = ["https://github.com/benlangfeld/lumenvox-chef/tree/3761a9294967109227392342d29bb1894664342f/templates/default", "http://www.lumenvox.com/knowledgebase/index.php?/article/AA-01500/0/client_property.conf.html"]
    }
  }

  default "tts_port" {
    setting = "TTS_SERVERS"
    case {
      value = 7579
      cites = ["https://github.com/benlangfeld/lumenvox-chef/tree/3761a9294967109227392342d29bb1894664342f/templates/default", "http://www.lumenvox.com/knowledgebase/index.php?/article/AA-01500/0/client_property.conf.html"]
    }
  }

  locals {
    license = items(text(first(setting("GLOBAL", "LICENSE_SERVERS"), setting("GLOBAL", "LIC_SERVER_HOSTNAME")), default.license_servers), ";")
    sre     = items(text(setting("SRE", "SRE_SERVERS"), default.sre_servers), ";")
    tts     = items(text(setting("TTS", "TTS_SERVERS"), default.tts_servers), ";")
  }

  connect "license" {
    purpose  = "license server"
    for_each = local.license
    protocol = ["tcp"]
    peer     = hostport(each.value).host
    port     = port(hostport(each.value).port, default.license_port)
    to       = ["lumenvox-license.license"]
  }

  connect "sre" {
    purpose  = "speech recognition server"
    for_each = local.sre
    protocol = ["tcp"] # unverified: the protocol is not documented
    peer     = hostport(each.value).host
    port     = port(hostport(each.value).port, default.sre_port)
    to       = ["lumenvox-sre.sre"]
  }

  connect "tts" {
    purpose  = "text-to-speech server"
    for_each = local.tts
    protocol = ["tcp"] # unverified: the protocol is not documented
    peer     = hostport(each.value).host
    port     = port(hostport(each.value).port, default.tts_port)
    to       = ["lumenvox-tts.tts"]
  }

  test "two license servers" {
    input = <<-EOT
      [GLOBAL]
      VERSION = 10.5.200
      LICENSE_SERVERS = 127.0.0.1;10.0.0.1:5721
      [SRE]
      SRE_SERVERS = 10.0.0.2
      [TTS]
      TTS_SERVERS = [2001:db8::7]:7579
    EOT
    expect = [
      "license tcp -> 127.0.0.1 7569 default L3",
      "license tcp -> 10.0.0.1 5721 config L3",
      "sre tcp -> 10.0.0.2 5730 default L5",
      "tts tcp -> 2001:db8::7 7579 config L7",
    ]
  }
}
