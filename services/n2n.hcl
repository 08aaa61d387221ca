# The supernode of n2n. Its file holds options of the command line, one on a line.

service "n2n" {
  title     = "n2n supernode"
  platforms = ["linux", "freebsd", "windows-server"]
  cites     = ["https://github.com/ntop/n2n/blob/fff50a7d80728069ca101a262d1543d85ac5313f/packages/etc/n2n/supernode.conf.sample"]

  file "conf" {
    format = "keyword"
    paths = {
      linux = ["/etc/n2n/supernode.conf"]
    }
  }

  locals {
    listen = hostport(value("-p"))
  }

  # The port of a supernode without the option is unverified, so only what is written is
  # claimed.
  listen "supernode" {
    purpose  = "edges"
    when     = local.listen.port != null
    protocol = ["udp"]
    port     = port(local.listen.port, null)
    bind     = [first(local.listen.host, "*")]
    zero     = "unknown"
    exposure = "public"
  }

  test "as shipped" {
    input  = <<-EOT
      # -p=1
      -p=7778
      -c=community.list
    EOT
    expect = ["supernode udp * 7778 config L2"]
  }

  test "no port" {
    input  = <<-EOT
      -c=community.list
    EOT
    expect = []
  }
}
