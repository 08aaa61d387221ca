# Traefik's static configuration. Entry points listen; routers and what they lead to are in
# other files. The file wins over the command line, which is read where no file is.

service "traefik" {
  title     = "Traefik"
  platforms = ["linux", "windows-server", "freebsd", "macos"]
  runs      = ["traefik.service"]
  cites     = ["https://doc.traefik.io/traefik/routing/entrypoints/", "https://github.com/traefik/traefik/blob/fd5a576df2e8aeb0bfc8a96b6ef6e60a61f7ec0a/traefik.sample.yml"]

  file "conf" {
    format      = "yaml"
    common_name = true # compose files and manifests have the name too
    accept      = (has("entryPoints") || has("providers") || has("api") || has("ping") || has("metrics") || has("certificatesResolvers") || has("log") || has("accessLog") || has("global") || has("experimental") || has("tracing") || has("serversTransport")) && !has("services") && !has("apiVersion") && !has("http/routers") && !has("deployment")
    paths = {
      linux = [
        "/etc/traefik/traefik.yml",
        "/etc/traefik/traefik.yaml",
        "/opt/traefik/traefik.yml",
        "/opt/traefik/traefik.yaml",
      ]
      windows = ["C:/traefik/traefik.yml", "C:/traefik/traefik.yaml"]
    }
    samples = ["/traefik.sample.yml"]
  }

  file "toml" {
    format      = "toml"
    common_name = true
    accept      = (has("entryPoints") || has("providers") || has("api") || has("ping") || has("metrics") || has("certificatesResolvers") || has("log") || has("accessLog") || has("global") || has("experimental") || has("tracing") || has("serversTransport")) && !has("http/routers")
    paths = {
      linux   = ["/etc/traefik/traefik.toml", "/opt/traefik/traefik.toml"]
      windows = ["C:/traefik/traefik.toml"]
    }
    samples = ["/traefik.sample.toml"]
  }

  file "unit" {
    format = "systemd"
    units  = ["traefik.service"]
  }

  file "container" {
    format = "compose"
    images = ["traefik"]
  }

  default "http" {
    setting = "entryPoints"
    case {
      value = 80
      cites = ["https://github.com/traefik/traefik/blob/008051a76b94ca5d455d614ef00470738022bdbc/pkg/config/static/static_config.go"]
    }
  }

  default "internal" {
    setting = "entryPoints/traefik"
    case {
      value = 8080
      cites = ["https://github.com/traefik/traefik/blob/008051a76b94ca5d455d614ef00470738022bdbc/pkg/config/static/static_config.go"]
    }
  }

  locals {
    toml   = file("toml")
    filed  = has("*") || local.toml != null
    points = concat(find("entryPoints/*"), find(local.toml, "entryPoints/*"))
    named  = [for n in local.points : lower(name(n))]

    # Options are written in any case, and a name alone is a yes.
    argv     = local.filed ? [] : command(file("unit"), file("container"))
    options  = [for m in [for w in local.argv : match("(?i)^--?entrypoints\\.([^.=]+)\\.address=(.*)$", w)] : m if length(m) > 0]
    http3    = [for m in [for w in local.argv : match("(?i)^--?entrypoints\\.([^.=]+)\\.http3(?:\\.advertisedport=[0-9]+|=true)?$", w)] : lower(m[0]) if length(m) > 0]
    internal = [for m in [for w in local.argv : match("(?i)^--?(api\\.insecure(?:=true)?|ping(?:=true)?|metrics\\.prometheus(?:=true)?|providers\\.rest\\.insecure(?:=true)?)$", w)] : m[0] if length(m) > 0]

    # What is answered by an entry point called "traefik", which is made when nobody defines
    # it. An entry in TOML or YAML without settings is a yes as well.
    insecure   = truthy(first(value(local.toml, "api/insecure"), value("api/insecure")), false) || truthy(first(value(local.toml, "providers/rest/insecure"), value("providers/rest/insecure")), false)
    ping       = concat(find("ping"), find(local.toml, "ping"))
    prometheus = concat(find("metrics/prometheus"), find(local.toml, "metrics/prometheus"))
    answers    = [for n in concat(local.ping, local.prometheus) : n if !truthy(value(n, "manualRouting"), false) && lower(text(value(n, "entryPoint"), "traefik")) == "traefik"]
    wanted     = local.insecure || length(local.answers) > 0 || length(local.internal) > 0
    defined    = contains(concat(local.named, [for m in local.options : lower(m[0])], [""]), "traefik")
  }

  each "point" {
    for_each = local.points

    locals {
      label   = name(each.value)
      address = value(each.value, "address")
      quic    = has(each.value, "http3") || has(each.value, "enableHTTP3")
      udp     = length(match("(?i)/(u)dp$", local.address)) > 0
      traefik = lower(local.label) == "traefik"
    }

    listen "entry" {
      purpose  = "entry point ${local.label}"
      for_each = local.traefik ? [] : ["entry"]
      protocol = local.udp ? ["udp"] : local.quic ? ["tcp", "udp"] : ["tcp"]
      port     = port(hostport(local.address).port, null)
      bind     = [wildcard(hostport(local.address).host)]
      exposure = "public"
      assigned = ["80", "443"]
      zero     = "chosen"
    }

    listen "internal" {
      purpose  = "dashboard, API, ping and metrics"
      for_each = local.traefik ? ["entry"] : []
      protocol = local.udp ? ["udp"] : local.quic ? ["tcp", "udp"] : ["tcp"]
      port     = port(hostport(local.address).port, null)
      bind     = [wildcard(hostport(local.address).host)]
      exposure = "admin"
      zero     = "chosen"
    }
  }

  listen "entry-option" {
    purpose  = "entry point ${each.value[0]}"
    for_each = local.options
    protocol = length(match("(?i)/(u)dp$", each.value[1])) > 0 ? ["udp"] : contains(concat(local.http3, [""]), lower(each.value[0])) ? ["tcp", "udp"] : ["tcp"]
    port     = port(hostport(each.value[1]).port, null)
    bind     = [wildcard(hostport(each.value[1]).host)]
    exposure = "public"
    assigned = ["80", "443"]
    zero     = "chosen"
  }

  listen "entry-default" {
    purpose  = "entry point http"
    for_each = length(local.points) + length(local.options) == 0 ? ["http"] : []
    protocol = ["tcp"]
    port     = port(null, default.http)
    exposure = "public"
    assigned = ["80"]
  }

  listen "internal-default" {
    purpose  = "dashboard, API, ping and metrics"
    for_each = local.defined ? [] : ["traefik"]
    when     = local.wanted
    protocol = ["tcp"]
    port     = port(null, default.internal)
    exposure = "admin"
  }

  test "no entry point" {
    input  = <<-EOT
      log:
        level: DEBUG
      api:
        dashboard: true
    EOT
    expect = ["entry-default tcp * 80 default"]
  }

  test "entry points" {
    input = <<-EOT
      entryPoints:
        web:
          address: ":8081"
        websecure:
          address: 10.0.0.5:8443/tcp
          http3:
            advertisedPort: 443
        dns:
          address: "[2001:db8::5]:5353/udp"
        traefik:
          address: 127.0.0.1:9000
      api:
        insecure: true
      ping:
        entryPoint: web
    EOT
    expect = [
      "entry tcp * 8081 config L3",
      "entry tcp 10.0.0.5 8443 config L5",
      "entry udp 10.0.0.5 8443 config L5",
      "entry udp 2001:db8::5 5353 config L9",
      "internal tcp 127.0.0.1 9000 config L11",
    ]
  }

  test "TOML, ping without settings" {
    role   = "toml"
    input  = <<-EOT
      [entryPoints]
        [entryPoints.web]
          address = ":8081"
      [api]
      [ping]
    EOT
    expect = ["entry tcp * 8081 config L3", "internal-default tcp * 8080 default"]
  }

  test "metrics" {
    input  = <<-EOT
      entrypoints: {web: {address: ":8081"}}
      metrics:
        prometheus:
          addServicesLabels: true
      ping: {manualRouting: true}
    EOT
    expect = ["entry tcp * 8081 config L1", "internal-default tcp * 8080 default"]
  }

  test "the command line" {
    role  = "unit"
    input = <<-EOT
      [Service]
      ExecStart=/usr/bin/traefik --entryPoints.web.address=:8081 --entrypoints.secure.address=10.0.0.5:8443 \
        --entrypoints.secure.http3 --api.insecure=true
    EOT
    expect = [
      "entry-option tcp * 8081 config L2",
      "entry-option tcp 10.0.0.5 8443 config L2",
      "entry-option udp 10.0.0.5 8443 config L2",
      "internal-default tcp * 8080 default",
    ]
  }

  test "a container" {
    role   = "container"
    input  = <<-EOT
      services:
        proxy:
          image: traefik:v3
          network_mode: host
          command: ["--entryPoints.web.address=:8088"]
    EOT
    expect = ["entry-option tcp * 8088 config L5"]
  }
}
