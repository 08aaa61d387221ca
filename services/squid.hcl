# Squid, a caching proxy. No port is open that nobody writes; its packages write http_port 3128.

service "squid" {
  title     = "Squid"
  platforms = ["linux", "freebsd", "openbsd", "netbsd", "macos"]
  runs      = ["squid.service"]
  cites     = ["https://www.squid-cache.org/Doc/config/http_port/", "https://github.com/squid-cache/squid/blob/7c20a8a787d1ef399c56515a847610c0f8d12147/src/cf.data.pre", "https://github.com/squid-cache/squid/blob/7c20a8a787d1ef399c56515a847610c0f8d12147/src/cache_cf.cc"]

  file "conf" {
    format = "squid"
    paths = {
      linux = ["/etc/squid/squid.conf", "/etc/squid3/squid.conf"]
    }
  }

  default "icp" {
    setting = "icp_port"
    case {
      value = 0
      cites = ["https://www.squid-cache.org/Doc/config/icp_port/"]
    }
  }

  default "htcp" {
    setting = "htcp_port"
    case {
      value = 0
      cites = ["https://www.squid-cache.org/Doc/config/htcp_port/"]
    }
  }

  default "snmp" {
    setting = "snmp_port"
    case {
      value = 0
      cites = ["https://www.squid-cache.org/Doc/config/snmp_port/"]
    }
  }

  locals {
    # Neighbours answer where they ask.
    neighbours = [first(value("udp_incoming_address"), "*")]
  }

  listen "http" {
    for_each = [for p in concat(values("http_port"), values("ascii_port")) : items(p, " \t")[0] if length(items(p, " \t")) > 0]
    purpose  = "HTTP proxy"
    protocol = ["tcp"]
    port     = port(first(hostport(each.value).port, each.value), null)
    bind     = [first(hostport(each.value).host, "*")]
    exposure = "public"
  }

  listen "https" {
    for_each = [for p in values("https_port") : items(p, " \t")[0] if length(items(p, " \t")) > 0]
    purpose  = "HTTPS accelerator"
    protocol = ["tcp"]
    port     = port(first(hostport(each.value).port, each.value), null)
    bind     = [first(hostport(each.value).host, "*")]
    exposure = "public"
  }

  listen "ftp" {
    for_each = [for p in values("ftp_port") : items(p, " \t")[0] if length(items(p, " \t")) > 0]
    purpose  = "FTP proxy"
    protocol = ["tcp"]
    port     = port(first(hostport(each.value).port, each.value), null)
    bind     = [first(hostport(each.value).host, "*")]
    exposure = "public"
  }

  listen "icp" {
    purpose  = "questions of neighbour caches (ICP)"
    protocol = ["udp"]
    port     = port(first(value("icp_port"), value("udp_port")), default.icp)
    bind     = local.neighbours
    exposure = "internal"
    assigned = ["3130"]
  }

  listen "htcp" {
    purpose  = "questions of neighbour caches (HTCP)"
    protocol = ["udp"]
    port     = port(value("htcp_port"), default.htcp)
    bind     = local.neighbours
    exposure = "internal"
    assigned = ["4827"]
  }

  listen "snmp" {
    purpose  = "SNMP agent"
    protocol = ["udp"]
    port     = port(value("snmp_port"), default.snmp)
    bind     = [first(value("snmp_incoming_address"), "*")]
    exposure = "admin"
  }

  # cache_peer HOST TYPE HTTP-PORT ICP-PORT
  connect "neighbour" {
    for_each = [for p in find("cache_peer") : p if length(args(p)) > 3]
    purpose  = "a neighbour cache"
    protocol = ["tcp"]
    peer     = args(each.value)[0]
    port     = port(args(each.value)[2], null)
  }

  test "nothing written" {
    input  = "# http_port 3128\nacl localnet src 10.0.0.0/8\n"
    expect = []
  }

  test "everything written" {
    input = <<-EOT
      http_port 3129 # for all
      http_port 192.0.2.1:3130 intercept
      http_port [2001:db8::1]:3131 name=six
      http_port proxy.acme.example:3132
      https_port 3443 tls-cert=/etc/squid/acme.pem
      ftp_port 192.0.2.1:2121
      icp_port 3230
      htcp_port 4927
      udp_incoming_address 192.0.2.2
      snmp_port 3501
      snmp_incoming_address 127.0.0.1
      cache_peer parent.acme.example parent 3128 3130 no-query
    EOT
    expect = [
      "ftp tcp 192.0.2.1 2121 config L6",
      "htcp udp 192.0.2.2 4927 config L8",
      "http tcp * 3129 config L1",
      "http tcp 192.0.2.1 3130 config L2",
      "http tcp 2001:db8::1 3131 config L3",
      "http tcp proxy.acme.example 3132 config L4",
      "https tcp * 3443 config L5",
      "icp udp 192.0.2.2 3230 config L7",
      "neighbour tcp -> parent.acme.example 3128 config L12",
      "snmp udp 127.0.0.1 3501 config L10",
    ]
  }

  test "switched off, and an old name" {
    input = "ascii_port 0.0.0.0:3140\nicp_port 0\nsnmp_port 0\n"
    expect = [
      "http tcp 0.0.0.0 3140 config L1",
    ]
  }
}
