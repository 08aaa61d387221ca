# PostgreSQL. What ALTER SYSTEM wrote (postgresql.auto.conf, in the data folder) wins over
# this file. Debian keeps the two apart, in folders named by version and cluster.

service "postgresql" {
  title     = "PostgreSQL"
  platforms = ["linux", "freebsd", "windows-server"]
  cites     = ["https://www.postgresql.org/docs/current/runtime-config-connection.html"]

  file "conf" {
    format = "postgresql"
    # https://www.postgresql.org/docs/current/config-setting.html#CONFIG-SETTING-CONFIGURATION-FILE
    layers = ["postgresql.auto.conf", "/var/lib/postgresql/{1}/{2}/postgresql.auto.conf"]
    paths = {
      linux   = ["/etc/postgresql/*/*/postgresql.conf", "/var/lib/pgsql/data/postgresql.conf", "/var/lib/pgsql/*/data/postgresql.conf", "/var/lib/postgresql/data/postgresql.conf"]
      windows = ["C:/Program Files/PostgreSQL/*/data/postgresql.conf"]
    }
  }

  default "port" {
    setting = "port"
    case {
      value = 5432
      cites = ["https://www.postgresql.org/docs/current/runtime-config-connection.html#GUC-PORT"]
    }
  }

  default "addresses" {
    setting = "listen_addresses"
    case {
      value = "localhost"
      cites = ["https://www.postgresql.org/docs/current/runtime-config-connection.html#GUC-LISTEN-ADDRESSES"]
    }
  }

  locals {
    listen = value("listen_addresses")
  }

  # An empty list of addresses leaves only the Unix socket.
  listen "postgresql" {
    purpose  = "PostgreSQL"
    when     = local.listen == null || local.listen != ""
    protocol = ["tcp"]
    port     = port(value("port"), default.port)
    bind     = items(text(local.listen, default.addresses), ",")
    v6only   = true # https://github.com/postgres/postgres/blob/master/src/backend/libpq/pqcomm.c
    zero     = "unknown"
    exposure = "internal"
    assigned = ["5432"]
  }

  test "as shipped" {
    input  = <<-EOT
      # nothing is set
      #listen_addresses = '*'
      #port = 5433
      max_connections = 100
    EOT
    expect = ["postgresql tcp localhost 5432 default"]
  }

  test "the last port counts and = may be missing" {
    input  = <<-EOT
      port = 5433
      listen_addresses = '10.1.0.5, ::1' # two
      port 5434
    EOT
    expect = ["postgresql tcp 10.1.0.5,::1 5434 config L3"]
  }

  test "only a Unix socket" {
    input  = <<-EOT
      listen_addresses = ''
      port = 5432
    EOT
    expect = []
  }
}
