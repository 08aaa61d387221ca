# Dovecot: mail for those who read it. The listeners of each protocol are there when the protocol
# is on, and the file may give them other numbers or, with 0, none. Up to 2.3 three protocols were
# on without a word; since 2.4, whose files begin with dovecot_config_version, none is.

service "dovecot" {
  title     = "Dovecot"
  platforms = ["linux", "freebsd", "openbsd", "netbsd", "macos"]
  cites     = ["https://github.com/dovecot/core/blob/f28b5a92ec52eef0a111a095d00435756343dc94/src/master/master-settings.c", "https://doc.dovecot.org/latest/core/config/service.html"]

  file "conf" {
    format = "lines"
    paths = {
      linux = ["/etc/dovecot/dovecot.conf", "/usr/local/etc/dovecot/dovecot.conf"]
    }
    dialect {
      comments     = "#"
      inline       = "#"
      inline_blank = true
      delimiters   = "="
      blocks       = true
      bare         = "empty"
      quotes       = "\"'"
      include "!include" {
        inside = true
      }
      include "!include_try" {
        need   = "nothing"
        inside = true
      }
    }
  }

  version = first(value("dovecot_config_version"), "2.3")

  default "protocols" {
    setting = "protocols"
    case {
      before = "2.4"
      value  = "imap pop3 lmtp"
      cites  = ["https://github.com/dovecot/core/blob/2.3.21/src/master/master-settings.c#L210"]
    }
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
    # "$protocols imap" adds to what was on; what that was no file tells.
    protocols = text(value("protocols"), default.protocols)
    adds      = length(match("([$])", local.protocols)) > 0
    on        = flatten([for p in local.adds ? values("protocols") : [local.protocols] : items(p, " \t")])
    everyone  = text(first(value("listen"), "*, ::"), null)

    usual = ["imap", "imaps", "pop3", "pop3s", "submission", "submissions", "sieve"]
  }

  listen "imap" {
    purpose  = "IMAP"
    protocol = ["tcp"]
    when     = contains(local.on, "imap") ? true : local.adds ? null : false
    port     = port(value("service[.='imap-login']/inet_listener[.='imap']/port"), default.imap)
    bind     = [for a in items(first(value("service[.='imap-login']/inet_listener[.='imap']/listen"), value("service[.='imap-login']/inet_listener[.='imap']/address"), local.everyone), ", ") : a == "*" ? "0.0.0.0" : a]
    v6only   = true
    exposure = "public"
    assigned = ["143"]
  }

  listen "imaps" {
    purpose  = "IMAP over TLS"
    protocol = ["tcp"]
    when     = contains(local.on, "imap") ? true : local.adds ? null : false
    port     = port(value("service[.='imap-login']/inet_listener[.='imaps']/port"), default.imaps)
    bind     = [for a in items(first(value("service[.='imap-login']/inet_listener[.='imaps']/listen"), value("service[.='imap-login']/inet_listener[.='imaps']/address"), local.everyone), ", ") : a == "*" ? "0.0.0.0" : a]
    v6only   = true
    exposure = "public"
    assigned = ["993"]
  }

  listen "pop3" {
    purpose  = "POP3"
    protocol = ["tcp"]
    when     = contains(local.on, "pop3") ? true : local.adds ? null : false
    port     = port(value("service[.='pop3-login']/inet_listener[.='pop3']/port"), default.pop3)
    bind     = [for a in items(first(value("service[.='pop3-login']/inet_listener[.='pop3']/listen"), value("service[.='pop3-login']/inet_listener[.='pop3']/address"), local.everyone), ", ") : a == "*" ? "0.0.0.0" : a]
    v6only   = true
    exposure = "public"
    assigned = ["110"]
  }

  listen "pop3s" {
    purpose  = "POP3 over TLS"
    protocol = ["tcp"]
    when     = contains(local.on, "pop3") ? true : local.adds ? null : false
    port     = port(value("service[.='pop3-login']/inet_listener[.='pop3s']/port"), default.pop3s)
    bind     = [for a in items(first(value("service[.='pop3-login']/inet_listener[.='pop3s']/listen"), value("service[.='pop3-login']/inet_listener[.='pop3s']/address"), local.everyone), ", ") : a == "*" ? "0.0.0.0" : a]
    v6only   = true
    exposure = "public"
    assigned = ["995"]
  }

  listen "submission" {
    purpose  = "mail that users send"
    protocol = ["tcp"]
    when     = contains(local.on, "submission") ? true : local.adds ? null : false
    port     = port(value("service[.='submission-login']/inet_listener[.='submission']/port"), default.submission)
    bind     = [for a in items(first(value("service[.='submission-login']/inet_listener[.='submission']/listen"), value("service[.='submission-login']/inet_listener[.='submission']/address"), local.everyone), ", ") : a == "*" ? "0.0.0.0" : a]
    v6only   = true
    exposure = "public"
    assigned = ["587"]
  }

  listen "submissions" {
    purpose  = "mail that users send, over TLS"
    protocol = ["tcp"]
    when     = contains(local.on, "submission") ? true : local.adds ? null : false
    port     = port(value("service[.='submission-login']/inet_listener[.='submissions']/port"), default.submissions)
    bind     = [for a in items(first(value("service[.='submission-login']/inet_listener[.='submissions']/listen"), value("service[.='submission-login']/inet_listener[.='submissions']/address"), local.everyone), ", ") : a == "*" ? "0.0.0.0" : a]
    v6only   = true
    exposure = "public"
    assigned = ["465"]
  }

  listen "sieve" {
    purpose  = "ManageSieve: filters of users"
    protocol = ["tcp"]
    when     = contains(local.on, "sieve") ? true : local.adds ? null : false
    port     = port(value("service[.='managesieve-login']/inet_listener[.='sieve']/port"), default.sieve)
    bind     = [for a in items(first(value("service[.='managesieve-login']/inet_listener[.='sieve']/listen"), value("service[.='managesieve-login']/inet_listener[.='sieve']/address"), local.everyone), ", ") : a == "*" ? "0.0.0.0" : a]
    v6only   = true
    exposure = "public"
    assigned = ["4190"]
  }

  # Any service of it may listen: lmtp, auth, doveadm, stats.
  each "service" {
    for_each = find("service")
    locals {
      service = value(each.value)
    }

    listen "other" {
      for_each = [for l in find(each.value, "inet_listener") : l if !contains(local.usual, value(l))]
      purpose  = "the service ${local.service}"
      protocol = ["tcp"]
      port     = port(value(each.value, "port"), 0)
      bind     = [for a in items(first(value(each.value, "listen"), value(each.value, "address"), local.everyone), ", ") : a == "*" ? "0.0.0.0" : a]
      v6only   = true
      exposure = "internal"
    }
  }

  test "nothing written" {
    input = "# protocols = imap\n"
    expect = [
      "imap tcp 0.0.0.0,:: 143 default",
      "imaps tcp 0.0.0.0,:: 993 default",
      "pop3 tcp 0.0.0.0,:: 110 default",
      "pop3s tcp 0.0.0.0,:: 995 default",
    ]
  }

  test "nothing written, since 2.4" {
    input  = "dovecot_config_version = 2.4.1\n"
    expect = []
  }

  test "other numbers, and none" {
    input = <<-EOT
      protocols = imap submission sieve # no POP
      listen = 192.0.2.1
      service imap-login {
        inet_listener imap {
          port = 0
        }
        inet_listener imaps {
          port = 1993
          address = 192.0.2.2, 2001:db8::2
          ssl = yes
        }
      }
      service lmtp {
        unix_listener lmtp {
          mode = 0666
        }
        inet_listener lmtp {
          address = 127.0.0.1 ::1
          port = 2400
        }
      }
      service auth {
        inet_listener {
          #port = 12345
        }
      }
    EOT
    expect = [
      "imaps tcp 192.0.2.2,2001:db8::2 1993 config L8",
      "other tcp 127.0.0.1,::1 2400 config L19",
      "sieve tcp 192.0.2.1 4190 default",
      "submission tcp 192.0.2.1 587 default",
    ]
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
      "pop3s tcp 0.0.0.0,:: 995 default",
      "submission tcp 0.0.0.0,:: 587 default",
      "submissions tcp 0.0.0.0,:: 465 default",
    ]
  }

  test "what is added to is not known" {
    input = "protocols = $protocols imap\nprotocols = $protocols sieve\n"
    expect = [
      "imap tcp 0.0.0.0,:: 143 default",
      "imaps tcp 0.0.0.0,:: 993 default",
      "sieve tcp 0.0.0.0,:: 4190 default",
    ]
  }
}
