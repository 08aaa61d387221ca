# rtpengine. Its settings stand in a GLib key file, on its command line, or in both; the
# command line wins.

service "rtpengine" {
  title     = "rtpengine media proxy"
  platforms = ["linux"]
  cites     = ["https://github.com/sipwise/rtpengine/blob/e8b82121fa0bccc46923938db52ee96bcb535b3a/etc/rtpengine.conf", "https://rtpengine.readthedocs.io/en/latest/rtpengine.html"]

  file "conf" {
    format = "ini"
    # The section can have any name, and everything may stand on the command line instead.
    accept  = !has("*") || has("rtpengine*") || has("*/listen-ng") || has("*/interface") || has("*/interfaces-config")
    samples = ["/test*.conf"] # its test suite
    paths = {
      linux = ["/etc/rtpengine/rtpengine.conf", "/etc/ngcp-rtpengine-daemon/ngcp-rtpengine-daemon.conf"]
    }
  }

  file "unit" {
    format = "systemd"
    units  = ["*rtpengine*.service"]
    accept = has("Service/ExecStart")
  }

  file "container" {
    format = "compose"
    images = ["*rtpengine*"]
  }

  default "port-min" {
    setting = "port-min"
    case {
      value = 30000
      cites = ["https://github.com/sipwise/rtpengine/blob/e8b82121fa0bccc46923938db52ee96bcb535b3a/daemon/main.c#L102"]
    }
  }

  default "port-max" {
    setting = "port-max"
    case {
      value = 39999
      note  = "40000 before mr13.3.1.1"
      cites = ["https://github.com/sipwise/rtpengine/blob/e8b82121fa0bccc46923938db52ee96bcb535b3a/daemon/main.c#L102"]
    }
  }

  default "mqtt-port" {
    setting = "mqtt-port"
    case {
      value = 1883
      cites = ["https://rtpengine.readthedocs.io/en/latest/rtpengine.html", "https://github.com/sipwise/rtpengine/blob/e8b82121fa0bccc46923938db52ee96bcb535b3a/etc/rtpengine.conf"]
    }
  }

  locals {
    argv    = command(file("unit"), file("container"))
    section = text(flag(local.argv, "--config-section"), "rtpengine") # other sections are presets
    min     = port(first(flag(local.argv, "--port-min", "-m"), setting(local.section, "port-min")), default.port-min)
    max     = port(first(flag(local.argv, "--port-max", "-M"), setting(local.section, "port-max")), default.port-max)

    # name/address!advertised ; … in the file, one option each on the command line.
    written    = flatten([for t in concat(flags(local.argv, "--interface", "-i"), length(flags(local.argv, "--interface", "-i")) > 0 ? [] : [setting(local.section, "interface")]) : items(t, ";")])
    interfaces = [for i in local.written : match("^(?:[^/]*/)?([^!]+)", i)]
    advertised = flatten([for i in local.written : match("!([^!]+)$", i)])
    prefix     = text(first(flag(local.argv, "--interfaces-config"), setting(local.section, "interfaces-config")), "")
    sections   = [for s in find("*") : s if local.prefix != "" && starts_with(name(s), "${local.prefix}-")]

    # A call has two sides, each with a port for RTP and one for RTCP. -1 is no limit.
    calls = match("^([0-9]+)$", first(flag(local.argv, "--max-sessions"), setting(local.section, "max-sessions")))
    sides = 4 * max(0, [for c in local.calls : number(c, 0)]...)

    ng     = concat(items(setting(local.section, "listen-ng"), ";"), flags(local.argv, "--listen-ng", "-n"))
    udp    = concat(items(setting(local.section, "listen-udp"), ";"), flags(local.argv, "--listen-udp", "-u"))
    tcp    = concat(items(setting(local.section, "listen-tcp"), ";"), flags(local.argv, "--listen-tcp", "-l"))
    tcp_ng = concat(items(setting(local.section, "listen-tcp-ng"), ";"), flags(local.argv, "--listen-tcp-ng", "-N"))
    cli    = concat(items(setting(local.section, "listen-cli"), ";"), flags(local.argv, "--listen-cli", "-c"))
    http   = concat(items(setting(local.section, "listen-http"), ";"), flags(local.argv, "--listen-http"))
    https  = concat(items(setting(local.section, "listen-https"), ";"), flags(local.argv, "--listen-https"))

    # What it connects to: password@address:port/database, and plain address:port.
    redis    = [for name in ["redis", "redis-write", "redis-subscribe"] : match("^(?:.*@)?([^@/]+)(?:/.*)?$", first(flag(local.argv, "--${name}"), setting(local.section, name)))]
    homer    = first(flag(local.argv, "--homer"), setting(local.section, "homer"))
    homer_by = lower(text(first(flag(local.argv, "--homer-protocol"), setting(local.section, "homer-protocol")), "udp"))
    graphite = first(flag(local.argv, "--graphite"), setting(local.section, "graphite"))
    mqtt     = first(flag(local.argv, "--mqtt-host"), setting(local.section, "mqtt-host"))
  }

  listen "rtp" {
    purpose   = "RTP and RTCP"
    for_each  = length(local.interfaces) > 0 ? [1] : []
    protocol  = ["udp"]
    first     = local.min
    last      = local.max
    bind      = [for i in local.interfaces : i[0] == "any" ? "*" : i[0]]
    pairs     = true
    share     = "rtp"
    advertise = local.advertised
    needs     = ceil(local.sides / max(1, length(local.interfaces))) # every interface has the range for itself
    exposure  = "public"
  }

  # Two interfaces of one process may overlap, also at one address: the process hands out
  # the ports of both.
  each "interface" {
    for_each = local.sections

    locals {
      first   = number(value(each.value, "port-min"), 0)
      last    = number(value(each.value, "port-max"), 0)
      address = value(each.value, "address")
    }

    listen "rtp-interface" {
      purpose   = "RTP and RTCP of an interface"
      protocol  = ["udp"]
      first     = local.first != 0 ? local.first : local.min
      last      = local.last != 0 ? local.last : local.max
      except    = [for p in items(value(each.value, "exclude-ports"), ";") : number(p, 0)]
      bind      = [local.address == "any" ? "*" : local.address]
      pairs     = true
      share     = "rtp"
      advertise = values(each.value, "advertised")
      exposure  = "public"
    }
  }

  listen "ng" {
    purpose   = "NG control protocol"
    for_each  = local.ng
    protocol  = ["udp"]
    port      = port(hostport(each.value).port, null)
    bind      = [hostport(each.value).host]
    unguarded = "whoever gets there may send the media of all calls elsewhere: nothing asks for a log-in"
    exposure  = "internal"
  }

  listen "udp" {
    purpose   = "old UDP control protocol"
    for_each  = local.udp
    protocol  = ["udp"]
    port      = port(hostport(each.value).port, null)
    bind      = [hostport(each.value).host]
    unguarded = "whoever gets there may send the media of all calls elsewhere: nothing asks for a log-in"
    exposure  = "internal"
  }

  listen "tcp" {
    purpose   = "old TCP control protocol"
    for_each  = local.tcp
    protocol  = ["tcp"]
    port      = port(hostport(each.value).port, null)
    bind      = [hostport(each.value).host]
    unguarded = "whoever gets there may send the media of all calls elsewhere: nothing asks for a log-in"
    exposure  = "internal"
  }

  listen "tcp-ng" {
    purpose   = "NG control protocol over TCP"
    for_each  = local.tcp_ng
    protocol  = ["tcp"]
    port      = port(hostport(each.value).port, null)
    bind      = [hostport(each.value).host]
    unguarded = "whoever gets there may send the media of all calls elsewhere: nothing asks for a log-in"
    exposure  = "internal"
  }

  listen "cli" {
    purpose   = "command line interface"
    for_each  = local.cli
    protocol  = ["tcp"]
    port      = port(hostport(each.value).port, null)
    bind      = [hostport(each.value).host]
    unguarded = "whoever gets there may end all calls: nothing asks for a log-in"
    exposure  = "admin"
  }

  listen "http" {
    purpose  = "HTTP, WebSocket and Prometheus"
    for_each = local.http
    protocol = ["tcp"]
    port     = port(hostport(each.value).port, null)
    bind     = [hostport(each.value).host]
    exposure = "internal"
  }

  listen "https" {
    purpose  = "HTTPS and WebSocket"
    for_each = local.https
    protocol = ["tcp"]
    port     = port(hostport(each.value).port, null)
    bind     = [hostport(each.value).host]
    exposure = "internal"
  }

  connect "redis" {
    purpose  = "Redis"
    for_each = flatten(local.redis)
    protocol = ["tcp"]
    peer     = hostport(each.value).host
    port     = port(hostport(each.value).port, null)
    to       = ["redis.redis"]
  }

  connect "homer" {
    purpose  = "HEP capture server"
    for_each = local.homer == null ? [] : [local.homer]
    protocol = [local.homer_by == "tcp" ? "tcp" : "udp"]
    peer     = hostport(each.value).host
    port     = port(hostport(each.value).port, null)
  }

  connect "graphite" {
    purpose  = "statistics for Graphite"
    for_each = local.graphite == null ? [] : [local.graphite]
    protocol = ["tcp"]
    peer     = hostport(each.value).host
    port     = port(hostport(each.value).port, null)
  }

  connect "mqtt" {
    purpose  = "statistics for MQTT"
    for_each = local.mqtt == null ? [] : [local.mqtt]
    protocol = ["tcp"]
    peer     = each.value
    port     = port(first(flag(local.argv, "--mqtt-port"), setting(local.section, "mqtt-port")), default.mqtt-port)
    to       = ["mosquitto.mqtt", "mosquitto.local", "mosquitto.old", "rabbitmq.mqtt", "rabbitmq.mqtt-default"]
  }

  test "two interfaces, each with the range for itself" {
    input  = <<-EOT
      [rtpengine]
      interface = in/10.4.0.2;out/10.4.0.3
      port-min = 30000
      port-max = 30099
      max-sessions = 75
    EOT
    expect = ["rtp udp 10.4.0.2,10.4.0.3 30000-30099 config needs 150 L3"]
  }

  test "no limit" {
    input  = <<-EOT
      [rtpengine]
      interface = 10.4.0.2
      max-sessions = -1
    EOT
    expect = ["rtp udp 10.4.0.2 30000-39999 default"]
  }

  test "what it connects to" {
    input = <<-EOT
      [rtpengine]
      redis = 192.0.2.1:6380/5
      redis-write = secret@192.0.2.2:6381/42
      homer = 192.0.2.3:9061
      homer-protocol = tcp
      graphite = 192.0.2.4:2003
      mqtt-host = broker
      # mqtt-port = 1999
    EOT
    expect = [
      "redis tcp -> 192.0.2.1 6380 config L2",
      "redis tcp -> 192.0.2.2 6381 config L3",
      "homer tcp -> 192.0.2.3 9061 config L4",
      "graphite tcp -> 192.0.2.4 2003 config L6",
      "mqtt tcp -> broker 1883 default",
    ]
  }

  test "interfaces of the old style" {
    input = <<-EOT
      [rtpengine]
      interface = in/10.4.0.2 ; out/10.4.0.3!192.0.2.3
      listen-ng = 10.4.0.2:2300 ; 2301
      port-max = 31999
    EOT
    expect = [
      "rtp udp 10.4.0.2,10.4.0.3 30000-31999 default advertises 192.0.2.3",
      "ng udp 10.4.0.2 2300 config L3",
      "ng udp * 2301 config L3",
    ]
  }

  test "interfaces in sections, and a preset that sleeps" {
    input = <<-EOT
      [rtpengine]
      interfaces-config = net
      listen-cli = 2400
      [net-a]
      address = any
      port-min = 20000
      port-max = 20005
      exclude-ports = 20002 ; 20003
      [net-b]
      address = 10.4.0.9
      [rtpengine-lab]
      listen-ng = 9999
    EOT
    expect = [
      "cli tcp * 2400 config L3",
      "rtp-interface udp * 20000-20001 config nominal 20000-20005 L6",
      "rtp-interface udp * 20004-20005 config nominal 20000-20005 L6",
      "rtp-interface udp 10.4.0.9 30000-39999 default",
    ]
  }

  test "containers, of which one has a network of its own" {
    role  = "container"
    input = <<-EOT
      services:
        media:
          image: "registry.example/voice/rtpengine:mr12"
          network_mode: host
          command: ["rtpengine", "--interface=10.4.0.8", "-m", "41000", "--port-max=41999"]
        second:
          image: acme-rtpengine@sha256:0000
          network_mode: host
          entrypoint: /entrypoint.sh
          command: rtpengine -i 10.4.0.9 --listen-ng 127.0.0.1:$${NG:-2300}
        other:
          image: acme/rtpengine
          command: rtpengine --listen-ng 2400 -i 10.4.0.10
    EOT
    expect = [
      "rtp udp 10.4.0.8 41000-41999 config L5",
      "rtp udp 10.4.0.9 30000-39999 default",
      "ng udp 127.0.0.1 2300 config L10",
    ]
  }

  test "an interface with ports of its own beside those of all" {
    input  = <<-EOT
      [rtpengine]
      interfaces-config = net
      port-min = 30000
      port-max = 30999
      [net-a]
      address = 10.4.0.8
      port-min = 20000
      port-max = 20099
      [net-b]
      address = 10.4.0.9
    EOT
    expect = ["rtp-interface udp 10.4.0.8 20000-20099 config L7", "rtp-interface udp 10.4.0.9 30000-30999 config L3"]
  }

  test "nothing but a command line" {
    role  = "unit"
    input = <<-EOT
      [Service]
      ExecStart=/usr/bin/rtpengine --interface=10.4.0.7 --listen-ng=127.0.0.1:22222 \
        -m 40000 --port-max=40999
    EOT
    expect = [
      "rtp udp 10.4.0.7 40000-40999 config L3",
      "ng udp 127.0.0.1 22222 config L2",
    ]
  }
}
