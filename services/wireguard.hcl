# WireGuard as wg-quick sets it up: an interface for each file. Without ListenPort the system
# chooses a port when the interface comes up, and answers reach it there.

service "wireguard" {
  title     = "WireGuard"
  platforms = ["linux", "freebsd", "openbsd", "macos"]
  cites     = ["https://git.zx2c4.com/wireguard-tools/tree/src/man/wg.8?id=025f00454fec8fd0816607a28c1ee6cd9a54b134", "https://git.zx2c4.com/wireguard-tools/tree/src/config.c?id=025f00454fec8fd0816607a28c1ee6cd9a54b134"]

  file "conf" {
    format      = "lines"
    common_name = true
    accept      = section("Interface") && (has("Interface/PrivateKey") || has("Interface/Address") || has("Peer/PublicKey"))
    paths = {
      linux = ["/etc/wireguard/*.conf"]
    }
    dialect {
      comments   = "#"
      inline     = "#"
      delimiters = "="
      sections   = true
    }
  }

  default "port" {
    setting = "ListenPort"
    case {
      value = 0
      note  = "chosen by the system"
      cites = ["https://git.zx2c4.com/wireguard-tools/tree/src/man/wg.8?id=025f00454fec8fd0816607a28c1ee6cd9a54b134#n141"]
    }
  }

  locals {
    port = port(setting("Interface", "ListenPort"), default.port)
  }

  # The kernel opens a socket for each family.
  listen "tunnel" {
    purpose  = "WireGuard"
    protocol = ["udp"]
    port     = local.port
    zero     = "chosen"
    exposure = "public"
  }

  connect "peer" {
    for_each = values("Peer/Endpoint")
    purpose  = "a peer"
    protocol = ["udp"]
    peer     = hostport(each.value).host
    port     = port(hostport(each.value).port, null)
    source   = [local.port, local.port]
  }

  test "everything written" {
    input = <<-EOT
      [Interface]
      Address = 192.0.2.1/24
      PrivateKey = YWNtZQ==
      listenport=51830 # in any case
      [Peer]
      PublicKey = YWNtZQ==
      Endpoint = acme.example:51831
      [Peer]
      Endpoint = [2001:db8::1]:51832
      #Endpoint = 192.0.2.9:1
    EOT
    expect = [
      "peer udp -> 2001:db8::1 51832 config from 51830 L9",
      "peer udp -> acme.example 51831 config from 51830 L7",
      "tunnel udp * 51830 config L4",
    ]
  }

  test "the system chooses" {
    input = "[Interface]\nPrivateKey = YWNtZQ==\n#ListenPort = 51820\n[Peer]\nEndpoint = 192.0.2.2:51820\n"
    expect = [
      "peer udp -> 192.0.2.2 51820 config L5",
    ]
  }

  test "zero is chosen too" {
    input  = "[Interface]\nPrivateKey = YWNtZQ==\nListenPort = 0\n"
    expect = []
  }
}
