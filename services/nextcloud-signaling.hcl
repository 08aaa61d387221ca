# The signaling server of Nextcloud Talk. Each listener is there when its line is.

service "nextcloud-signaling" {
  title     = "Nextcloud Talk signaling server"
  platforms = ["linux"]
  cites     = ["https://github.com/strukturag/nextcloud-spreed-signaling/blob/6046e47bffd8de5b35bf042c5aa07082ffffbd64/server.conf.in"]

  file "conf" {
    format      = "go-ini"
    accept      = has("http") && has("sessions") && has("backend")
    common_name = true # many programs have a server.conf
    paths = {
      linux = ["/etc/signaling/server.conf", "/etc/nextcloud-spreed-signaling/server.conf"]
    }
  }

  locals {
    http  = [for l in items(setting("http", "listen"), " ,") : hostport(l)]
    https = [for l in items(setting("https", "listen"), " ,") : hostport(l)]
    grpc  = [for l in items(setting("grpc", "listen"), " ,") : hostport(l)]
  }

  listen "http" {
    purpose  = "signaling"
    for_each = local.http
    protocol = ["tcp"]
    port     = port(each.value.port, null)
    bind     = [text(each.value.host, "*")]
    zero     = "unknown"
    exposure = "public"
  }

  listen "https" {
    purpose  = "signaling (TLS)"
    for_each = local.https
    protocol = ["tcp"]
    port     = port(each.value.port, null)
    bind     = [text(each.value.host, "*")]
    zero     = "unknown"
    exposure = "public"
  }

  listen "grpc" {
    purpose  = "other signaling servers"
    for_each = local.grpc
    protocol = ["tcp"]
    port     = port(each.value.port, null)
    bind     = [text(each.value.host, "*")]
    zero     = "unknown"
    exposure = "internal"
  }

  connect "nats" {
    purpose  = "NATS"
    for_each = [for u in [for t in items(setting("nats", "url"), ", ") : hostport(t)] : u if u.port != null]
    protocol = ["tcp"]
    peer     = each.value.host
    port     = port(each.value.port, null)
    to       = ["nats.clients"]
  }

  connect "mcu" {
    purpose  = "Janus or a proxy in front of it"
    for_each = [for u in [for t in items(setting("mcu", "url"), " ") : hostport(t)] : u if u.port != null]
    protocol = ["tcp"]
    peer     = each.value.host
    port     = port(each.value.port, null)
    to       = ["janus.ws", "janus.wss"]
  }

  test "what is there" {
    input = <<-EOT
      [http]
      listen = 127.0.0.1:8181
      [https]
      #listen = 127.0.0.1:8444
      [sessions]
      hashkey = x
      [backend]
      allowall = false
      [nats]
      url = nats://192.0.2.9:4223
      [mcu]
      type = janus
      url = ws://192.0.2.8:8189
      [grpc]
      listen = 0.0.0.0:9191
    EOT
    expect = [
      "http tcp 127.0.0.1 8181 config L2", "nats tcp -> 192.0.2.9 4223 config L10", "mcu tcp -> 192.0.2.8 8189 config L13",
      "grpc tcp 0.0.0.0 9191 config L15",
    ]
  }

  test "nothing written" {
    input  = "[http]\n[sessions]\n[backend]\n"
    expect = []
  }
}
