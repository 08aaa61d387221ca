# Ports of the nodes of a cluster: node ports of Services, host ports of Pods, and the ports
# that Pods with the host's network say they have.
#
# A node port is forwarded before the INPUT chain sees it, and no socket of the node need
# listen on it: https://kubernetes.io/docs/reference/networking/virtual-ips/
#
# Where a NodePort Service names no node port, the cluster takes a free one of 30000-32767,
# and no file says which: https://kubernetes.io/docs/concepts/services-networking/service/#type-nodeport

service "kubernetes" {
  title     = "Kubernetes"
  platforms = ["linux", "windows-server"]
  cites = [
    "https://kubernetes.io/docs/reference/kubernetes-api/service-resources/service-v1/",
    "https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/",
  ]

  file "manifest" {
    format      = "yaml"
    common_name = true # any file *.yaml
    contains    = ["apiVersion", "kind"]
    accept      = has("apiVersion") && has("kind") || has("*/apiVersion") && has("*/kind")
    paths = {
      linux = [
        "/etc/kubernetes/manifests/*.yaml",
        "/etc/kubernetes/manifests/*.yml",
        "/etc/kubelet.d/*.yaml",
        "/var/lib/rancher/k3s/server/manifests/*.yaml",
        "/var/lib/rancher/k3s/server/manifests/*.yml",
        "/var/lib/rancher/rke2/server/manifests/*.yaml",
        "/var/lib/rancher/rke2/agent/pod-manifests/*.yaml",
      ]
    }
  }

  locals {
    # A file is one object, or several documents, and a List has objects of its own.
    tops    = flatten([for n in concat(find(""), find("*")) : has(n, "kind") && has(n, "apiVersion") ? [n] : []])
    objects = concat(local.tops, flatten([for n in local.tops : find(n, "items/*")]))

    services = [for o in local.objects : o if value(o, "kind") == "Service"]
    exposed  = [for s in local.services : s if contains(["NodePort", "LoadBalancer"], text(value(s, "spec/type"), "ClusterIP"))]
    owners   = ["Deployment", "DaemonSet", "StatefulSet", "ReplicaSet", "ReplicationController", "Job", "DeploymentConfig", "Rollout"]
  }

  each "service" {
    for_each = local.exposed

    locals {
      label = text(value(each.value, "metadata/name"), "a Service")
      fixed = value(each.value, "spec/type") == "NodePort"
    }

    # A load balancer need not have a node port, and one that it has nobody asks for.
    listen "node-port" {
      purpose  = "node port of ${local.label}"
      for_each = [for p in find(each.value, "spec/ports/*") : p if text(value(p, "protocol"), "TCP") != "SCTP" && (local.fixed || has(p, "nodePort"))]
      protocol = [text(value(each.value, "protocol"), "TCP")]
      port     = port(value(each.value, "nodePort"), 0)
      zero     = "chosen"
      exposure = "public"
    }
  }

  # What asks a node whether it has a Pod of the Service, see externalTrafficPolicy.
  listen "health-check" {
    purpose  = "health check of a load balancer"
    for_each = [for s in local.exposed : s if has(s, "spec/healthCheckNodePort")]
    protocol = ["tcp"]
    port     = port(value(each.value, "spec/healthCheckNodePort"), 0)
    exposure = "internal"
  }

  each "pod" {
    for_each = local.objects

    locals {
      kind = text(value(each.value, "kind"), "-")
      specs = concat(
        [for n in find(each.value, "spec") : n if local.kind == "Pod"],
        [for n in find(each.value, "spec/template/spec") : n if contains(local.owners, local.kind)],
        [for n in find(each.value, "spec/jobTemplate/spec/template/spec") : n if local.kind == "CronJob"],
        [for n in find(each.value, "template/spec") : n if local.kind == "PodTemplate"],
      )
      wanted = value(each.value, "spec/replicas") != "0"
      ports  = flatten([for s in local.specs : concat(find(s, "containers/*/ports/*"), find(s, "initContainers/*/ports/*"))])
      usable = [for p in local.ports : p if text(value(p, "protocol"), "TCP") != "SCTP"]
      shared = length([for s in local.specs : s if truthy(value(s, "hostNetwork"), false)]) > 0
    }

    listen "host-port" {
      purpose  = "host port of a Pod"
      for_each = [for p in local.usable : p if has(p, "hostPort")]
      when     = local.wanted
      protocol = [text(value(each.value, "protocol"), "TCP")]
      port     = port(value(each.value, "hostPort"), null)
      bind     = [nonempty(value(each.value, "hostIP"))]
      exposure = "public"
      assigned = ["1-1023"] # what is behind it is not said, so it is on no wrong port
    }

    listen "host-network" {
      purpose  = "port of a Pod in the host's network"
      for_each = local.shared ? [for p in local.usable : p if !has(p, "hostPort")] : []
      when     = local.wanted
      protocol = [text(value(each.value, "protocol"), "TCP")]
      port     = port(value(each.value, "containerPort"), null)
      exposure = "public"
      assigned = ["1-1023"] # what is behind it is not said, so it is on no wrong port
    }
  }

  test "a Service" {
    input = <<-EOT
      apiVersion: v1
      kind: Service
      metadata: {name: sbc}
      spec:
        type: NodePort
        ports:
          - name: sip
            port: 5060
            targetPort: 5060
            nodePort: 30560
            protocol: UDP
          - {name: web, port: 80, nodePort: 30080}
          - {name: any, port: 81}
          - {name: gtp, port: 82, nodePort: 30082, protocol: SCTP}
    EOT
    expect = [
      "node-port udp * 30560 config L10",
      "node-port tcp * 30080 config L12",
    ]
  }

  test "inside the cluster only" {
    input  = <<-EOT
      apiVersion: v1
      kind: Service
      spec:
        ports:
          - port: 80
            nodePort: 30099
    EOT
    expect = []
  }

  test "several documents, and a list" {
    input = <<-EOT
      apiVersion: apps/v1
      kind: DaemonSet
      spec:
        template:
          spec:
            containers:
              - name: a
                ports:
                  - containerPort: 9000
                    hostPort: 9009
                    hostIP: 192.0.2.3
                  - containerPort: 9001
      ---
      # nothing
      ---
      apiVersion: v1
      kind: List
      items:
        - apiVersion: v1
          kind: Pod
          spec:
            hostNetwork: true
            containers:
              - name: b
                ports:
                  - {containerPort: 5060, protocol: UDP}
                  - {containerPort: 5061, hostPort: 5061}
        - apiVersion: batch/v1
          kind: CronJob
          spec: {jobTemplate: {spec: {template: {spec: {containers: [{name: c, ports: [{containerPort: 1, hostPort: 7001}]}]}}}}}
        - apiVersion: v1
          kind: Service
          spec:
            type: LoadBalancer
            ports:
              - {port: 443, nodePort: 31443}
              - {port: 444}
            healthCheckNodePort: 31500
        - apiVersion: apps/v1
          kind: Deployment
          spec:
            replicas: 0
            template: {spec: {containers: [{name: d, ports: [{containerPort: 1, hostPort: 7002}]}]}}
    EOT
    expect = [
      "host-port tcp 192.0.2.3 9009 config L10",
      "host-network udp * 5060 config L26",
      "host-port tcp * 5061 config L27",
      "host-port tcp * 7001 config L30",
      "node-port tcp * 31443 config L36",
      "health-check tcp * 31500 config L38",
    ]
  }
}
