# The supernode of n2n. Its file holds options of the command line, one on a line.

service "n2n" {
  title     = "n2n supernode"
  platforms = ["linux", "freebsd", "windows-server"]
  cites     = ["https://github.com/ntop/n2n/blob/fff50a7d80728069ca101a262d1543d85ac5313f/packages/etc/n2n/supernode.conf.sample", "https://github.com/ntop/n2n/blob/fff50a7d80728069ca101a262d1543d85ac5313f/supernode.1"]

  file "conf" {
    format = "keyword"
    paths = {
      linux = ["/etc/n2n/supernode.conf"]
    }
  }

  default "port" {
    setting = "-p"
    case {
      value = 7654
      cites = ["https://github.com/ntop/n2n/blob/fff50a7d80728069ca101a262d1543d85ac5313f/include/n2n_define.h#L153"]
    }
  }

  default "management" {
    setting = "-t"
    case {
      value = 5645
      cites = ["https://github.com/ntop/n2n/blob/fff50a7d80728069ca101a262d1543d85ac5313f/include/n2n_define.h#L120"]
    }
  }

  locals {
    written = first(value("-p"), value("--local-port"))
    # An address, a port or both: one with dots alone is an address.
    alone   = length(match("^([^:]*[.][^:]*)$", local.written)) > 0
    address = local.alone ? local.written : hostport(local.written).host
    bind    = [first(local.address, "*")]
    port    = hostport(local.written).port
  }

  listen "supernode" {
    purpose  = "edges"
    protocol = ["udp"]
    port     = port(local.port, default.port)
    bind     = local.bind
    zero     = "unknown"
    exposure = "public"
  }

  # Edges behind strict firewalls come over TCP: src/supernode.c, line 664, of that commit,
  # which Windows leaves out.
  listen "supernode-tcp" {
    purpose  = "edges over TCP"
    protocol = ["tcp"]
    port     = port(local.port, default.port)
    bind     = local.bind
    zero     = "unknown"
    exposure = "public"
  }

  listen "management" {
    purpose  = "management"
    protocol = ["udp"]
    port     = port(first(value("-t"), value("--mgmt-port")), default.management)
    bind     = ["127.0.0.1"]
    zero     = "unknown"
    exposure = "loopback"
  }

  connect "federation" {
    purpose  = "another supernode"
    for_each = [for s in [for l in values("-l") : hostport(l)] : s if s.port != null]
    protocol = ["udp"]
    peer     = each.value.host
    port     = port(each.value.port, null)
  }

  test "as shipped" {
    input  = <<-EOT
      # -p=1
      -p=7778
      -c=community.list
    EOT
    expect = ["supernode udp * 7778 config L2", "supernode-tcp tcp * 7778 config L2", "management udp 127.0.0.1 5645 default"]
  }

  test "no port" {
    input  = <<-EOT
      -c=community.list
      -t=5646
    EOT
    expect = ["supernode udp * 7654 default", "supernode-tcp tcp * 7654 default", "management udp 127.0.0.1 5646 config L2"]
  }

  test "an address, and a neighbour" {
    input = <<-EOT
      -p=10.0.0.5:7779
      -l=other.example:7780
    EOT
    expect = [
      "supernode udp 10.0.0.5 7779 config L1", "supernode-tcp tcp 10.0.0.5 7779 config L1", "management udp 127.0.0.1 5645 default",
      "federation udp -> other.example 7780 config L2",
    ]
  }

  test "an address alone" {
    input  = "-p=10.0.0.6\n"
    expect = ["supernode udp 10.0.0.6 7654 default L1", "supernode-tcp tcp 10.0.0.6 7654 default L1", "management udp 127.0.0.1 5645 default"]
  }
}
