# Socket units of systemd: it listens on behalf of any service. Only units that are enabled
# or were written on this host are looked for; packages install many that nobody starts.

service "systemd-socket" {
  title     = "systemd socket unit"
  platforms = ["linux"]
  carrier   = true
  cites     = ["https://www.freedesktop.org/software/systemd/man/latest/systemd.socket.html"]

  file "unit" {
    format = "systemd"
    paths = {
      linux = ["/etc/systemd/system/*.socket", "/etc/systemd/system/*.wants/*.socket", "/run/systemd/system/*.socket", "/usr/lib/systemd/system/*.wants/*.socket", "/lib/systemd/system/*.wants/*.socket"]
    }
  }

  locals {
    # An empty value of any Listen key forgets all that came before it.
    nodes = find("Socket/Listen*")
    texts = values("Socket/Listen*")
    reset = max(-1, [for i, t in local.texts : i if length(match("^()$", t)) > 0]...)

    # What is left are numbers and addresses with ports, Unix sockets (/ @ %) and vsock.
    stream_as_written   = [for i, n in local.nodes : local.texts[i] if i > local.reset && lower(name(n)) == "listenstream" && length(match("^([^/@%]*[0-9])(?:%.*)?$", local.texts[i])) > 0 && !starts_with(local.texts[i], "vsock:")]
    streams             = [for a in [for t in local.stream_as_written : hostport(match("^([^%]*)", t)[0])] : a if a.port != null]
    datagram_as_written = [for i, n in local.nodes : local.texts[i] if i > local.reset && lower(name(n)) == "listendatagram" && length(match("^([^/@%]*[0-9])(?:%.*)?$", local.texts[i])) > 0 && !starts_with(local.texts[i], "vsock:")]
    datagrams           = [for a in [for t in local.datagram_as_written : hostport(match("^([^%]*)", t)[0])] : a if a.port != null]
    family              = value("Socket/BindIPv6Only")
    v6only              = local.family != null && lower(local.family) == "ipv6-only"
    transport           = value("Socket/SocketProtocol")
    known_kind          = local.transport == null || local.transport == "" || local.transport == "mptcp"
  }

  # What a unit is for is not said in it, so it is neither public nor on a wrong port.
  # A number alone is [::], which takes IPv4 too unless BindIPv6Only says otherwise.
  listen "stream" {
    purpose  = "socket unit, stream"
    for_each = local.v6only ? [] : local.streams
    when     = local.known_kind
    protocol = ["tcp"]
    port     = port(each.value.port, null)
    bind     = [first(each.value.host, "::")]
    exposure = "internal"
    assigned = ["1-1023"]
  }

  listen "datagram" {
    purpose  = "socket unit, datagram"
    for_each = local.v6only ? [] : local.datagrams
    when     = local.known_kind
    protocol = ["udp"]
    port     = port(each.value.port, null)
    bind     = [first(each.value.host, "::")]
    exposure = "internal"
    assigned = ["1-1023"]
  }

  listen "stream-v6only" {
    purpose  = "socket unit, stream"
    for_each = local.v6only ? local.streams : []
    when     = local.known_kind
    protocol = ["tcp"]
    port     = port(each.value.port, null)
    bind     = [first(each.value.host, "::")]
    v6only   = true
    exposure = "internal"
    assigned = ["1-1023"]
  }

  listen "datagram-v6only" {
    purpose  = "socket unit, datagram"
    for_each = local.v6only ? local.datagrams : []
    when     = local.known_kind
    protocol = ["udp"]
    port     = port(each.value.port, null)
    bind     = [first(each.value.host, "::")]
    v6only   = true
    exposure = "internal"
    assigned = ["1-1023"]
  }

  test "numbers, addresses and what is no port" {
    input = <<-EOT
      [Unit]
      Description=a socket
      [Socket]
      ListenStream=2525
      ListenDatagram=192.0.2.7:5353
      ListenStream=[2001:db8::7]:8443
      ListenStream=/run/app/2.sock
      ListenStream=@abstract1
      ListenStream=vsock:2:1234
      Accept=yes
    EOT
    expect = [
      "stream tcp :: 2525 config L4",
      "datagram udp 192.0.2.7 5353 config L5",
      "stream tcp 2001:db8::7 8443 config L6",
    ]
  }

  test "an empty value forgets" {
    input = <<-EOT
      [Socket]
      ListenStream=80
      ListenDatagram=81
      ListenStream=
      ListenStream=8080
    EOT
    expect = [
      "stream tcp :: 8080 config L5",
    ]
  }

  test "one family" {
    input = <<-EOT
      [Socket]
      BindIPv6Only=ipv6-only
      ListenStream=0.0.0.0:110
      ListenStream=[::]:110
    EOT
    expect = [
      "stream-v6only tcp 0.0.0.0 110 config L3",
      "stream-v6only tcp :: 110 config L4",
    ]
  }

  test "zones, and what is not known" {
    input = <<-EOT
      [Socket]
      ListenStream=127.0.0.1:8081%lo
      ListenStream=[fe80::1]:8082%eth0
      ListenStream=%t/app7
      ListenDatagram=@PORT@
      ListenStream=8083
      SocketProtocol=mptcp
    EOT
    expect = [
      "stream tcp 127.0.0.1 8081 config L2",
      "stream tcp fe80::1 8082 config L3",
      "stream tcp :: 8083 config L6",
    ]
  }

  test "only a path" {
    input  = <<-EOT
      [Socket]
      ListenStream=/run/daemon.sock
    EOT
    expect = []
  }
}
