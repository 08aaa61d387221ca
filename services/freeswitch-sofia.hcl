# FreeSWITCH's SIP profiles. On a host they are read through freeswitch.xml, which sets
# the variables that their ports are. The second file block knows a profile that is named
# alone; on a host it is never at the top folder, so that nothing is read twice.

service "freeswitch-sofia" {
  title     = "FreeSWITCH SIP profiles"
  platforms = ["linux"]
  cites     = ["https://github.com/signalwire/freeswitch/blob/cc93a683ca6e1f8f47c1d6e38bd2daf8fa6a7b1c/src/mod/endpoints/mod_sofia/sofia.c"]

  file "conf" {
    format = "freeswitch-xml"
    accept = !has("*") || has("document") || has("configuration[@name='sofia.conf']") || has("profile/settings/param[@name='sip-ip']") || has("profile/settings/param[@name='sip-port']")
    paths = {
      linux = ["/etc/freeswitch/freeswitch.xml", "/usr/local/freeswitch/conf/freeswitch.xml"]
    }
  }

  file "part" {
    format      = "freeswitch-xml"
    accept      = has("configuration[@name='sofia.conf']") || has("profile/settings/param[@name='sip-ip']") || has("profile/settings/param[@name='sip-port']")
    common_name = true # other modules have a profile "internal" too
    paths = {
      linux = ["/sofia.conf.xml", "/internal.xml", "/external.xml", "/internal-ipv6.xml", "/external-ipv6.xml"]
    }
  }

  default "port" {
    setting = "sip-port"
    case {
      value = 5060
      cites = ["https://github.com/signalwire/freeswitch/blob/cc93a683ca6e1f8f47c1d6e38bd2daf8fa6a7b1c/src/mod/endpoints/mod_sofia/sofia.c#L6191"]
    }
  }

  default "tls_port" {
    setting = "tls-sip-port"
    case {
      value = 5061
      cites = ["https://github.com/signalwire/freeswitch/blob/cc93a683ca6e1f8f47c1d6e38bd2daf8fa6a7b1c/src/mod/endpoints/mod_sofia/sofia.c#L4322"]
    }
  }

  locals {
    profiles = concat(
      find("**/configuration[@name='sofia.conf']/profiles/profile"), find("profile"),
      find(file("part"), "**/configuration[@name='sofia.conf']/profiles/profile"), find(file("part"), "profile"),
    )
    # modules.conf names the modules that are loaded. Without it, nothing says that this one is not.
    loaded = !has("**/configuration[@name='modules.conf']") || has("**/configuration[@name='modules.conf']/modules/load[@module='mod_sofia']")
  }

  each "profile" {
    for_each = local.profiles

    locals {
      name      = value(each.value, "@name")
      sip_port  = value(each.value, "settings/param[@name='sip-port']/@value")
      tls_port  = value(each.value, "settings/param[@name='tls-sip-port']/@value")
      tls       = truthy(value(each.value, "settings/param[@name='tls']/@value"), false)
      tls_only  = truthy(value(each.value, "settings/param[@name='tls-only']/@value"), false)
      address   = text(nonempty(value(each.value, "settings/param[@name='sip-ip']/@value")), "*")
      transport = match("transport=([a-z,]+)", value(each.value, "settings/param[@name='bind-params']/@value"))
      ws        = value(each.value, "settings/param[@name='ws-binding']/@value")
      wss       = value(each.value, "settings/param[@name='wss-binding']/@value")
    }

    # "auto" asks the system for any free port: sofia.c, PFLAG_AUTO_ASSIGN_PORT.
    listen "sip" {
      purpose  = "SIP"
      when     = local.loaded && !(local.tls && local.tls_only)
      protocol = length(local.transport) > 0 ? items(local.transport[0], ",") : ["udp", "tcp"]
      port     = port(lower(text(local.sip_port, "")) == "auto" ? "0" : local.sip_port, default.port)
      bind     = [local.address]
      zero     = "chosen"
      # Words such as "auto-nat" are no addresses, and 0.0.0.0 is replaced: sofia.c.
      advertise = [for a in concat(values(each.value, "settings/param[@name='ext-sip-ip']/@value"), values(each.value, "settings/param[@name='ext-rtp-ip']/@value")) : a if a != "0.0.0.0"]
      exposure  = "public"
      assigned  = ["5060"]
    }

    listen "sips" {
      purpose   = "SIP over TLS"
      when      = local.loaded && local.tls
      protocol  = ["tcp"]
      port      = port(lower(text(local.tls_port, "")) == "auto" ? "0" : local.tls_port, default.tls_port)
      bind      = [local.address]
      zero      = "chosen"
      advertise = [for a in concat(values(each.value, "settings/param[@name='ext-sip-ip']/@value"), values(each.value, "settings/param[@name='ext-rtp-ip']/@value")) : a if a != "0.0.0.0"]
      exposure  = "public"
      assigned  = ["5061"]
    }

    # A binding without a host takes sip-ip, not every address: sofia.c, line 4303.
    listen "ws" {
      purpose  = "SIP over WebSocket"
      when     = local.loaded && local.ws != null
      protocol = ["tcp"]
      port     = port(hostport(local.ws).port, 0)
      bind     = [first(hostport(local.ws).host, local.address)]
      exposure = "public"
    }

    listen "wss" {
      purpose  = "SIP over secure WebSocket"
      when     = local.loaded && local.wss != null
      protocol = ["tcp"]
      port     = port(hostport(local.wss).port, 0)
      bind     = [first(hostport(local.wss).host, local.address)]
      exposure = "public"
    }
  }

  test "what clients are told" {
    role   = "part"
    input  = <<-EOT
      <profile name="e">
        <settings>
          <param name="sip-ip" value="192.0.2.5"/>
          <param name="bind-params" value="transport=udp"/>
          <param name="ext-rtp-ip" value="198.51.100.5"/>
          <param name="ext-sip-ip" value="0.0.0.0"/>
        </settings>
      </profile>
    EOT
    expect = ["sip udp 192.0.2.5 5060 default advertises 198.51.100.5"]
  }

  test "variables and comments" {
    input = <<-EOT
      <document type="freeswitch/xml">
        <!-- <X-PRE-PROCESS cmd="set" data="my_port=5070"/> -->
        <X-NO-PRE-PROCESS cmd="set" data="my_port=5090"/>
        <section name="configuration">
          <configuration name="sofia.conf"><profiles>
            <profile name="a"><settings>
              <param name="sip-ip" value="192.0.2.5"/>
              <param name="sip-port" value="$$${my_port}"/>
              <param name="ws-binding" value=":5066"/>
              <param name="wss-binding" value="192.0.2.6:7443"/>
            </settings></profile>
          </profiles></configuration>
        </section>
      </document>
    EOT
    expect = [
      "sip tcp 192.0.2.5 5070 config L8", "sip udp 192.0.2.5 5070 config L8",
      "ws tcp 192.0.2.5 5066 config L9", "wss tcp 192.0.2.6 7443 config L10",
    ]
  }

  test "only TLS" {
    role   = "part"
    input  = <<-EOT
      <profile name="b">
        <settings>
          <param name="sip-ip" value="192.0.2.5"/>
          <param name="sip-port" value="5080"/>
          <param name="tls" value="true"/>
          <param name="tls-only" value="true"/>
        </settings>
      </profile>
    EOT
    expect = ["sips tcp 192.0.2.5 5061 default"]
  }

  test "no TLS, one transport" {
    role   = "part"
    input  = <<-EOT
      <profile name="c">
        <gateways><gateway name="g"><param name="proxy" value="192.0.2.7:5090"/></gateway></gateways>
        <settings>
          <param name="sip-ip" value="$$${local_ip_v4}"/>
          <param name="bind-params" value="transport=udp"/>
          <param name="tls-sip-port" value="5081"/>
        </settings>
      </profile>
    EOT
    expect = ["sip udp local_ip_v4 5060 default"]
  }

  test "a port that the system chooses, one that is not known" {
    role   = "part"
    input  = <<-EOT
      <profile name="d">
        <settings>
          <param name="sip-port" value="auto"/>
          <param name="tls" value="true"/>
          <param name="tls-sip-port" value="$$${set_elsewhere}"/>
        </settings>
      </profile>
    EOT
    expect = []
  }
}
