# Postfix. master.cf says which of its programs listen, and inet_interfaces of main.cf on
# which addresses, where master.cf does not say one.

service "postfix" {
  title     = "Postfix"
  platforms = ["linux", "freebsd", "netbsd", "macos", "solaris"]
  cites     = ["https://www.postfix.org/master.5.html", "https://www.postfix.org/postconf.5.html#inet_interfaces"]

  file "master" {
    format = "postfix"
    accept = length([for r in find("*") : r if length(args(r)) >= 7]) > 0
    paths = {
      linux = ["/etc/postfix/master.cf"]
    }
  }

  # It says on which addresses, for rows without one.
  file "main" {
    format = "lines"
    paths = {
      linux = ["/etc/postfix/main.cf"]
    }
    # https://www.postfix.org/postconf.5.html
    dialect {
      comments     = "#"
      delimiters   = "="
      bare         = "empty"
      continuation = "leading-blank"
    }
  }

  locals {
    # https://www.postfix.org/postconf.5.html#inet_interfaces
    main       = file("main")
    family     = lower(text(value(local.main, "inet_protocols"), "all"))
    any        = local.family == "ipv4" ? "0.0.0.0" : (local.family == "ipv6" ? "::" : "*")
    loopback   = local.family == "ipv4" ? ["127.0.0.1"] : (local.family == "ipv6" ? ["::1"] : ["127.0.0.1", "::1"])
    interfaces = items(text(value(local.main, "inet_interfaces"), "all"), ", \t")
    # What a $name stands for is not followed: then it may be any address.
    open       = length([for i in local.interfaces : i if lower(i) == "all" || starts_with(i, "$")]) > 0
    everywhere = local.open || length(local.interfaces) == 0 ? [local.any] : flatten([for i in local.interfaces : contains(["loopback-only", "localhost"], lower(i)) ? local.loopback : [i]])

    # Name, type, five columns, program. The name is a port or the name of a service, with
    # or without an address.
    rows  = [for r in find("*") : name(r) if length(args(r)) >= 7 && first(args(r)...) == "inet"]
    parts = [for n in local.rows : match("^(?:(.*):)?([^:]+)$", n)]
    hosts = [for p in local.parts : p[0] == null ? local.everywhere : match("^\\[?([^]]*)\\]?$", p[0])]

    # The host may say the number of a name. Where it does not, those that mail has are in
    # https://www.iana.org/assignments/service-names-port-numbers.
    numbers     = [for i, p in local.parts : { port = p[1], host = local.hosts[i] } if length(match("^(smtp|submission|submissions|smtps)$", p[1])) == 0]
    smtp        = [for i, p in local.parts : { port = p[1], host = local.hosts[i] } if p[1] == "smtp"]
    submission  = [for i, p in local.parts : { port = p[1], host = local.hosts[i] } if p[1] == "submission"]
    submissions = [for i, p in local.parts : { port = p[1], host = local.hosts[i] } if length(match("^(submissions|smtps)$", p[1])) > 0]
  }

  listen "mail" {
    purpose  = "mail on a port of its own"
    for_each = local.numbers
    protocol = ["tcp"]
    port     = port(first(numeric(each.value.port), service_port(each.value.port, "tcp")), null)
    bind     = each.value.host
    v6only   = true
    exposure = "internal"
    assigned = ["25", "465", "587"]
  }

  # The comparison gives the number the place of the name.
  listen "smtp" {
    purpose  = "SMTP"
    for_each = local.smtp
    protocol = ["tcp"]
    port     = each.value.port == "smtp" ? port(first(service_port(each.value.port, "tcp"), "25"), null) : 0
    bind     = each.value.host
    v6only   = true
    exposure = "public"
    assigned = ["25"]
  }

  listen "submission" {
    purpose  = "mail submission"
    for_each = local.submission
    protocol = ["tcp"]
    port     = each.value.port == "submission" ? port(first(service_port(each.value.port, "tcp"), "587"), null) : 0
    bind     = each.value.host
    v6only   = true
    exposure = "public"
    assigned = ["587"]
  }

  listen "submissions" {
    purpose  = "mail submission over TLS"
    for_each = local.submissions
    protocol = ["tcp"]
    port     = each.value.port != "" ? port(first(service_port(each.value.port, "tcp"), "465"), null) : 0
    bind     = each.value.host
    v6only   = true
    exposure = "public"
    assigned = ["465"]
  }

  test "names and addresses" {
    input  = <<-EOT
      smtp      inet  n  -  y  -  -  smtpd
      127.0.0.1:submission inet n - n - - smtpd
        -o syslog_name=$${multi_instance_name?{$multi_instance_name}:{postfix}}/submission
      #smtps    inet  n  -  y  -  -  smtpd
      pickup    unix  n  -  y  60 1  pickup
    EOT
    expect = ["smtp tcp * 25 config L1", "submission tcp 127.0.0.1 587 config L2"]
  }

  test "addresses of main.cf" {
    files = {
      master = "smtp inet n - y - - smtpd\n192.0.2.5:submission inet n - y - - smtpd\n"
      main   = "myhostname = calls.example\n#inet_interfaces = all\ninet_interfaces =\n  loopback-only\n"
    }
    expect = ["smtp tcp 127.0.0.1,::1 25 config L1", "submission tcp 192.0.2.5 587 config L2"]
  }

  test "two addresses of main.cf" {
    files = {
      master = "smtp inet n - y - - smtpd\n"
      main   = "inet_interfaces = 192.0.2.6, 127.0.0.1\n"
    }
    expect = ["smtp tcp 192.0.2.6,127.0.0.1 25 config L1"]
  }

  test "numbers" {
    input  = <<-EOT
      localhost:10025 inet n - n - - smtpd
      [::1]:2525 inet n - n - - smtpd
      smtps inet n - n - - smtpd
    EOT
    expect = ["mail tcp localhost 10025 config L1", "mail tcp ::1 2525 config L2", "submissions tcp * 465 config L3"]
  }
}
