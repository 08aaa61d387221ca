# Dovecot: mail for those who read it. The listeners of each protocol are there when the
# protocol is on, and the file may give them other numbers or, with 0, none.
#
# Held against Dovecot 2.3.19 of Debian 12: services and listeners of one name are one, and
# of a setting the last counts; a service of a protocol that is not among "protocols" does
# not start; ssl = no drops the listeners that say ssl = yes. "*" is IPv4 alone, "::" IPv6
# alone.

service "dovecot" {
  title     = "Dovecot"
  platforms = ["linux", "freebsd", "openbsd", "netbsd", "macos"]
  cites = [
    "https://doc.dovecot.org/2.3/configuration_manual/service_configuration/",
    "https://doc.dovecot.org/2.3/settings/core/",
    "https://doc.dovecot.org/latest/core/config/service.html",
  ]

  file "conf" {
    format = "lines"
    dialect {
      comments     = "#"
      inline       = "#"
      inline_blank = true
      delimiters   = "="
      bare         = "empty"
      quotes       = "\"'"
      blocks       = true
      continuation = "backslash-blank"
      include "!include" {
        inside = true
      }
      include "!include_try" {
        need   = "nothing"
        inside = true
      }
    }
    paths = {
      linux = ["/etc/dovecot/dovecot.conf", "/usr/local/etc/dovecot/dovecot.conf"]
    }
  }

  version = first(value("dovecot_config_version"), "2.3")

  # Before 2.4 it is up to the packager: three protocols in the source, none in Debian, whose
  # packages add theirs with files in /usr/share/dovecot/protocols.d.
  default "protocols" {
    setting = "protocols"
    case {
      since = "2.4"
      value = ""
      cites = ["https://github.com/dovecot/core/blob/f28b5a92ec52eef0a111a095d00435756343dc94/src/master/master-settings.c#L246"]
    }
  }

  default "imap" {
    setting = "port of imap"
    case {
      value = 143
      cites = ["https://github.com/dovecot/core/blob/f28b5a92ec52eef0a111a095d00435756343dc94/src/imap-login/imap-login-settings.c#L42"]
    }
  }

  default "imaps" {
    setting = "port of imaps"
    case {
      value = 993
      cites = ["https://github.com/dovecot/core/blob/f28b5a92ec52eef0a111a095d00435756343dc94/src/imap-login/imap-login-settings.c#L45"]
    }
  }

  default "pop3" {
    setting = "port of pop3"
    case {
      value = 110
      cites = ["https://github.com/dovecot/core/blob/f28b5a92ec52eef0a111a095d00435756343dc94/src/pop3-login/pop3-login-settings.c"]
    }
  }

  default "pop3s" {
    setting = "port of pop3s"
    case {
      value = 995
      cites = ["https://github.com/dovecot/core/blob/f28b5a92ec52eef0a111a095d00435756343dc94/src/pop3-login/pop3-login-settings.c"]
    }
  }

  default "submission" {
    setting = "port of submission"
    case {
      value = 587
      cites = ["https://github.com/dovecot/core/blob/f28b5a92ec52eef0a111a095d00435756343dc94/src/submission-login/submission-login-settings.c"]
    }
  }

  default "submissions" {
    setting = "port of submissions"
    case {
      before = "2.4"
      value  = 0
      note   = "there only when the file names it"
      cites  = ["https://github.com/dovecot/core/blob/2.3.21/src/submission-login/submission-login-settings.c#L18"]
    }
    case {
      since = "2.4"
      value = 465
      cites = ["https://github.com/dovecot/core/blob/f28b5a92ec52eef0a111a095d00435756343dc94/src/submission-login/submission-login-settings.c"]
    }
  }

  default "sieve" {
    setting = "port of sieve"
    case {
      value = 4190
      cites = ["https://doc.dovecot.org/latest/core/config/sieve/managesieve.html"]
    }
  }

  locals {
    # "$protocols imap" adds to what was on, which is what packagers do who begin with none.
    said      = values("protocols")
    adds      = length([for p in [last(local.said...)] : p if length(match("([$])", text(p, ""))) > 0]) > 0
    protocols = local.adds ? flatten([for p in local.said : items(p, " \t")]) : items(text(last(local.said...), default.protocols), " \t")

    tls    = lower(text(value("ssl"), "yes")) != "no"
    listen = text(value("listen"), "*, ::")

    all         = flatten([for s in find("service") : [for l in find(s, "inet_listener") : { of = text(first(args(s)...), ""), name = text(first(args(l)...), ""), node = l }]])
    imap        = [for l in local.all : l.node if l.of == "imap-login" && l.name == "imap"]
    imaps       = [for l in local.all : l.node if l.of == "imap-login" && l.name == "imaps"]
    pop3        = [for l in local.all : l.node if l.of == "pop3-login" && l.name == "pop3"]
    pop3s       = [for l in local.all : l.node if l.of == "pop3-login" && l.name == "pop3s"]
    submission  = [for l in local.all : l.node if l.of == "submission-login" && l.name == "submission"]
    submissions = [for l in local.all : l.node if l.of == "submission-login" && l.name == "submissions"]
    sieve       = [for l in local.all : l.node if l.of == "managesieve-login" && l.name == "sieve"]

    # The protocol of the service that listens; others listen whatever the protocols.
    needs = {
      imap-login        = "imap"
      pop3-login        = "pop3"
      submission-login  = "submission"
      managesieve-login = "sieve"
      lmtp              = "lmtp"
    }
    known  = ["imap-login imap", "imap-login imaps", "pop3-login pop3", "pop3-login pop3s", "submission-login submission", "submission-login submissions", "managesieve-login sieve"]
    others = distinct([for l in local.all : "${l.of} ${l.name}" if !contains(local.known, "${l.of} ${l.name}")])
  }

  listen "imap" {
    when     = contains(local.protocols, "imap") && (local.tls || !truthy(last([for n in local.imap : value(n, "ssl")]...), false))
    purpose  = "IMAP"
    protocol = ["tcp"]
    port     = port(last([for n in local.imap : value(n, "port")]...), default.imap)
    bind     = [for a in items(text(last([for n in local.imap : first(value(n, "listen"), value(n, "address"))]...), local.listen), ", ") : a == "*" ? "0.0.0.0" : a]
    v6only   = true
    exposure = "public"
    assigned = ["143"]
  }

  listen "imaps" {
    when     = contains(local.protocols, "imap") && (local.tls || !truthy(last([for n in local.imaps : value(n, "ssl")]...), true))
    purpose  = "IMAP behind TLS"
    protocol = ["tcp"]
    port     = port(last([for n in local.imaps : value(n, "port")]...), default.imaps)
    bind     = [for a in items(text(last([for n in local.imaps : first(value(n, "listen"), value(n, "address"))]...), local.listen), ", ") : a == "*" ? "0.0.0.0" : a]
    v6only   = true
    exposure = "public"
    assigned = ["993"]
  }

  listen "pop3" {
    when     = contains(local.protocols, "pop3") && (local.tls || !truthy(last([for n in local.pop3 : value(n, "ssl")]...), false))
    purpose  = "POP3"
    protocol = ["tcp"]
    port     = port(last([for n in local.pop3 : value(n, "port")]...), default.pop3)
    bind     = [for a in items(text(last([for n in local.pop3 : first(value(n, "listen"), value(n, "address"))]...), local.listen), ", ") : a == "*" ? "0.0.0.0" : a]
    v6only   = true
    exposure = "public"
    assigned = ["110"]
  }

  listen "pop3s" {
    when     = contains(local.protocols, "pop3") && (local.tls || !truthy(last([for n in local.pop3s : value(n, "ssl")]...), true))
    purpose  = "POP3 behind TLS"
    protocol = ["tcp"]
    port     = port(last([for n in local.pop3s : value(n, "port")]...), default.pop3s)
    bind     = [for a in items(text(last([for n in local.pop3s : first(value(n, "listen"), value(n, "address"))]...), local.listen), ", ") : a == "*" ? "0.0.0.0" : a]
    v6only   = true
    exposure = "public"
    assigned = ["995"]
  }

  listen "submission" {
    when     = contains(local.protocols, "submission") && (local.tls || !truthy(last([for n in local.submission : value(n, "ssl")]...), false))
    purpose  = "mail of users"
    protocol = ["tcp"]
    port     = port(last([for n in local.submission : value(n, "port")]...), default.submission)
    bind     = [for a in items(text(last([for n in local.submission : first(value(n, "listen"), value(n, "address"))]...), local.listen), ", ") : a == "*" ? "0.0.0.0" : a]
    v6only   = true
    exposure = "public"
    assigned = ["587"]
  }

  listen "submissions" {
    when     = contains(local.protocols, "submission") && (local.tls || !truthy(last([for n in local.submissions : value(n, "ssl")]...), true))
    purpose  = "mail of users behind TLS"
    protocol = ["tcp"]
    port     = port(last([for n in local.submissions : value(n, "port")]...), default.submissions)
    bind     = [for a in items(text(last([for n in local.submissions : first(value(n, "listen"), value(n, "address"))]...), local.listen), ", ") : a == "*" ? "0.0.0.0" : a]
    v6only   = true
    exposure = "public"
    assigned = ["465"]
  }

  listen "sieve" {
    when     = contains(local.protocols, "sieve") && (local.tls || !truthy(last([for n in local.sieve : value(n, "ssl")]...), false))
    purpose  = "filters of users (ManageSieve)"
    protocol = ["tcp"]
    port     = port(last([for n in local.sieve : value(n, "port")]...), default.sieve)
    bind     = [for a in items(text(last([for n in local.sieve : first(value(n, "listen"), value(n, "address"))]...), local.listen), ", ") : a == "*" ? "0.0.0.0" : a]
    v6only   = true
    exposure = "public"
    assigned = ["4190"]
  }

  # Listeners that are there because somebody wrote them. Those of login services are for
  # users; LMTP, auth, doveadm and statistics are for programs.
  each "other" {
    for_each = local.others

    locals {
      of    = items(each.value, " ")[0]
      nodes = [for l in local.all : l.node if "${l.of} ${l.name}" == each.value]
      need  = first([for s, p in local.needs : p if s == local.of]...)
      on    = (local.need == null || contains(local.protocols, text(local.need, ""))) && (local.tls || !truthy(last([for n in local.nodes : value(n, "ssl")]...), false))
      users = trim_suffix(local.of, "-login") != local.of
    }

    listen "login" {
      for_each = local.users ? ["x"] : []
      when     = local.on
      purpose  = "users of ${local.of}"
      protocol = ["tcp"]
      port     = port(last([for n in local.nodes : value(n, "port")]...), 0)
      bind     = [for a in items(text(last([for n in local.nodes : first(value(n, "listen"), value(n, "address"))]...), local.listen), ", ") : a == "*" ? "0.0.0.0" : a]
      v6only   = true
      exposure = "public"
    }

    listen "service" {
      for_each = local.users ? [] : ["x"]
      when     = local.on
      purpose  = "service ${local.of}"
      protocol = ["tcp"]
      port     = port(last([for n in local.nodes : value(n, "port")]...), 0)
      bind     = [for a in items(text(last([for n in local.nodes : first(value(n, "listen"), value(n, "address"))]...), local.listen), ", ") : a == "*" ? "0.0.0.0" : a]
      v6only   = true
      exposure = "internal"
    }
  }

  test "no protocols" {
    input  = "ssl = no\n"
    expect = []
  }

  test "nothing written, since 2.4" {
    input  = "dovecot_config_version = 2.4.1\n"
    expect = []
  }

  test "since 2.4" {
    input = <<-EOT
      dovecot_config_version = 2.4.0
      protocols = pop3 submission
      service pop3-login {
        inet_listener pop3 {
          listen = 127.0.0.1
          port = 1110
        }
        inet_listener pop3s {
        }
      }
    EOT
    expect = [
      "pop3 tcp 127.0.0.1 1110 config L6",
      "pop3s tcp 0.0.0.0,:: 995 default L3",
      "submission tcp 0.0.0.0,:: 587 default",
      "submissions tcp 0.0.0.0,:: 465 default",
    ]
  }

  test "protocols alone" {
    input = <<-EOT
      # protocols = submission
      protocols = imap
      protocols = $protocols pop3 sieve # more
      protocol imap {
        mail_max_userip_connections = 20
      }
    EOT
    expect = [
      "imap tcp 0.0.0.0,:: 143 default",
      "imaps tcp 0.0.0.0,:: 993 default",
      "pop3 tcp 0.0.0.0,:: 110 default",
      "pop3s tcp 0.0.0.0,:: 995 default",
      "sieve tcp 0.0.0.0,:: 4190 default",
    ]
  }

  test "everything" {
    input = <<-EOT
      protocols = imap lmtp submission
      listen = 192.0.2.7, ::1
      service imap-login {
        inet_listener imap {
          port = 1143 # for tests
        }
        inet_listener imaps {
          #port = 1992
          port = 1993
          address = *
        }
        inet_listener imap_haproxy {
          port = 10143
          haproxy = yes
        }
      }
      service imap-login {
        inet_listener imap {
          port = 1144
        }
      }
      service submission-login {
        inet_listener submissions {
          port = 1465
          ssl = yes
        }
        inet_listener submission {
          port = 0
        }
      }
      service lmtp {
        unix_listener lmtp {
          mode = 0666
        }
        inet_listener {
          address = 127.0.0.1
          port = 2424
        }
      }
      service pop3-login {
        inet_listener third {
          port = 1110
        }
      }
      service auth {
        inet_listener auth {
          port = 12346
        }
        inet_listener unused {
        }
      }
    EOT
    expect = [
      "imap tcp 192.0.2.7,::1 1144 config L19",
      "imaps tcp 0.0.0.0 1993 config L9",
      "login tcp 192.0.2.7,::1 10143 config L13",
      "submissions tcp 192.0.2.7,::1 1465 config L24",
      "service tcp 127.0.0.1 2424 config L37",
      "service tcp 192.0.2.7,::1 12346 config L47",
    ]
  }

  test "without TLS" {
    input  = <<-EOT
      ssl = no
      protocols = pop3 imap
      listen = *
      service imap-login {
        inet_listener imaps {
          port = 1993
        }
        inet_listener imap {
          ssl = yes
        }
      }
      service stats {
        inet_listener http {
          port = 9911
          ssl = yes
        }
      }
    EOT
    expect = ["pop3 tcp 0.0.0.0 110 default"]
  }

  test "odd spellings" {
    input  = "protocols = 'imap'\nlisten = \\\n  ::1\nservice \"imap-login\" {\n inet_listener \"imap\" {\n  port = \"1145\"\n }\n inet_listener imaps {\n port=0\n }\n}\n"
    expect = ["imap tcp ::1 1145 config L6"]
  }
}
