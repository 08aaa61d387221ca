# Apache Kafka. A listener has a name, and a map says which protocol the name stands for;
# all of them are TCP. The port of JMX is in the environment of the process, and not here.

service "kafka" {
  title     = "Apache Kafka"
  platforms = ["linux", "windows-server", "freebsd", "macos"]
  cites     = ["https://kafka.apache.org/42/configuration/broker-configs", "https://github.com/apache/kafka/blob/1eb7644349cb07139d6a3c1ad1986979647cac99/config/server.properties"]

  file "conf" {
    format      = "properties"
    common_name = true # server.properties
    accept      = has("broker.id") || has("node.id") || has("process.roles") || has("zookeeper.connect") || has("log.dirs") || has("log.dir") || has("controller.quorum.voters") || has("controller.quorum.bootstrap.servers") || has("advertised.listeners") || has("listener.security.protocol.map") || has("broker.id.generation.enable")
    paths = {
      linux = [
        "/etc/kafka/server.properties",
        "/etc/kafka/broker.properties",
        "/etc/kafka/controller.properties",
        "/etc/kafka/kraft/server.properties",
        "/etc/kafka/kraft/broker.properties",
        "/etc/kafka/kraft/controller.properties",
        "/opt/kafka/config/server.properties",
        "/opt/kafka/config/broker.properties",
        "/opt/kafka/config/controller.properties",
        "/opt/kafka/config/kraft/server.properties",
        "/opt/kafka/config/kraft/broker.properties",
        "/opt/kafka/config/kraft/controller.properties",
        "/usr/local/kafka/config/server.properties",
        "/usr/local/kafka/config/kraft/server.properties",
      ]
      windows = ["C:/kafka/config/server.properties", "C:/kafka/config/kraft/server.properties"]
    }
  }

  default "port" {
    setting = "listeners"
    case {
      value = 9092
      cites = ["https://kafka.apache.org/42/configuration/broker-configs"]
    }
  }

  locals {
    # Name, address and port. Names have characters that no scheme of a URL has.
    written   = flatten([for v in values("listeners") : items(v, ",")])
    listeners = [for m in [for l in local.written : match("^([^:/]+)://\\[?([^]/]*?)\\]?:([^:/]*)$", l)] : m if length(m) > 0]

    controllers = [for n in items(value("controller.listener.names"), ",") : lower(n)]
    roles       = [for r in items(value("process.roles"), ",") : lower(r)]
    broker      = length(local.roles) == 0 || contains(local.roles, "broker")
  }

  listen "clients" {
    purpose  = "clients and other brokers"
    for_each = [for m in local.listeners : m if !contains(local.controllers, lower(m[0]))]
    protocol = ["tcp"]
    port     = port(each.value[2], null)
    bind     = [wildcard(each.value[1])]
    exposure = "internal"
    zero     = "chosen"
  }

  listen "controller" {
    purpose  = "controller quorum"
    for_each = [for m in local.listeners : m if contains(local.controllers, lower(m[0]))]
    protocol = ["tcp"]
    port     = port(each.value[2], null)
    bind     = [wildcard(each.value[1])]
    exposure = "internal"
    zero     = "chosen"
  }

  # Before release 3 a port and a host name could be written where no listeners are.
  listen "clients-default" {
    purpose  = "clients and other brokers"
    for_each = length(local.written) == 0 && local.broker ? ["PLAINTEXT"] : []
    protocol = ["tcp"]
    port     = port(value("port"), default.port)
    bind     = [wildcard(value("host.name"))]
    exposure = "internal"
    zero     = "chosen"
  }

  connect "zookeeper" {
    purpose  = "ZooKeeper"
    for_each = [for m in [for s in items(value("zookeeper.connect"), ",") : match("^(\\[[^]]*\\]|[^:/]+):([0-9]+)(?:/.*)?$", s)] : m if length(m) > 0]
    protocol = ["tcp"]
    peer     = each.value[0]
    port     = port(each.value[1], null)
  }

  # Voters are id@host:port.
  connect "quorum" {
    purpose  = "controller quorum"
    for_each = [for m in [for v in concat(items(value("controller.quorum.voters"), ","), items(value("controller.quorum.bootstrap.servers"), ",")) : match("^(?:[0-9]+@)?(\\[[^]]*\\]|[^:/@]+):([0-9]+)$", v)] : m if length(m) > 0]
    protocol = ["tcp"]
    peer     = each.value[0]
    port     = port(each.value[1], null)
  }

  test "nothing written" {
    input = <<-EOT
      broker.id=3
      #listeners=PLAINTEXT://:9192
      zookeeper.connect=zk1:2182,zk2:2183/kafka
    EOT
    expect = [
      "clients-default tcp * 9092 default",
      "zookeeper tcp -> zk1 2182 config L3",
      "zookeeper tcp -> zk2 2183 config L3",
    ]
  }

  test "several listeners, continued" {
    input = <<-EOT
      process.roles=broker,controller
      node.id=1
      listeners=INSIDE_PLAIN://10.0.0.5:9192,\
        OUTSIDE://[2001:db8::5]:9193,CONTROLLER://:9194
      controller.listener.names=CONTROLLER
      advertised.listeners=OUTSIDE://kafka.example:443
      listener.security.protocol.map=INSIDE_PLAIN:PLAINTEXT,OUTSIDE:SSL,CONTROLLER:PLAINTEXT
      controller.quorum.voters=1@10.0.0.5:9194,2@10.0.0.6:9194
    EOT
    expect = [
      "clients tcp 10.0.0.5 9192 config L3",
      "clients tcp 2001:db8::5 9193 config L4",
      "controller tcp * 9194 config L4",
      "quorum tcp -> 10.0.0.5 9194 config L8",
      "quorum tcp -> 10.0.0.6 9194 config L8",
    ]
  }

  test "a controller alone" {
    input  = <<-EOT
      process.roles=controller
      listeners = CONTROLLER://:9195
      controller.listener.names = CONTROLLER
      controller.quorum.bootstrap.servers = 10.0.0.6:9195
    EOT
    expect = ["controller tcp * 9195 config L2", "quorum tcp -> 10.0.0.6 9195 config L4"]
  }

  test "the old way" {
    input  = <<-EOT
      broker.id=0
      port=9292
      host.name=10.0.0.5
    EOT
    expect = ["clients-default tcp 10.0.0.5 9292 config L2"]
  }
}
