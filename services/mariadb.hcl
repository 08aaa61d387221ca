# MariaDB. It reads the groups and files of MySQL too: a file that has no group which only
# MariaDB knows is left to that one.

service "mariadb" {
  title     = "MariaDB"
  platforms = ["linux", "freebsd", "windows-server"]
  cites     = ["https://mariadb.com/kb/en/configuring-mariadb-with-option-files/"]

  file "conf" {
    format = "mysql"
    yields = length([for g in find("*") : g if length(match("^(?i)(mariadb|client-server$|client-mariadb$)", name(g))) > 0]) == 0
    paths = {
      linux   = ["/etc/my.cnf", "/etc/mysql/my.cnf", "/etc/mysql/mariadb.cnf"]
      windows = ["C:/Program Files/MariaDB */data/my.ini"]
    }
  }

  # Files that the first one usually includes, for when they are named alone.
  file "part" {
    format = "mysql"
    paths = {
      linux = ["/etc/mysql/mariadb.conf.d/50-server.cnf", "/etc/my.cnf.d/mariadb-server.cnf", "/etc/mysql/conf.d/docker.cnf", "/etc/my.cnf.d/docker.cnf"]
    }
  }

  default "port" {
    setting = "port"
    case {
      value = 3306
      cites = ["https://mariadb.com/kb/en/server-system-variables/#port"]
    }
  }

  default "bind_address" {
    setting = "bind_address"
    case {
      value = "*"
      cites = ["https://mariadb.com/kb/en/server-system-variables/#bind_address"]
    }
  }

  default "galera" {
    setting = "gmcast.listen_addr in wsrep_provider_options"
    case {
      value = 4567
      cites = ["https://mariadb.com/docs/reference/mdb/wsrep_provider_options/gmcast.listen_addr/"]
    }
  }

  default "transfer" {
    setting = "ist.recv_addr in wsrep_provider_options"
    case {
      value = 4568
      cites = ["https://galeracluster.com/library/documentation/firewall-settings.html", "https://github.com/percona/pxc-docs/blob/8.0/docs/secure-network.md"]
    }
  }

  default "snapshot" {
    setting = "wsrep_sst_receive_address"
    case {
      value = 4444
      cites = ["https://galeracluster.com/library/documentation/firewall-settings.html", "https://github.com/percona/pxc-docs/blob/8.0/docs/secure-network.md"]
    }
  }

  locals {
    # The server reads these groups; all of them count together and the last value wins.
    # A host with clients only has none of them but client-server.
    server  = "^(?i)((?:mysqld|mariadbd?)(?:-[0-9.]+)?|server|galera)$"
    own     = length([for g in find("*") : g if length(match(local.server, name(g))) > 0]) > 0
    groups  = local.own ? find("*") : find(file("part"), "*")
    servers = [for g in local.groups : g if length(match("^(?i)((?:mysqld|mariadbd?)(?:-[0-9.]+)?|server|client-server|galera)$", name(g))) > 0]

    # "-" and "_" are the same in names, and "loose_" in front forgives unknown ones.
    ports    = flatten([for g in local.servers : concat(values(g, "loose?port"), values(g, "port"))])
    binds    = flatten([for g in local.servers : values(g, "bind?address")])
    extras   = flatten([for g in local.servers : concat(values(g, "loose?extra?port"), values(g, "extra?port"))])
    skips    = flatten([for g in local.servers : concat(values(g, "skip?networking"), values(g, "loose?skip?networking"))])
    switches = flatten([for g in local.servers : concat(values(g, "loose?wsrep?on"), values(g, "wsrep?on"))])
    provider = flatten([for g in local.servers : concat(values(g, "loose?wsrep?provider?options"), values(g, "wsrep?provider?options"))])
    receive  = flatten([for g in local.servers : concat(values(g, "loose?wsrep?sst?receive?address"), values(g, "wsrep?sst?receive?address"))])

    port    = length(local.ports) > 0 ? local.ports[length(local.ports) - 1] : value("port")
    bind    = length(local.binds) > 0 ? local.binds[length(local.binds) - 1] : value("bind_address")
    on      = length(local.skips) == 0 ? true : !truthy(local.skips[length(local.skips) - 1], true)
    is_on   = local.on && length([for g in local.groups : g if length(match(local.server, name(g))) > 0]) > 0
    cluster = length(local.switches) > 0 ? truthy(local.switches[length(local.switches) - 1], false) : false

    options = length(local.provider) > 0 ? items(local.provider[length(local.provider) - 1], ";") : []
    galera  = [for o in local.options : hostport(match("=\\s*(.*)$", o)[0]) if length(match("^(gmcast\\.listen_addr)\\s*=", o)) > 0]
    ist     = [for o in local.options : hostport(match("=\\s*(.*)$", o)[0]) if length(match("^(ist\\.recv_addr)\\s*=", o)) > 0]
    sst     = [for r in local.receive : hostport(r)]
  }

  listen "mariadb" {
    purpose  = "MariaDB"
    when     = local.is_on
    protocol = ["tcp"]
    port     = port(local.port, default.port)
    bind     = items(text(local.bind, default.bind_address), ",")
    v6only   = true # seen with 10.11
    zero     = "unknown"
    exposure = "internal"
    assigned = ["3306"]
  }

  # For administrators when all threads of the pool are taken: nothing without a number.
  # https://mariadb.com/kb/en/thread-pool-system-status-variables/#extra_port
  listen "extra" {
    purpose  = "MariaDB, extra port"
    when     = local.is_on
    for_each = [for i, e in local.extras : e if i == length(local.extras) - 1]
    protocol = ["tcp"]
    port     = port(each.value, null)
    bind     = items(text(local.bind, default.bind_address), ",")
    v6only   = true # seen with 10.11
    exposure = "admin"
  }

  listen "galera" {
    purpose  = "cluster"
    when     = local.cluster
    protocol = ["tcp"]
    port     = port(length(local.galera) > 0 ? local.galera[0].port : value("wsrep_provider_options"), default.galera)
    bind     = [length(local.galera) > 0 ? first(local.galera[0].host, "0.0.0.0") : "0.0.0.0"]
    zero     = "unknown"
    exposure = "internal"
  }

  # The next two listen only while a node catches up.
  listen "incremental" {
    purpose  = "incremental state transfer of the cluster"
    when     = local.cluster
    protocol = ["tcp"]
    port     = port(length(local.ist) > 0 ? local.ist[0].port : value("wsrep_provider_options"), default.transfer)
    zero     = "unknown"
    exposure = "internal"
  }

  listen "snapshot" {
    purpose  = "state snapshot of the cluster"
    when     = local.cluster
    protocol = ["tcp"]
    port     = port(length(local.sst) > 0 ? local.sst[length(local.sst) - 1].port : value("wsrep_sst_receive_address"), default.snapshot)
    zero     = "unknown"
    exposure = "internal"
  }

  test "as shipped" {
    input  = <<-EOT
      [client-server]
      port = 3333
      [mysqld]
      bind-address = 127.0.0.1
      [mariadbd]
    EOT
    expect = ["mariadb tcp 127.0.0.1 3333 config L2"]
  }

  test "a client's port opens nothing" {
    input  = <<-EOT
      [client]
      port = 3333
      [mariadb-client]
      port = 3334
      [mariadb]
      skip-name-resolve
    EOT
    expect = ["mariadb tcp * 3306 default"]
  }

  test "a cluster" {
    role  = "part"
    input = <<-EOT
      [mariadb-10.11]
      loose_port = 3307
      [galera]
      wsrep-on = ON
      wsrep_provider_options = "gcache.size=1G; gmcast.listen_addr=tcp://10.2.0.5:5567"
    EOT
    expect = [
      "mariadb tcp * 3307 config L2",
      "galera tcp 10.2.0.5 5567 config L5",
      "incremental tcp * 4568 default",
      "snapshot tcp * 4444 default",
    ]
  }

  test "no network" {
    input  = <<-EOT
      [mariadb]
      skip_networking = 1
    EOT
    expect = []
  }

  test "only what MySQL knows too" {
    input  = <<-EOT
      [mysqld]
      port = 3306
    EOT
    expect = ["mariadb tcp * 3306 config L2"]
  }

  test "clients" {
    input  = <<-EOT
      [client-server]
      port = 3333
      [mariadb-client]
      port = 3334
    EOT
    expect = []
  }

  test "an extra port" {
    input  = <<-EOT
      [mariadb]
      extra_port = 3399
      extra-port = 3398
      bind-address = 10.4.0.1
    EOT
    expect = ["mariadb tcp 10.4.0.1 3306 default", "extra tcp 10.4.0.1 3398 config L3"]
  }
}
