# Cairo, an MRCP server in Java. Its SIP port is an option of the command line, not a setting
# of this file.

service "cairo-mrcp" {
  title     = "Cairo MRCP server"
  platforms = ["linux", "windows-server"]
  cites     = ["https://github.com/gvakras/cairo-mrcp/blob/6ac0cf165dce04f1b37b9c1ef89e29c5c264ece0/cairo-server/trunk/src/main/resources/config/cairo-config.xml"]

  file "conf" {
    format = "xml"
    accept = has("cairo/resources")
    paths = {
      linux   = ["/opt/cairo*/config/cairo-config.xml", "/usr/local/cairo*/config/cairo-config.xml"]
      windows = ["C:/cairo*/config/cairo-config.xml", "C:/Program Files/cairo*/config/cairo-config.xml"]
    }
  }

  # No built-in value of these numbers is documented: where one is missing, nothing is
  # claimed and the lint below says so.
  each "resource" {
    for_each = find("cairo/resources/resource")

    listen "mrcp" {
      purpose  = "MRCPv2"
      when     = value(each.value, "mrcpPort") != null
      protocol = ["tcp"]
      port     = port(value(each.value, "mrcpPort"), 0)
      zero     = "unknown"
      exposure = "public"
    }

    # One pair of ports for each connection: PortPairPool.java of the same source.
    listen "rtp" {
      purpose  = "RTP and RTCP"
      when     = value(each.value, "rtpBasePort") != null && value(each.value, "maxConnects") != null
      protocol = ["udp"]
      first    = port(value(each.value, "rtpBasePort"), 0)
      count    = 2 * number(value(each.value, "maxConnects"), 0)
      pairs    = true
      zero     = "unknown"
      exposure = "public"
    }
  }

  lint "missing-number" {
    when     = length([for r in find("cairo/resources/resource") : r if !has(r, "mrcpPort") || !has(r, "rtpBasePort") || !has(r, "maxConnects")]) > 0
    severity = "warning"
    message  = "a resource lacks mrcpPort, rtpBasePort or maxConnects, so its ports are not known"
    help     = "write all three numbers for each resource"
  }

  test "two ports for each connection" {
    input  = <<-EOT
      <cairo>
        <resources>
          <resource type="receiver">
            <mrcpPort>32000</mrcpPort>
            <rtpBasePort>43000</rtpBasePort>
            <maxConnects>20</maxConnects>
            <engines>5</engines>
          </resource>
        </resources>
      </cairo>
    EOT
    expect = ["mrcp tcp * 32000 config L4", "rtp udp * 43000-43039 config L5"]
  }

  test "an unknown number of connections" {
    input  = <<-EOT
      <cairo>
        <resources>
          <resource type="transmitter"><mrcpPort>32001</mrcpPort><rtpBasePort>43100</rtpBasePort></resource>
        </resources>
      </cairo>
    EOT
    expect = ["mrcp tcp * 32001 config L3"]
  }
}
