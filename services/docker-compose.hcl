# Ports of this host that Compose projects publish for their containers.
#
# Published ports pass the INPUT chain by: the engine rewrites their destination, and the
# packets are forwarded. A rule for them belongs into DOCKER-USER or into FORWARD, and one
# in INPUT neither opens nor closes them:
# https://docs.docker.com/engine/network/packet-filtering-firewalls/
#
# A container with the host's network is no matter of this description: its program binds
# the ports itself, and the description of the program says which.

service "docker-compose" {
  title     = "Docker Compose"
  platforms = ["linux", "windows-server", "macos"]
  cites     = ["https://docs.docker.com/reference/compose-file/services/", "https://github.com/compose-spec/compose-spec/blob/main/05-services.md"]

  file "project" {
    format = "compose"
    accept = has("services") && !has("apiVersion")
  }

  each "service" {
    for_each = find("services/*")

    locals {
      label = name(each.value)
      host  = value(each.value, "network_mode") == "host" || value(each.value, "network_mode") == "none"
      # Services with a profile start when somebody asks for it.
      asked  = value(each.value, "profiles/*") == null
      copies = first(value(each.value, "scale"), value(each.value, "deploy/replicas")) != "0"
    }

    listen "published" {
      purpose  = "published port of ${local.label}"
      for_each = [for p in find(each.value, "ports/*") : p if contains(["tcp", "udp"], lower(text(value(p, "protocol"), "tcp")))]
      when     = !local.host && local.asked && local.copies
      protocol = [lower(text(value(each.value, "protocol"), "tcp"))]
      first    = port(range(value(each.value, "published")).first, null)
      last     = port(range(value(each.value, "published")).last, null)
      bind     = [nonempty(value(each.value, "host_ip"))]
      zero     = "chosen"
      exposure = "public"
      assigned = ["1-1023"] # what is behind it is not said, so it is on no wrong port
    }
  }

  test "short forms" {
    input = <<-EOT
      services:
        web:
          image: acme/web
          ports:
            - "8081:80"
            - 127.0.0.1:8444:443
            - "7000-7003:7000-7003/udp"
            - "[2001:db8::9]:5068:5060/tcp"
            - "2001:db8::9:5069:5060/udp"
            - 9200-9209:9200   # one of them
          expose:
            - "9999"
          # - "1234:1234"
    EOT
    expect = [
      "published tcp * 8081 config L5",
      "published tcp 127.0.0.1 8444 config L6",
      "published udp * 7000-7003 config L7",
      "published tcp 2001:db8::9 5068 config L8",
      "published udp 2001:db8::9 5069 config L9",
      "published tcp * 9200-9209 config L10",
    ]
  }

  test "the long form" {
    input = <<-EOT
      services:
        sip:
          image: acme/sip
          ports:
            - target: 5060
              published: "5080"
              protocol: udp
              mode: host
            - target: 10000
              published: 20000-20099
              protocol: UDP
              host_ip: 192.0.2.4
            - {target: 80, published: 8080}
    EOT
    expect = [
      "published udp * 5080 config L6",
      "published udp 192.0.2.4 20000-20099 config L10",
      "published tcp * 8080 config L13",
    ]
  }

  test "a port that the engine chooses is not made up, nor one of a variable" {
    input = <<-EOT
      services:
        web:
          ports: ["80", "127.0.0.1::81", "$${WEB_PORT}:82", "$${TLS_PORT:-8443}:443"]
        long:
          ports:
            - target: 90
    EOT
    expect = [
      "published tcp * 8443 config L3",
    ]
  }

  test "the host's network, profiles and no copies" {
    input  = <<-EOT
      services:
        a:
          network_mode: host
          ports: ["5060:5060/udp"]
        b:
          profiles: [debug]
          ports: ["9229:9229"]
        c:
          deploy: {replicas: 0}
          ports: ["9230:9230"]
        d:
          network_mode: "service:a"
          ports: ["9231:9231"]
    EOT
    expect = []
  }

  test "anchors, merges and extends" {
    input = <<-EOT
      x-web: &web
        image: acme/web
        ports: ["8101:80"]
      services:
        one:
          <<: *web
        base:
          profiles: [never]
          ports: ["8102:80"]
        two:
          extends: base
          profiles: !reset []
          ports: ["8103:81"]
        three:
          extends: {service: base}
          ports: !override ["8104:81"]
          profiles: !reset []
    EOT
    expect = [
      "published tcp * 8101 config L3",
      "published tcp * 8102 config L9",
      "published tcp * 8103 config L13",
      "published tcp * 8104 config L16",
    ]
  }
}
