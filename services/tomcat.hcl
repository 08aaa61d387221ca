# Apache Tomcat. redirectPort is a number for clients, and -1 switches a port off.

service "tomcat" {
  title     = "Apache Tomcat"
  platforms = ["linux", "windows-server"]
  runs      = ["tomcat.service", "tomcat9.service", "tomcat10.service", "tomcat11.service"]
  cites     = ["https://tomcat.apache.org/tomcat-11.0-doc/config/"]

  file "conf" {
    format      = "xml"
    accept      = has("Server/Service") && !has("Server/Bind")
    common_name = true # OvenMediaEngine and others have a server.xml too
    paths = {
      linux = [
        "/etc/tomcat*/server.xml",
        "/var/lib/tomcat*/conf/server.xml",
        "/usr/share/tomcat*/conf/server.xml",
        "/opt/tomcat*/conf/server.xml",
        "/opt/apache-tomcat*/conf/server.xml",
        "/usr/local/tomcat*/conf/server.xml",
      ]
      windows = ["C:/Program Files/Apache Software Foundation/Tomcat*/conf/server.xml"]
    }
  }

  default "shutdown_port" {
    setting = "port"
    case {
      value = 8005
      cites = ["https://github.com/apache/tomcat/blob/84ac9af072d4c43ebb44ccc0ceba405ad0a84903/conf/server.xml#L22"]
    }
  }

  default "shutdown_address" {
    setting = "address"
    case {
      value = "localhost"
      cites = ["https://tomcat.apache.org/tomcat-11.0-doc/config/server.html"]
    }
  }

  locals {
    # Tomcat adds it to the port of the server and of each connector:
    # https://tomcat.apache.org/tomcat-11.0-doc/config/server.html
    offset = number(value("Server/@portOffset"), 0)
  }

  listen "shutdown" {
    purpose  = "shutdown"
    when     = value("Server/@port") != "-1"
    protocol = ["tcp"]
    first    = port(value("Server/@port"), default.shutdown_port) + local.offset
    count    = 1
    nominal  = [port(value("Server/@port"), default.shutdown_port), port(value("Server/@port"), default.shutdown_port)]
    bind     = [first(nonempty(value("Server/@address")), default.shutdown_address)]
    exposure = "loopback"
  }

  # An AJP connector without an address is on loopback in newer versions and everywhere in
  # older ones; the file does not say its version, so every address is assumed.
  # https://tomcat.apache.org/tomcat-11.0-doc/config/ajp.html
  listen "ajp" {
    purpose      = "AJP for a web server in front"
    for_each     = [for c in find("Server/Service/Connector") : c if starts_with(first(value(c, "@protocol"), ""), "AJP") || starts_with(first(value(c, "@protocol"), ""), "org.apache.coyote.ajp")]
    when         = first(value(each.value, "@port"), "-1") != "-1"
    protocol     = ["tcp"]
    first        = port(value(each.value, "@port"), 0) + local.offset
    count        = 1
    nominal      = [port(value(each.value, "@port"), 0), port(value(each.value, "@port"), 0)]
    bind         = [wildcard(value(each.value, "@address"))]
    unguarded    = lower(text(value(each.value, "@secretRequired"), "true")) == "false" ? "whoever gets there is trusted as if he were the web server in front" : null
    trusted_only = "https://tomcat.apache.org/tomcat-11.0-doc/config/ajp.html"
    exposure     = "internal"
  }

  listen "http" {
    purpose  = "HTTP"
    for_each = [for c in find("Server/Service/Connector") : c if !starts_with(first(value(c, "@protocol"), ""), "AJP") && !starts_with(first(value(c, "@protocol"), ""), "org.apache.coyote.ajp")]
    when     = first(value(each.value, "@port"), "-1") != "-1"
    protocol = ["tcp"]
    first    = port(value(each.value, "@port"), 0) + local.offset
    count    = 1
    nominal  = [port(value(each.value, "@port"), 0), port(value(each.value, "@port"), 0)]
    bind     = [wildcard(value(each.value, "@address"))]
    exposure = "public"
    assigned = ["80", "443"]
  }

  test "three connectors" {
    input = <<-EOT
      <Server port="8006" shutdown="SHUTDOWN">
        <Service name="a">
          <Connector port="8081" protocol="HTTP/1.1"
                     redirectPort="8444"/>
          <!-- <Connector port="8082"/> -->
          <Connector address="::1"
                     port="8010" protocol="AJP/1.3"/>
          <Connector port="8444" SSLEnabled="true" address="10.0.0.5"/>
        </Service>
      </Server>
    EOT
    expect = [
      "shutdown tcp localhost 8006 config L1",
      "http tcp * 8081 config L3",
      "ajp tcp ::1 8010 config L7",
      "http tcp 10.0.0.5 8444 config L8",
    ]
  }

  test "switched off" {
    input  = <<-EOT
      <Server port="-1">
        <Service name="a">
          <Connector port="-1"/>
          <Connector port="8080"/>
        </Service>
      </Server>
    EOT
    expect = ["http tcp * 8080 config L4"]
  }

  test "an offset" {
    input  = <<-EOT
      <Server portOffset="100">
        <Service name="a"><Connector port="8080"/></Service>
      </Server>
    EOT
    expect = ["shutdown tcp localhost 8105 config nominal 8005 L1", "http tcp * 8180 config nominal 8080 L2"]
  }

  test "wildcards" {
    input  = <<-EOT
      <Server port="-1">
        <Service name="a"><Connector port="8081" address="0.0.0.0"/><Connector port="8082" address="::" protocol="AJP/1.3"/></Service>
      </Server>
    EOT
    expect = ["http tcp * 8081 config L2", "ajp tcp * 8082 config L2"]
  }
}
