package lint

import (
	"strings"
	"testing"

	"portolan/internal/host"
	"portolan/internal/inventory"
	"portolan/internal/port"
	"portolan/internal/source"
)

// TestCoveredNodePorts points at the setting that somebody wrote: the range of the system,
// else that of Kubernetes, else the words that the facts came with.
func TestCoveredNodePorts(t *testing.T) {
	file := source.New("etc/kubernetes/manifests/kube-apiserver.yaml", []byte("--service-node-port-range=32000-33000\n"))
	nodes := host.NodePorts{Ports: port.Range{First: 32000, Last: 33000}, From: "kube-apiserver.yaml:1"}
	for _, c := range []struct {
		name  string
		nodes host.NodePorts
		facts func(*host.Facts)
		want  string // the place; "" for silence
	}{
		{"the default range of the system", host.NodePorts{Ports: nodes.Ports, From: nodes.From, Span: file.Span(26, 37)}, nil, "etc/kubernetes/manifests/kube-apiserver.yaml:1:27"},
		{"facts without files", nodes, nil, "kube-apiserver.yaml:1"},
		{"ports that are kept free", nodes, func(f *host.Facts) {
			f.Reserved = []host.Reserved{{Ports: port.Of(port.Range{First: 32768, Last: 33000})}}
		}, ""},
		{"no Kubernetes", host.NodePorts{}, nil, ""},
		{"ranges that do not meet", host.NodePorts{Ports: port.Range{First: 30000, Last: 32767}, From: "x"}, nil, ""},
	} {
		facts := with(linux(), func(f *host.Facts) {
			f.NodePorts = c.nodes
			if c.facts != nil {
				c.facts(f)
			}
		})
		got := ""
		for _, d := range Run(&inventory.Inventory{}, []host.Facts{facts}, Options{}) {
			if d.Rule != "ephemeral-covers-nodeports" || !strings.Contains(d.Help, "32000-33000") {
				t.Errorf("%s: %s: %s", c.name, d.Rule, d.Help)
			}
			got += d.Span.String()
		}
		if got != c.want {
			t.Errorf("%s: at %q, want %q", c.name, got, c.want)
		}
	}
}
