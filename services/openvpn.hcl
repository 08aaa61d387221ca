# OpenVPN: a server or a client for each file. What is in files of its own may stand between
# <tag> and </tag>; nothing in a key or a certificate looks like an option. A client over TCP
# does not listen. One over UDP keeps its own port before 2.7 and none since (Changes.rst).
#
# Held against OpenVPN 2.6.14 of Debian 12: without a family it takes that of the other end, and
# where there is none, IPv4 alone; udp6 and tcp6 take both. Of port and lport the last counts.

service "openvpn" {
  title     = "OpenVPN"
  platforms = ["linux", "freebsd", "openbsd", "netbsd", "macos", "windows-server"]
  cites     = ["https://github.com/OpenVPN/openvpn/blob/3de926089fdebd79b9d25e80c31e45c1e044911d/doc/man-sections/link-options.rst", "https://github.com/OpenVPN/openvpn/blob/3de926089fdebd79b9d25e80c31e45c1e044911d/src/openvpn/options.c"]

  file "conf" {
    format      = "lines"
    common_name = true
    accept      = (has("dev") || has("dev-type")) && (has("server") || has("server-bridge") || has("remote") || has("client") || has("tls-server") || has("ifconfig") || has("secret"))
    paths = {
      linux   = ["/etc/openvpn/*.conf", "/etc/openvpn/server/*.conf", "/etc/openvpn/client/*.conf"]
      windows = ["C:/Program Files/OpenVPN/config/*.ovpn", "C:/Program Files/OpenVPN/config-auto/*.ovpn"]
    }
    dialect {
      comments     = "#;"
      inline       = "#;"
      inline_blank = true
      blank        = true
      words        = true
      bare         = "empty"
      quotes       = "\"'"
      include "config" {
      }
    }
  }

  default "port" {
    setting = "port"
    case {
      value = 1194
      cites = ["https://github.com/OpenVPN/openvpn/blob/3de926089fdebd79b9d25e80c31e45c1e044911d/doc/man-sections/link-options.rst#L358"]
    }
  }

  default "client_port" {
    setting = "lport"
    case {
      before = "2.7"
      value  = 1194
      cites  = ["https://github.com/OpenVPN/openvpn/blob/3de926089fdebd79b9d25e80c31e45c1e044911d/doc/man-sections/link-options.rst#L358"]
    }
    case {
      since = "2.7"
      value = 0
      note  = "a client binds no port"
      cites = ["https://github.com/OpenVPN/openvpn/blob/3de926089fdebd79b9d25e80c31e45c1e044911d/Changes.rst#L576"]
    }
  }

  locals {
    proto  = lower(text(value("proto"), "udp"))
    server = has("server") || has("server-bridge") || value("mode") == "server"
    pull   = has("client") || has("pull")
    bound  = has("lport") || has("bind") || has("local")
    port   = last(concat([value("port")], [for n in find("*port") : value(n) if contains(["port", "lport"], lower(name(n)))])...)
    rport  = last(concat([value("port")], [for n in find("*port") : value(n) if contains(["port", "rport"], lower(name(n)))])...)

    # "tcp" is the server's or the client's half of it.
    udp     = starts_with(local.proto, "udp")
    listens = local.udp || length(match("(server)$", local.proto)) > 0 || local.server && length(match("(client)$", local.proto)) == 0
    far     = [for r in find("remote") : r if length(match("^([0-9.]+)$", text(first(args(r)...), ""))) == 0]
    four    = length(match("^...(4)", local.proto)) > 0 || length(local.far) == 0 && length(match("^...(6)", local.proto)) == 0
    any     = local.four ? "0.0.0.0" : "*"
    proxied = has("socks-proxy") && local.udp
    where   = length(values("local")) > 0 ? values("local") : ["*"]
  }

  # local HOST|* [PORT] [PROTOCOL]; more than one of them since 2.7.
  listen "tunnel" {
    for_each = local.pull && !local.bound && local.udp ? [] : local.where
    purpose  = "the tunnel"
    protocol = [length(match("^[^ \t]+[ \t]+[^ \t]+[ \t]+(tcp)", each.value)) > 0 ? "tcp" : local.udp || length(match("^[^ \t]+[ \t]+[^ \t]+[ \t]+(udp)", each.value)) > 0 ? "udp" : "tcp"]
    when     = local.listens && !has("nobind") && (local.bound || !local.proxied)
    port     = port(first(concat(match("^[^ \t]+[ \t]+([0-9]+)", each.value), [local.port])...), default.port)
    bind     = [for a in match("^([^ \t]+)", each.value) : a == "*" ? local.any : a]
    zero     = "chosen"
    exposure = "public"
    assigned = ["1194"]
  }

  listen "answers" {
    for_each = local.pull && !local.bound && local.udp ? ["x"] : []
    purpose  = "what the server sends"
    protocol = ["udp"]
    when     = !has("nobind") && !local.proxied
    port     = default.client_port # before 2.7 also what "port" says
    exposure = "public"
    assigned = ["1194"]
  }

  # management IP PORT [FILE], or SOCKET unix
  listen "management" {
    for_each     = [for m in find("management") : m if length(args(m)) > 1 && !contains(args(m), "unix")]
    purpose      = "management interface"
    protocol     = ["tcp"]
    when         = !has("management-client")
    port         = port(args(each.value)[1], null)
    bind         = [args(each.value)[0]]
    unguarded    = length(args(each.value)) > 2 ? "the password and all commands cross the network in clear" : "whoever gets there controls the tunnel: nothing asks for a password"
    exposure     = "admin"
    trusted_only = "https://openvpn.net/community-docs/management-interface.html"
  }

  # remote HOST [PORT] [PROTOCOL]
  connect "server" {
    for_each = [for r in find("remote") : r if length(args(r)) > 0]
    purpose  = "the other end"
    protocol = [starts_with(length(args(each.value)) > 2 ? args(each.value)[2] : local.proto, "tcp") ? "tcp" : "udp"]
    peer     = args(each.value)[0]
    port     = port(length(args(each.value)) > 1 ? args(each.value)[1] : local.rport, default.port)
  }

  test "nothing written" {
    input = "dev tun\nserver 192.0.2.0 255.255.255.0\n;port 1195\n"
    expect = [
      "tunnel udp 0.0.0.0 1194 default",
    ]
  }

  test "the last port counts, and both families" {
    input = "dev tun\nproto udp6\nsecret acme.key\nport 1211\nlport 1212\nport 1213\nrport 1214\nremote 192.0.2.9\n"
    expect = [
      "tunnel udp * 1213 config L6",
      "server udp -> 192.0.2.9 1214 config L7",
    ]
  }

  test "everything written" {
    input = <<-EOT
      # acme
      port 1201   # for all
      proto tcp4-server
      dev tun
      management 127.0.0.1 7601 /etc/openvpn/acme.pw
      server 192.0.2.0 255.255.255.0
      <ca>
      -----BEGIN CERTIFICATE-----
      cG9ydCAxMjM0
      -----END CERTIFICATE-----
      </ca>
    EOT
    expect = [
      "management tcp 127.0.0.1 7601 config L5",
      "tunnel tcp 0.0.0.0 1201 config L2",
    ]
  }

  test "several addresses" {
    input = "dev tun\nserver 192.0.2.0 255.255.255.0\nport 1202\nlocal 192.0.2.1\nlocal * 1203 tcp\nlocal 2001:db8::1 1204\n"
    expect = [
      "tunnel tcp 0.0.0.0 1203 config L5",
      "tunnel udp 192.0.2.1 1202 config L3",
      "tunnel udp 2001:db8::1 1204 config L6",
    ]
  }

  test "a client over TCP" {
    input = "client\ndev tun\nproto tcp\nremote vpn.acme.example 1205\nremote two.acme.example 443 tcp-client\n"
    expect = [
      "server tcp -> two.acme.example 443 config L5",
      "server tcp -> vpn.acme.example 1205 config L4",
    ]
  }

  test "a client over UDP, of a version that nobody tells" {
    input = "client\ndev tun\nremote vpn.acme.example\n"
    expect = [
      "server udp -> vpn.acme.example 1194 default",
    ]
  }

  test "a client with a port of its own" {
    input = "client\ndev tun\nremote vpn.acme.example 1206 udp4\nlport 1207\n"
    expect = [
      "server udp -> vpn.acme.example 1206 config L3",
      "tunnel udp * 1207 config L4",
    ]
  }

  test "a client without a port" {
    input = "client\ndev tun\nnobind\nremote vpn.acme.example 1208\n"
    expect = [
      "server udp -> vpn.acme.example 1208 config L4",
    ]
  }

  test "two ends, and a socket in the file system" {
    input = "dev tun\nremote far.acme.example\nifconfig 192.0.2.1 192.0.2.2\nmanagement /run/acme.sock unix\n"
    expect = [
      "server udp -> far.acme.example 1194 default",
      "tunnel udp * 1194 default",
    ]
  }
}
