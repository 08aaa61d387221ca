# Jicofo, the focus of Jitsi conferences.

service "jicofo" {
  title     = "Jitsi conference focus"
  platforms = ["linux"]
  cites     = ["https://github.com/jitsi/jicofo/blob/7ebb13dc353953abaeec2d9ee42b735f39eaa454/jicofo/src/main/resources/reference.conf"]

  file "conf" {
    format  = "hocon"
    accept  = has("jicofo") || !has("*")
    samples = ["/reference.conf"] # the defaults in the program
    paths = {
      linux = ["/etc/jitsi/jicofo/jicofo.conf"]
    }
  }

  default "port" {
    setting = "jicofo.rest.port"
    case {
      value = 8888
      cites = ["https://github.com/jitsi/jicofo/blob/7ebb13dc353953abaeec2d9ee42b735f39eaa454/jicofo/src/main/resources/reference.conf#L157"]
    }
  }

  listen "rest" {
    purpose  = "health, statistics and conference requests over HTTP"
    when     = truthy(value("jicofo/rest/enabled"), true)
    protocol = ["tcp"]
    port     = port(value("jicofo/rest/port"), default.port)
    bind     = [text(value("jicofo/rest/host"), "127.0.0.1")] # reference.conf, line 158
    exposure = "internal"
  }

  test "nothing written" {
    input  = "jicofo { xmpp { client { hostname = calls.example } } }\n"
    expect = ["rest tcp 127.0.0.1 8888 default"]
  }

  test "another address" {
    input  = <<-EOT
      jicofo.rest {
        host = 0.0.0.0
        port = 8889
      }
    EOT
    expect = ["rest tcp 0.0.0.0 8889 config L3"]
  }

  test "switched off" {
    input  = "jicofo.rest { enabled = false, port = 8889 }\n"
    expect = []
  }
}
