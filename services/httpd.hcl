# Apache's web server. Only Listen opens a port: <VirtualHost *:443> does not.

service "httpd" {
  title     = "Apache HTTP Server"
  platforms = ["linux", "freebsd"]
  cites     = ["https://httpd.apache.org/docs/2.4/bind.html", "https://httpd.apache.org/docs/2.4/mod/mpm_common.html#listen"]

  file "conf" {
    format      = "apache"
    accept      = has("**/Listen") || has("**/LoadModule") || has("**/VirtualHost") || has("ServerRoot")
    common_name = true # httpd-ssl.conf and ports.conf are parts
    paths = {
      linux = [
        "/etc/apache2/apache2.conf", "/etc/httpd/conf/httpd.conf", "/usr/local/apache2/conf/httpd.conf", "/etc/apache2/httpd.conf",
        "/usr/local/etc/apache24/httpd.conf", "/ports.conf", "/httpd-ssl.conf", "/httpd-vhosts.conf",
      ]
    }
  }

  locals {
    modules = [for n in find("**/LoadModule") : args(n)[0] if length(args(n)) > 0]
    defines = [for n in find("**/Define") : args(n)[0] if length(args(n)) > 0]
    # Without any LoadModule it is a part: which modules are there is not told, and the
    # lines for a module are taken as its users mean them.
    part = length(local.modules) == 0
  }

  each "listen" {
    for_each = concat(find("Listen"), find("VirtualHost/Listen"))

    listen "http" {
      purpose  = "HTTP"
      for_each = length(args(each.value)) > 0 ? [args(each.value)[0]] : []
      protocol = ["tcp"]
      port     = port(hostport(each.value).port, null)
      bind     = [text(hostport(each.value).host, "*")]
      zero     = "unknown"
      exposure = "public"
      assigned = ["80", "443"]
      share    = "httpd"
    }
  }

  # <IfModule ssl_module>, <IfModule mod_ssl.c> and <IfModule !ssl_module>
  each "module" {
    for_each = find("**/IfModule")

    locals {
      word  = length(args(each.value)) > 0 ? args(each.value)[0] : ""
      plain = trim_prefix(local.word, "!")
      file  = match("^mod_(.*)[.]c$", local.plain)
      name  = length(local.file) > 0 ? "${local.file[0]}_module" : local.plain
      there = local.part || contains(local.modules, local.name)
      on    = starts_with(local.word, "!") ? !local.there : local.there
    }

    each "inner" {
      for_each = local.on ? find(each.value, "Listen") : []

      listen "http-module" {
        purpose  = "HTTP"
        for_each = length(args(each.value)) > 0 ? [args(each.value)[0]] : []
        protocol = ["tcp"]
        port     = port(hostport(each.value).port, null)
        bind     = [text(hostport(each.value).host, "*")]
        zero     = "unknown"
        exposure = "public"
        assigned = ["80", "443"]
        share    = "httpd"
      }
    }
  }

  # <IfVersion >= 2.4>: the release is not told here, and it is new enough for what anybody
  # asks of it. https://httpd.apache.org/docs/2.4/mod/mod_version.html
  each "version" {
    for_each = [for v in find("**/IfVersion") : v if length(match("^(>)", text(first(args(v)...), ""))) > 0]

    each "inner" {
      for_each = find(each.value, "Listen")

      listen "http-version" {
        purpose  = "HTTP"
        for_each = length(args(each.value)) > 0 ? [args(each.value)[0]] : []
        protocol = ["tcp"]
        port     = port(hostport(each.value).port, null)
        bind     = [text(hostport(each.value).host, "*")]
        zero     = "unknown"
        exposure = "public"
        assigned = ["80", "443"]
        share    = "httpd"
      }
    }
  }

  # <IfDefine NAME>: what -D defines on the command line is not told here.
  each "define" {
    for_each = find("IfDefine")

    each "inner" {
      for_each = length(args(each.value)) > 0 && contains(local.defines, args(each.value)[0]) ? find(each.value, "Listen") : []

      listen "http-define" {
        purpose  = "HTTP"
        for_each = length(args(each.value)) > 0 ? [args(each.value)[0]] : []
        protocol = ["tcp"]
        port     = port(hostport(each.value).port, null)
        bind     = [text(hostport(each.value).host, "*")]
        zero     = "unknown"
        exposure = "public"
        assigned = ["80", "443"]
        share    = "httpd"
      }
    }
  }

  test "modules and virtual hosts" {
    input  = <<-EOT
      LoadModule ssl_module modules/mod_ssl.so
      Define WEB 8080
      Listen $${WEB}
      Listen 192.0.2.1:8081
      <IfModule ssl_module>
        Listen [2001:db8::1]:8443 https
      </IfModule>
      <IfModule mod_gnutls.c>
        Listen 9443
      </IfModule>
      <VirtualHost *:444>
        ServerName example.com:445
      </VirtualHost>
    EOT
    expect = ["http tcp * 8080 config L3", "http tcp 192.0.2.1 8081 config L4", "http-module tcp 2001:db8::1 8443 config L6"]
  }

  test "a template" {
    input  = <<-EOT
      ServerRoot "/srv"
      Listen @@Port@@
      #Listen 12.34.56.78:80
    EOT
    expect = []
  }

  test "a release" {
    input  = <<-EOT
      Listen 8081
      <IfVersion >= 2.4>
        Listen 8082
      </IfVersion>
      <IfVersion < 2.2>
        Listen 8083
      </IfVersion>
    EOT
    expect = ["http tcp * 8081 config L1", "http-version tcp * 8082 config L3"]
  }
}
