# dnsmasq.
#
# Held against dnsmasq 2.90 of Debian 12. It takes the wildcard addresses, and sorts out
# later what it answers, unless bind-interfaces or bind-dynamic says otherwise; to the
# interfaces that are named it adds the loopback one. The port in the file counts more than
# that on the command line.

service "dnsmasq" {
  title     = "dnsmasq"
  platforms = ["linux", "freebsd"]
  cites     = ["https://thekelleys.org.uk/dnsmasq/docs/dnsmasq-man.html"]

  # Debian reads dnsmasq.d without being told so: CONFIG_DIR in /etc/default/dnsmasq. What
  # libvirt writes is a file for each of its networks.
  file "conf" {
    format = "dnsmasq"
    layers = ["dnsmasq.d/*"]
    paths = {
      linux = ["/etc/dnsmasq.conf", "/var/lib/libvirt/dnsmasq/*.conf"]
    }
  }

  file "env" {
    format = "env"
    paths  = { linux = ["/etc/default/dnsmasq"] }
  }

  default "dns" {
    setting = "port"
    case {
      value = 53
      cites = ["https://thekelleys.org.uk/dnsmasq/docs/dnsmasq-man.html"]
    }
  }

  default "dhcp" {
    setting = "dhcp-alternate-port"
    case {
      value = 67
      cites = ["https://thekelleys.org.uk/dnsmasq/docs/dnsmasq-man.html"]
    }
  }

  default "alternate" {
    setting = "dhcp-alternate-port"
    case {
      value = 1067
      note  = "the option alone, without a number"
      cites = ["https://thekelleys.org.uk/dnsmasq/docs/dnsmasq-man.html"]
    }
  }

  locals {
    argv      = words(value(file("env"), "DNSMASQ_OPTS"), "shell")
    exact     = has("bind-interfaces") || has("bind-dynamic")
    addresses = flatten([for a in values("listen-address") : items(a, ",")])
    names     = flatten([for a in values("interface") : items(a, ",")])
    except    = flatten([for a in values("except-interface") : items(a, ",")])
    own       = contains(local.except, "lo") ? [] : ["lo"]
    here      = distinct(concat(local.addresses, local.names, length(local.names) > 0 ? local.own : []))
    patterns  = [for n in local.names : n if length(match("(\\*)", n)) > 0]
    bind      = local.exact && length(local.here) > 0 && length(local.patterns) == 0 ? local.here : ["*"]

    # An IPv6 range without a second address is for router advertisements alone, unless it
    # says static or ra-stateless.
    ranges = concat(values("dhcp-range"), values("dhcp-relay"))
    four   = [for r in local.ranges : r if length(match("(^|,)\\s*([0-9]+\\.[0-9.]+)", r)) > 0]
    six    = [for r in values("dhcp-range") : r if length(match("(^|,)\\s*([0-9a-fA-F]*:[0-9a-fA-F:.]*)\\s*(,\\s*[0-9a-fA-F]*:[0-9a-fA-F:.]*\\s*(,|$)|.*,\\s*(static|ra-stateless)\\s*(,|$))", r)) > 0]
    relay6 = [for r in values("dhcp-relay") : r if length(match("^\\s*([0-9a-fA-F]*:)", r)) > 0]
    server = first([for n in items(value("dhcp-alternate-port"), ",") : n if n != "true"]...)
    data   = items(value("tftp-port-range"), ",")
  }

  listen "dns" {
    purpose  = "DNS"
    protocol = ["udp", "tcp"]
    port     = port(first(value("port"), flag(local.argv, "-p", "--port")), default.dns)
    bind     = local.bind
    exposure = "public"
    assigned = ["53"]
  }

  listen "dhcp" {
    when     = length(local.four) > 0
    purpose  = "DHCP"
    protocol = ["udp"]
    port     = has("dhcp-alternate-port") && local.server == null ? default.alternate : port(local.server, default.dhcp)
    bind     = ["0.0.0.0"]
    exposure = "public"
    assigned = ["67"]
  }

  listen "pxe" {
    when     = length(local.four) > 0 && (has("pxe-service") || has("pxe-prompt"))
    purpose  = "PXE boot server"
    protocol = ["udp"]
    port     = 4011
    bind     = ["0.0.0.0"]
    exposure = "public"
  }

  listen "dhcpv6" {
    when     = length(local.six) + length(local.relay6) > 0
    purpose  = "DHCPv6"
    protocol = ["udp"]
    port     = 547
    bind     = ["::"]
    v6only   = true
    exposure = "public"
    assigned = ["547"]
  }

  listen "tftp" {
    when     = has("enable-tftp")
    purpose  = "TFTP"
    protocol = ["udp"]
    port     = 69
    bind     = local.bind
    exposure = "public"
    assigned = ["69"]
  }

  # Without a range the system chooses, at every transfer.
  listen "tftp-transfer" {
    for_each = has("enable-tftp") && !has("tftp-single-port") && length(local.data) == 2 ? ["x"] : []
    purpose  = "transfers of TFTP"
    protocol = ["udp"]
    first    = port(local.data[0], null)
    last     = port(local.data[1], null)
    bind     = local.bind
    exposure = "public"
  }

  # [/DOMAIN/]ADDRESS[#PORT][@SOURCE]. Those of /etc/resolv.conf are not looked up.
  connect "upstream" {
    for_each = [for s in values("server") : match("^(/.*/)?([0-9A-Za-z.:-]+)(#([0-9]+))?(@.*)?$", s) if length(match("^(/.*/)?([0-9A-Za-z.:-]+)(#([0-9]+))?(@.*)?$", s)) > 0]
    purpose  = "DNS server"
    protocol = ["udp", "tcp"]
    peer     = each.value[1]
    port     = port(nonempty(each.value[3]), default.dns)
  }

  test "nothing written" {
    input = ""
    expect = [
      "dns udp * 53 default",
      "dns tcp * 53 default",
    ]
  }

  test "everything" {
    input = <<-EOT
      # port=5354
      port=5355 # for tests
      listen-address=192.0.2.7, 127.0.0.1
      listen-address=2001:db8::7
      bind-interfaces
      dhcp-range=tag:lan,192.0.2.50,192.0.2.90,12h
      dhcp-range=2001:db8::50,2001:db8::90,64
      dhcp-alternate-port=3067,3068
      pxe-service=x86PC,"boot #1",pxelinux
      enable-tftp
      tftp-port-range=30000,30009
      server=/a.example/b.example/192.0.2.53#5356
      server=2001:db8::53@eth1
      server=/local.example/
    EOT
    expect = [
      "dns udp 192.0.2.7,127.0.0.1,2001:db8::7 5355 config L2",
      "dns tcp 192.0.2.7,127.0.0.1,2001:db8::7 5355 config L2",
      "dhcp udp 0.0.0.0 3067 config L8",
      "pxe udp 0.0.0.0 4011 default",
      "dhcpv6 udp :: 547 default",
      "tftp udp 192.0.2.7,127.0.0.1,2001:db8::7 69 default",
      "tftp-transfer udp 192.0.2.7,127.0.0.1,2001:db8::7 30000-30009 config L11",
      "upstream udp -> 192.0.2.53 5356 config L12",
      "upstream tcp -> 192.0.2.53 5356 config L12",
      "upstream udp -> 2001:db8::53 53 default",
      "upstream tcp -> 2001:db8::53 53 default",
    ]
  }

  test "DHCP alone, on other ports" {
    input  = "port=0\ndhcp-alternate-port\ndhcp-range = 192.0.2.0,proxy\nlisten-address=192.0.2.7\n"
    expect = ["dhcp udp 0.0.0.0 1067 default"]
  }

  test "a network of libvirt" {
    input = <<-EOT
      strict-order
      except-interface=lo
      bind-dynamic
      interface=virbr7
      dhcp-range=192.0.2.2,192.0.2.254,255.255.255.0
    EOT
    expect = [
      "dns udp virbr7 53 default",
      "dns tcp virbr7 53 default",
      "dhcp udp 0.0.0.0 67 default",
    ]
  }

  test "router advertisements are not DHCPv6" {
    input  = "port=0\ndhcp-range=2001:db8::,ra-names,slaac\ndhcp-range=::1,constructor:eth0,64,12h\n"
    expect = []
  }

  test "DHCPv6 without addresses, and a relay" {
    input = "port=0\ndhcp-range=tag:a,::,constructor:eth0,ra-stateless,ra-names\ndhcp-relay=192.0.2.7,192.0.2.99\n"
    expect = [
      "dhcpv6 udp :: 547 default",
      "dhcp udp 0.0.0.0 67 default",
    ]
  }

  test "interfaces, and a port of the command line" {
    files = {
      conf = "interface=eth1\ninterface=eth2,eth3\nbind-interfaces\n"
      env  = "DNSMASQ_OPTS=\"-p 5357\"\n"
    }
    expect = [
      "dns udp eth1,eth2,eth3,lo 5357 config L1",
      "dns tcp eth1,eth2,eth3,lo 5357 config L1",
    ]
  }

  test "the file counts more than the command line" {
    files = {
      conf = "port=5358\ninterface=eth*\nbind-interfaces\n"
      env  = "DNSMASQ_OPTS=\"--port=5357\"\n"
    }
    expect = [
      "dns udp * 5358 config L1",
      "dns tcp * 5358 config L1",
    ]
  }
}
