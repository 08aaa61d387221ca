# nginx. The lines "server" of an upstream are what it connects to, and open no port.

service "nginx" {
  title     = "nginx"
  platforms = ["linux", "freebsd"]
  cites     = ["https://nginx.org/en/docs/http/ngx_http_core_module.html#listen", "https://nginx.org/en/docs/stream/ngx_stream_core_module.html#listen"]

  file "conf" {
    format = "nginx"
    accept = has("http") || has("stream") || has("events") || has("mail") || has("server")
    paths = {
      linux = ["/etc/nginx/nginx.conf", "/usr/local/nginx/conf/nginx.conf", "/usr/local/etc/nginx/nginx.conf"]
    }
  }

  default "port" {
    setting = "listen"
    case {
      value = 80
      cites = ["https://nginx.org/en/docs/http/ngx_http_core_module.html#listen"]
    }
  }

  locals {
    # A file of "server" blocks is included in http.
    web    = concat(find("http/server"), find("server"))
    others = concat(find("stream/server"), find("mail/server"))
    # 80, 8000-8010; or host, host:80, [::]:8000-8010
    number  = "^([0-9]+)(?:-([0-9]+))?$"
    address = "^(.*?)(?::([0-9]+)(?:-([0-9]+))?)?$"
  }

  # 8000 when it is not started by root, which no file tells.
  listen "http-default" {
    purpose  = "HTTP"
    for_each = [for s in local.web : s if !has(s, "listen")]
    protocol = ["tcp"]
    port     = default.port
    bind     = ["0.0.0.0"]
    exposure = "public"
    assigned = ["80"]
    share    = "nginx"
  }

  each "listen" {
    for_each = flatten([for s in concat(local.web, local.others) : find(s, "listen")])

    locals {
      words = args(each.value)
      where = length(local.words) > 0 ? local.words[0] : ""
      plain = match(local.number, local.where)
      full  = match(local.address, local.where)
      bare  = length(local.plain) > 0
      first = local.bare ? local.plain[0] : (length(local.full) > 0 ? local.full[1] : null)
      last  = local.bare ? local.plain[1] : (length(local.full) > 0 ? local.full[2] : null)
      host  = local.bare || length(local.full) == 0 ? "" : local.full[0]
      # Without an address, and with "*", it is IPv4 only; [::] is IPv6 only unless told otherwise.
      dual = contains(local.words, "ipv6only=off")
      bind = contains(["", "*"], local.host) ? ["0.0.0.0"] : (local.host == "[::]" && local.dual ? ["*"] : items(local.host, "[]"))
      udp  = contains(local.words, "quic") || contains(local.words, "udp")
    }

    listen "listen" {
      purpose  = "HTTP and proxied services"
      when     = local.where != "" && !starts_with(lower(local.where), "unix:")
      protocol = local.udp ? ["udp"] : ["tcp"]
      first    = port(local.first, default.port)
      last     = port(first(local.last, local.first), default.port)
      bind     = local.bind
      v6only   = true # ipv6only=on by default: https://nginx.org/en/docs/http/ngx_http_core_module.html#listen
      zero     = "unknown"
      exposure = "public"
      assigned = ["80", "443"]
      share    = "nginx"
    }
  }

  test "addresses, QUIC and sockets" {
    input = <<-EOT
      events {}
      http {
        upstream u { server 192.0.2.9:8080; }
        server {
          listen 443 ssl;
          listen 443 quic reuseport;
          listen [::]:443 ssl;
          listen 192.0.2.1;
          listen unix:/run/web.sock;
        }
        server { server_name other; }
      }
    EOT
    expect = [
      "listen tcp 0.0.0.0 443 config L5", "listen udp 0.0.0.0 443 config L6", "listen tcp :: 443 config L7",
      "listen tcp 192.0.2.1 80 default", "http-default tcp 0.0.0.0 80 default",
    ]
  }

  test "streams and ranges" {
    input  = <<-EOT
      stream {
        server { listen 127.0.0.1:8000-8003 udp; proxy_pass x; }
        server { listen [::]:9000 ipv6only=off; }
      }
    EOT
    expect = ["listen udp 127.0.0.1 8000-8003 config L2", "listen tcp * 9000 config L3"]
  }
}
