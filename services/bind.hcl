# BIND's name server.

service "bind" {
  title     = "BIND 9 (named)"
  platforms = ["linux", "freebsd"]
  cites     = ["https://bind9.readthedocs.io/en/stable/reference.html#namedconf-statement-listen-on", "https://bind9.readthedocs.io/en/stable/reference.html#controls-block-definition-and-usage"]

  file "conf" {
    format = "bind"
    accept = has("options") || has("zone") || has("view") || has("controls")
    paths = {
      linux = ["/etc/bind/named.conf", "/etc/named.conf", "/usr/local/etc/namedb/named.conf"]
    }
  }

  # What named is started with: named(8).
  file "env" {
    format = "env"
    accept = has("OPTIONS")
    paths = {
      linux = ["/etc/default/named", "/etc/default/bind9", "/etc/sysconfig/named"]
    }
  }

  default "port" {
    setting = "port"
    case {
      value = 53
      cites = ["https://bind9.readthedocs.io/en/stable/reference.html#namedconf-statement-port"]
    }
  }

  default "tls_port" {
    setting = "tls-port"
    case {
      value = 853
      cites = ["https://bind9.readthedocs.io/en/stable/reference.html#namedconf-statement-tls-port"]
    }
  }

  default "https_port" {
    setting = "https-port"
    case {
      value = 443
      cites = ["https://bind9.readthedocs.io/en/stable/reference.html#namedconf-statement-https-port"]
    }
  }

  default "http_port" {
    setting = "http-port"
    case {
      value = 80
      cites = ["https://bind9.readthedocs.io/en/stable/reference.html#namedconf-statement-http-port"]
    }
  }

  default "control_port" {
    setting = "controls"
    case {
      value = 953
      cites = ["https://bind9.readthedocs.io/en/stable/reference.html#controls-block-definition-and-usage"]
    }
  }

  default "statistics_port" {
    setting = "statistics-channels"
    case {
      value = 80
      cites = ["https://bind9.readthedocs.io/en/stable/reference.html#statistics-channels-block-definition-and-usage"]
    }
  }

  locals {
    # A port on the command line wins, and a family may be taken away there.
    options    = words(value(file("env"), "OPTIONS"), "shell")
    four       = !has_flag(local.options, "-6")
    six        = !has_flag(local.options, "-4")
    everywhere = port(first(flag(local.options, "-p"), value("options/port")), default.port)
    acls       = [for a in find("acl") : a if length(args(a)) > 0]
    acl_names  = [for a in local.acls : args(a)[0]]
  }

  # Without listen-on it is every address of IPv4, without listen-on-v6 every one of IPv6.
  listen "dns-default" {
    purpose  = "DNS"
    when     = local.four && !has("options/listen-on")
    protocol = ["udp", "tcp"]
    port     = local.everywhere
    bind     = ["0.0.0.0"]
    zero     = "unknown"
    exposure = "public"
    assigned = ["53"]
    share    = "bind"
  }

  listen "dns-default-v6" {
    purpose  = "DNS"
    when     = local.six && !has("options/listen-on-v6")
    protocol = ["udp", "tcp"]
    port     = local.everywhere
    bind     = ["::"]
    v6only   = true
    zero     = "unknown"
    exposure = "public"
    assigned = ["53"]
    share    = "bind"
  }

  each "list" {
    for_each = concat(local.four ? find("options/listen-on") : [], local.six ? find("options/listen-on-v6") : [])

    locals {
      v4   = lower(name(each.value)) == "listen-on"
      any  = local.v4 ? "0.0.0.0" : "::"
      tls  = has_flag(args(each.value), "tls") && flag(args(each.value), "tls") != "none"
      http = has_flag(args(each.value), "http")
      port = flag(args(each.value), "port")
      # A member may be the name of an acl, whose members it then stands for.
      named = flatten([for n in find(each.value, "*") : contains(local.acl_names, name(n)) ? flatten([for a in local.acls : [for m in find(a, "*") : name(m)] if args(a)[0] == name(n)]) : [name(n)]])
      # "none" and what begins with "!" is not listened on, nor are addresses of the other
      # family. Which addresses of the host are in a network, no file tells: any may be.
      members = [for m in local.named : m if m != "none" && !starts_with(m, "!") && (contains(["any", "localhost", "localnets"], m) || local.v4 == (length(match("(:)", m)) == 0))]
      bind    = distinct([for m in local.members : contains(["any", "localhost", "localnets"], m) || length(match("(/)", m)) > 0 ? local.any : m])
    }

    listen "dns" {
      purpose  = "DNS"
      when     = length(local.members) > 0 && !local.tls && !local.http
      protocol = ["udp", "tcp"]
      port     = port(local.port, local.everywhere)
      bind     = local.bind
      v6only   = true
      zero     = "unknown"
      exposure = "public"
      assigned = ["53"]
      share    = "bind"
    }

    listen "dns-tls" {
      purpose  = "DNS over TLS"
      when     = length(local.members) > 0 && local.tls && !local.http
      protocol = ["tcp"]
      port     = port(local.port, port(value("options/tls-port"), default.tls_port))
      bind     = local.bind
      v6only   = true
      zero     = "unknown"
      exposure = "public"
      assigned = ["853"]
      share    = "bind"
    }

    listen "dns-https" {
      purpose  = "DNS over HTTP"
      when     = length(local.members) > 0 && local.http
      protocol = ["tcp"]
      port     = local.tls ? port(local.port, port(value("options/https-port"), default.https_port)) : port(local.port, port(value("options/http-port"), default.http_port))
      bind     = local.bind
      v6only   = true
      zero     = "unknown"
      exposure = "public"
      assigned = ["443", "80"]
      share    = "bind"
    }
  }

  # Without controls there is one on each loopback address: rndc.
  listen "control-default" {
    purpose  = "rndc control"
    when     = !has("controls")
    protocol = ["tcp"]
    port     = default.control_port
    bind     = concat(local.four ? ["127.0.0.1"] : [], local.six ? ["::1"] : [])
    exposure = "loopback"
    assigned = ["953"]
  }

  listen "control" {
    purpose  = "rndc control"
    for_each = [for n in find("controls/inet") : args(n) if length(args(n)) > 0 && length(match("^([*0-9a-fA-F:.]+)$", args(n)[0])) > 0]
    protocol = ["tcp"]
    port     = port(flag(each.value, "port"), default.control_port)
    bind     = [each.value[0] == "*" ? "0.0.0.0" : each.value[0]]
    zero     = "unknown"
    exposure = "admin"
    assigned = ["953"]
    share    = "bind"
  }

  listen "statistics" {
    purpose  = "statistics"
    for_each = [for n in find("statistics-channels/inet") : args(n) if length(args(n)) > 0 && length(match("^([*0-9a-fA-F:.]+)$", args(n)[0])) > 0]
    protocol = ["tcp"]
    port     = port(flag(each.value, "port"), default.statistics_port)
    bind     = [each.value[0] == "*" ? "0.0.0.0" : each.value[0]]
    zero     = "unknown"
    exposure = "admin"
  }

  test "as shipped" {
    input = <<-EOT
      options {
        directory "/var/cache/bind";
        // listen-on port 5353 { any; };
        query-source address * port 5454;
        forwarders { 192.0.2.9 port 5300; };
      };
    EOT
    expect = [
      "dns-default udp 0.0.0.0 53 default", "dns-default tcp 0.0.0.0 53 default", "dns-default-v6 udp :: 53 default", "dns-default-v6 tcp :: 53 default",
      "control-default tcp 127.0.0.1,::1 953 default",
    ]
  }

  test "lists, TLS and controls" {
    input = <<-EOT
      options {
        listen-on port 5353 { 192.0.2.1; !192.0.2.2; };
        listen-on tls local { any; };
        listen-on-v6 { none; };
      };
      controls {
        inet 127.0.0.1 port 9953 allow { localhost; } keys { "k"; };
        unix "/run/ndc" perm 0600 owner 0 group 0;
      };
      statistics-channels { inet * port 8053 allow { any; }; };
    EOT
    expect = [
      "dns udp 192.0.2.1 5353 config L2", "dns tcp 192.0.2.1 5353 config L2", "dns-tls tcp 0.0.0.0 853 default",
      "control tcp 127.0.0.1 9953 config L7", "statistics tcp 0.0.0.0 8053 config L10",
    ]
  }

  test "the same address again" {
    input  = <<-EOT
      options { listen-on { none; }; listen-on-v6 { none; }; };
      controls { inet 10.0.0.3 allow { any; }; inet 10.0.0.3 allow { none; }; inet 10.0.0.3 port 954 allow { any; }; };
    EOT
    expect = ["control tcp 10.0.0.3 953 default", "control tcp 10.0.0.3 954 config L2"]
  }

  test "another port, no controls" {
    input = <<-EOT
      options { port 5300; listen-on { 192.0.2.1; }; listen-on-v6 { any; }; };
      controls { };
    EOT
    expect = [
      "dns udp 192.0.2.1 5300 config L1", "dns tcp 192.0.2.1 5300 config L1", "dns udp :: 5300 config L1", "dns tcp :: 5300 config L1",
    ]
  }

  test "acls, networks and the other family" {
    input = <<-EOT
      acl ours { 10.5.0.1; 2001:db8::1; !10.5.0.2; };
      options {
        listen-on { ours; };
        listen-on port 5300 { 10.6.0.0/16; };
        listen-on port 5301 { localhost; };
        listen-on-v6 { none; };
        listen-on-v6 port 5302 { ours; };
      };
      controls { };
    EOT
    expect = [
      "dns udp 10.5.0.1 53 default", "dns tcp 10.5.0.1 53 default",
      "dns udp 0.0.0.0 5300 config L4", "dns tcp 0.0.0.0 5300 config L4",
      "dns udp 0.0.0.0 5301 config L5", "dns tcp 0.0.0.0 5301 config L5",
      "dns udp 2001:db8::1 5302 config L7", "dns tcp 2001:db8::1 5302 config L7",
    ]
  }

  test "the command line" {
    files = {
      conf = "options { listen-on port 5301 { any; }; listen-on-v6 { any; }; port 5300; };\ncontrols { };\n"
      env  = "OPTIONS=\"-u bind -4 -p 5399\"\n"
    }
    expect = ["dns udp 0.0.0.0 5301 config L1", "dns tcp 0.0.0.0 5301 config L1"]
  }

  test "a port on the command line" {
    files = {
      conf = "options { port 5300; };\n"
      env  = "OPTIONS=\"-6 -p 5399\"\n"
    }
    expect = ["dns-default-v6 udp :: 5399 config L1", "dns-default-v6 tcp :: 5399 config L1", "control-default tcp ::1 953 default"]
  }
}
