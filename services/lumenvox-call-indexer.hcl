# LumenVox Call Indexer. The name of its file and of its key were not found in any
# document: call_indexer.conf is unverified, and so only the default port is claimed,
# which manager.conf documents.

service "lumenvox-call-indexer" {
  title     = "LumenVox Call Indexer"
  platforms = ["linux", "windows-server"]
  cites     = ["https://github.com/benlangfeld/lumenvox-chef/tree/3761a9294967109227392342d29bb1894664342f/templates/default"]

  file "conf" {
    format        = "lumenvox"
    default_words = ["default"]
    accept        = section("GLOBAL")
    paths = {
      linux   = ["/etc/lumenvox/call_indexer.conf"]
      windows = ["C:/Program Files/LumenVox/config/call_indexer.conf", "C:/Program Files/LumenVox/Engine/config/call_indexer.conf"]
    }
  }

  default "port" {
    setting = "the port of the call indexer"
    case {
      value = 7595
      cites = ["https://github.com/benlangfeld/lumenvox-chef/tree/3761a9294967109227392342d29bb1894664342f/templates/default"]
    }
  }

  listen "indexer" {
    purpose  = "call indexing"
    protocol = ["tcp"] # unverified: the protocol is not documented
    port     = port(null, default.port)
    exposure = "internal"
  }

  test "any file" {
    input = <<-EOT
      [GLOBAL]
      VERSION = 10.5.200
    EOT
    expect = [
      "indexer tcp * 7595 default",
    ]
  }
}
