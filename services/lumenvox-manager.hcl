# LumenVox Manager. It speaks to the maintenance port of each service; which hosts
# these are on is not a setting that was found, so the peer is this host.

service "lumenvox-manager" {
  title     = "LumenVox Manager"
  platforms = ["linux", "windows-server"]
  cites     = ["https://github.com/benlangfeld/lumenvox-chef/tree/3761a9294967109227392342d29bb1894664342f/templates/default"]

  file "conf" {
    format        = "lumenvox"
    default_words = ["default"]
    accept        = section("SETTINGS")
    paths = {
      linux   = ["/etc/lumenvox/manager.conf"]
      windows = ["C:/Program Files/LumenVox/config/manager.conf", "C:/Program Files/LumenVox/Engine/config/manager.conf"]
    }
  }

  default "manager_port" {
    setting = "ManagerPort"
    case {
      value = 7589
      cites = ["https://github.com/benlangfeld/lumenvox-chef/tree/3761a9294967109227392342d29bb1894664342f/templates/default"]
    }
  }

  default "admin_port" {
    setting = "ADMIN_PORT"
    case {
      value = 8080
      cites = ["https://www.lumenvox.com/knowledgebase/index.php?/article/AA-02198/16/"]
    }
  }

  default "peer" {
    setting = "the host of the services"
    case {
      value = "127.0.0.1"
      note  = "unverified"
      cites = ["https://github.com/benlangfeld/lumenvox-chef/tree/3761a9294967109227392342d29bb1894664342f/templates/default"]
    }
  }

  default "license_port" {
    setting = "MaintenancePort"
    case {
      value = 7569
      cites = ["https://github.com/benlangfeld/lumenvox-chef/tree/3761a9294967109227392342d29bb1894664342f/templates/default"]
    }
  }

  default "sre_port" {
    setting = "MaintenancePort"
    case {
      value = 5730
      cites = ["https://github.com/benlangfeld/lumenvox-chef/tree/3761a9294967109227392342d29bb1894664342f/templates/default"]
    }
  }

  default "tts_port" {
    setting = "MaintenancePort"
    case {
      value = 7579
      cites = ["https://github.com/benlangfeld/lumenvox-chef/tree/3761a9294967109227392342d29bb1894664342f/templates/default"]
    }
  }

  default "media_port" {
    setting = "MaintenancePort"
    case {
      value = 7590
      cites = ["https://github.com/benlangfeld/lumenvox-chef/tree/3761a9294967109227392342d29bb1894664342f/templates/default"]
    }
  }

  default "indexer_port" {
    setting = "MaintenancePort"
    case {
      value = 7595
      cites = ["https://github.com/benlangfeld/lumenvox-chef/tree/3761a9294967109227392342d29bb1894664342f/templates/default"]
    }
  }

  listen "manager" {
    purpose  = "LumenVox dashboard to Manager"
    protocol = ["tcp"] # unverified: the protocol is not documented
    port     = port(setting("SETTINGS", "ManagerPort"), default.manager_port)
    exposure = "internal"
  }

  # Later versions have a dashboard of their own on ADMIN_PORT, default 8080, HTTPS. Which
  # versions is not documented: it is claimed when the file speaks of it.
  listen "dashboard" {
    purpose  = "dashboard (HTTPS)"
    when     = setting("SETTINGS", "ADMIN_PORT") != null || setting("GLOBAL", "ADMIN_PORT") != null
    protocol = ["tcp"]
    port     = port(first(setting("SETTINGS", "ADMIN_PORT"), setting("GLOBAL", "ADMIN_PORT")), default.admin_port)
    exposure = "admin"
  }

  connect "license" {
    purpose  = "maintenance of the license server"
    when     = section("LICENSE_SERVER")
    protocol = ["tcp"] # unverified: the protocol is not documented
    peer     = text(null, default.peer)
    port     = port(setting("LICENSE_SERVER", "MaintenancePort"), default.license_port)
    to       = ["lumenvox-license.license"]
  }

  connect "sre" {
    purpose  = "maintenance of the speech recognition server"
    when     = section("SRE_SERVER")
    protocol = ["tcp"] # unverified: the protocol is not documented
    peer     = text(null, default.peer)
    port     = port(setting("SRE_SERVER", "MaintenancePort"), default.sre_port)
    to       = ["lumenvox-sre.sre"]
  }

  connect "tts" {
    purpose  = "maintenance of the text-to-speech server"
    when     = section("TTS_SERVER")
    protocol = ["tcp"] # unverified: the protocol is not documented
    peer     = text(null, default.peer)
    port     = port(setting("TTS_SERVER", "MaintenancePort"), default.tts_port)
    to       = ["lumenvox-tts.tts"]
  }

  connect "media" {
    purpose  = "maintenance of the media server"
    when     = section("MEDIA_SERVER")
    protocol = ["tcp"] # unverified: the protocol is not documented
    peer     = text(null, default.peer)
    port     = port(setting("MEDIA_SERVER", "MaintenancePort"), default.media_port)
    to       = ["lumenvox-media-server.messaging"]
  }

  connect "indexer" {
    purpose  = "maintenance of the call indexer"
    when     = section("CALL_INDEXER")
    protocol = ["tcp"] # unverified: the protocol is not documented
    peer     = text(null, default.peer)
    port     = port(setting("CALL_INDEXER", "MaintenancePort"), default.indexer_port)
    to       = ["lumenvox-call-indexer.indexer"]
  }

  test "as shipped" {
    input = <<-EOT
      [GLOBAL]
      VERSION = 10.5.200
      [SETTINGS]
      ManagerPort = default
      1=Username/Password requiredquired
      [SRE_SERVER]
      MaintenancePort = default
      [MEDIA_SERVER]
      MaintenancePort = 7591
    EOT
    expect = [
      "manager tcp * 7589 default L4",
      "sre tcp -> 127.0.0.1 5730 default L7",
      "media tcp -> 127.0.0.1 7591 config L9",
    ]
  }

  test "with a dashboard" {
    input = <<-EOT
      [SETTINGS]
      ManagerPort = 7600
      ADMIN_PORT = default
    EOT
    expect = [
      "manager tcp * 7600 config L2",
      "dashboard tcp * 8080 default L3",
    ]
  }
}
