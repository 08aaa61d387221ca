package host

import (
	"bytes"
	"strconv"
	"strings"

	"portolan/internal/port"
	"portolan/internal/source"
)

// defaultNodePorts is what kube-apiserver takes when nobody says
// (https://kubernetes.io/docs/concepts/services-networking/service/#type-nodeport).
var defaultNodePorts = port.Range{First: 30000, Last: 32767}

// nodePortFiles may say the range: the manifest that kubeadm writes, and the settings of
// K3s and RKE2 (https://docs.k3s.io/cli/server, https://docs.rke2.io/reference/server_config).
var nodePortFiles = [...]string{
	"etc/kubernetes/manifests/kube-apiserver.yaml", "etc/rancher/k3s/config.yaml", "etc/rancher/rke2/config.yaml",
}

// nodeFiles are on a node that has no kube-apiserver of its own.
var nodeFiles = [...]string{
	"etc/kubernetes/kubelet.conf", "var/lib/kubelet/config.yaml", "etc/rancher/k3s/k3s.yaml", "etc/rancher/rke2/rke2.yaml",
}

// nodePorts is the range of the Kubernetes that this host is a node of.
func (l *loader) nodePorts() NodePorts {
	for _, name := range nodePortFiles {
		// A file for root alone leaves the range unknown and is no fault of the host.
		f, err := l.tree.Read(name)
		if err != nil {
			if !absent(err) {
				return NodePorts{}
			}
			continue
		}
		if at, written := nodePortSetting(f); written {
			r, ok := nodePortRange(at.Text())
			if !ok {
				return NodePorts{} // unknown: better silent than wrong
			}
			return NodePorts{r, at.Place(), at}
		}
		return NodePorts{Ports: defaultNodePorts, From: "the default; Kubernetes was found by " + name}
	}
	for _, name := range nodeFiles {
		if info, err := l.tree.Stat(name); err == nil && !info.IsDir() {
			return NodePorts{Ports: defaultNodePorts, From: "the default; Kubernetes was found by " + name}
		}
	}
	return NodePorts{}
}

// nodePortSetting is the value of service-node-port-range on the last line that has it
// and is no comment: as an argument, "- --service-node-port-range=30000-32767", or as a
// key of YAML.
func nodePortSetting(f *source.File) (at source.Span, written bool) {
	const key = "service-node-port-range"
	for start, end := range lines(f.Text) {
		line := f.Text[start:end]
		i := bytes.Index(line, []byte(key))
		if i < 0 || line[0] == '#' {
			continue
		}
		from := start + i + len(key)
		for from < end && strings.IndexByte("=: \t\"'", f.Text[from]) >= 0 {
			from++
		}
		to := from
		for to < end && strings.IndexByte(" \t\"',]#", f.Text[to]) < 0 {
			to++
		}
		at, written = f.Span(from, to), true
	}
	return at, written
}

// nodePortRange reads "30000-32767".
func nodePortRange(s string) (port.Range, bool) {
	lo, hi, dash := strings.Cut(s, "-")
	first, err := strconv.ParseUint(lo, 10, 16)
	if err != nil || !dash || first == 0 {
		return port.Range{}, false
	}
	end, err := strconv.ParseUint(hi, 10, 16)
	if err != nil || end < first {
		return port.Range{}, false
	}
	return port.Range{First: uint16(first), Last: uint16(end)}, true
}
