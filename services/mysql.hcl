# MySQL. MariaDB reads files of the same names: what has a group of MariaDB's own is left to
# that one.

service "mysql" {
  title     = "MySQL"
  platforms = ["linux", "freebsd", "windows-server"]
  cites     = ["https://dev.mysql.com/doc/refman/8.4/en/option-files.html"]

  file "conf" {
    format = "mysql"
    yields = length([for g in find("*") : g if length(match("^(?i)(mariadb|client-server$|client-mariadb$)", name(g))) > 0]) > 0
    paths = {
      linux   = ["/etc/my.cnf", "/etc/mysql/my.cnf"]
      windows = ["C:/ProgramData/MySQL/MySQL Server */my.ini"]
    }
  }

  # Files that the first one usually includes, for when they are named alone.
  file "part" {
    format = "mysql"
    paths = {
      linux = ["/etc/mysql/mysql.conf.d/mysqld.cnf"]
    }
  }

  default "port" {
    setting = "port"
    case {
      value = 3306
      cites = ["https://dev.mysql.com/doc/refman/8.4/en/server-options.html#option_mysqld_port"]
    }
  }

  default "bind_address" {
    setting = "bind_address"
    case {
      value = "*"
      cites = ["https://dev.mysql.com/doc/refman/8.4/en/server-system-variables.html#sysvar_bind_address"]
    }
  }

  default "x_port" {
    setting = "mysqlx_port"
    case {
      value = 33060
      cites = ["https://dev.mysql.com/doc/refman/8.4/en/x-plugin-options-system-variables.html#sysvar_mysqlx_port"]
    }
  }

  default "admin_port" {
    setting = "admin_port"
    case {
      value = 33062
      cites = ["https://dev.mysql.com/doc/refman/8.4/en/server-system-variables.html#sysvar_admin_port"]
    }
  }

  locals {
    # The server reads these groups; all of them count together and the last value wins.
    # A host with clients only has none of them.
    own     = length([for g in find("*") : g if length(match("^(?i)(mysqld|server|mysqld-[0-9.]+)$", name(g))) > 0]) > 0
    groups  = local.own ? find("*") : find(file("part"), "*")
    servers = [for g in local.groups : g if length(match("^(?i)(mysqld|server|mysqld-[0-9.]+)$", name(g))) > 0]

    # "-" and "_" are the same in names, and "loose_" in front forgives unknown ones.
    ports      = flatten([for g in local.servers : concat(values(g, "loose?port"), values(g, "port"))])
    binds      = flatten([for g in local.servers : values(g, "bind?address")])
    skips      = flatten([for g in local.servers : concat(values(g, "skip?networking"), values(g, "loose?skip?networking"))])
    x_ports    = flatten([for g in local.servers : concat(values(g, "loose?mysqlx?port"), values(g, "mysqlx?port"))])
    x_binds    = flatten([for g in local.servers : concat(values(g, "loose?mysqlx?bind?address"), values(g, "mysqlx?bind?address"))])
    x_switches = flatten([for g in local.servers : concat(values(g, "loose?mysqlx"), values(g, "mysqlx"))])
    admins     = flatten([for g in local.servers : concat(values(g, "loose?admin?address"), values(g, "admin?address"))])
    admin_port = flatten([for g in local.servers : concat(values(g, "loose?admin?port"), values(g, "admin?port"))])

    port  = length(local.ports) > 0 ? local.ports[length(local.ports) - 1] : value("port")
    bind  = length(local.binds) > 0 ? local.binds[length(local.binds) - 1] : value("bind_address")
    on    = length(local.skips) == 0 ? true : !truthy(local.skips[length(local.skips) - 1], true)
    x     = length(local.x_switches) == 0 ? true : truthy(local.x_switches[length(local.x_switches) - 1], true)
    x_in  = length(local.x_ports) > 0 ? local.x_ports[length(local.x_ports) - 1] : value("mysqlx_port")
    x_at  = length(local.x_binds) > 0 ? local.x_binds[length(local.x_binds) - 1] : value("mysqlx_bind_address")
    admin = length(local.admin_port) > 0 ? local.admin_port[length(local.admin_port) - 1] : value("admin_port")
    is_on = local.on && length(local.servers) > 0
  }

  listen "mysql" {
    purpose      = "MySQL"
    when         = local.is_on
    protocol     = ["tcp"]
    port         = port(local.port, default.port)
    bind         = items(text(local.bind, default.bind_address), ",")
    zero         = "unknown"
    exposure     = "internal"
    trusted_only = "https://dev.mysql.com/doc/refman/8.4/en/security-guidelines.html"
    assigned     = ["3306"]
  }

  # MySQL 8.0 and later have this plugin on by default and 5.7 has it off; the file does
  # not say which one reads it, so only what it writes is claimed.
  listen "x" {
    purpose  = "X protocol"
    when     = local.is_on && local.x && (local.x_in != null || local.x_at != null)
    protocol = ["tcp"]
    port     = port(local.x_in, default.x_port)
    bind     = items(text(local.x_at, default.bind_address), ",")
    zero     = "unknown"
    exposure = "internal"
    assigned = ["33060"]
  }

  # There is no administrative interface without an address for it.
  listen "admin" {
    purpose  = "administrative connections"
    when     = local.is_on && length(local.admins) > 0
    protocol = ["tcp"]
    port     = port(local.admin, default.admin_port)
    bind     = [for a in local.admins : a]
    zero     = "unknown"
    exposure = "admin"
  }

  test "a client's port opens nothing" {
    input  = <<-EOT
      [client]
      port = 3333
      [mysqld]
      user = mysql
      skip-external-locking
    EOT
    expect = ["mysql tcp * 3306 default"]
  }

  test "names, groups and the last value" {
    input = <<-EOT
      [mysqld]
      port = 3307
      bind_address = 10.1.0.5,10.1.0.6 # two
      loose-mysqlx-port = 33061
      [mysqld_safe]
      port = 1
      [mysqld-8.4]
      port = 3308
      admin-address = 127.0.0.1
    EOT
    expect = [
      "mysql tcp 10.1.0.5,10.1.0.6 3308 config L8",
      "x tcp * 33061 config L4",
      "admin tcp 127.0.0.1 33062 default",
    ]
  }

  test "no network" {
    input  = <<-EOT
      [mysqld]
      port = 3306
      skip_networking
    EOT
    expect = []
  }

  test "groups of MariaDB are no server" {
    input  = <<-EOT
      [mariadb]
      port = 3307
    EOT
    expect = []
  }

  test "an included file alone" {
    role   = "part"
    input  = <<-EOT
      [mysqld]
      port = 3310
    EOT
    expect = ["mysql tcp * 3310 config L2"]
  }
}
