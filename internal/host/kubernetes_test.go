package host

import (
	"strings"
	"testing"

	"portolan/internal/port"
	"portolan/internal/source"
)

func TestNodePorts(t *testing.T) {
	const manifest = "etc/kubernetes/manifests/kube-apiserver.yaml"
	for name, test := range map[string]struct {
		files map[string]string
		want  string // range and source, "" for none
	}{
		"no Kubernetes":        {map[string]string{"etc/hosts": ""}, ""},
		"an empty folder":      {map[string]string{"etc/kubernetes/pki/ca.crt": ""}, ""},
		"a node":               {map[string]string{"etc/kubernetes/kubelet.conf": ""}, "30000-32767 the default; Kubernetes was found by etc/kubernetes/kubelet.conf"},
		"the default":          {map[string]string{manifest: "  - --secure-port=6443\n"}, "30000-32767 the default; Kubernetes was found by " + manifest},
		"an argument":          {map[string]string{manifest: "kind: Pod\n    - --service-node-port-range=20000-22767\n"}, "20000-22767 " + manifest + ":2"},
		"quoted":               {map[string]string{manifest: "    - \"--service-node-port-range=20000-22767\"\n"}, "20000-22767 " + manifest + ":1"},
		"a key":                {map[string]string{"etc/rancher/rke2/config.yaml": "service-node-port-range: '1025-2000' # low\n"}, "1025-2000 etc/rancher/rke2/config.yaml:1"},
		"an argument in a key": {map[string]string{"etc/rancher/k3s/config.yaml": "kube-apiserver-arg: [service-node-port-range=31000-31999]\n"}, "31000-31999 etc/rancher/k3s/config.yaml:1"},
		"a comment":            {map[string]string{manifest: "# - --service-node-port-range=20000-22767\n"}, "30000-32767 the default; Kubernetes was found by " + manifest},
		"the last line counts": {map[string]string{manifest: "- --service-node-port-range=1-2\n- --service-node-port-range=3-4\n"}, "3-4 " + manifest + ":2"},
		"base and size":        {map[string]string{manifest: "- --service-node-port-range=30000+500\n"}, ""},
		"a template":           {map[string]string{manifest: "- --service-node-port-range={{ range }}\n"}, ""},
		"nothing":              {map[string]string{manifest: "- --service-node-port-range="}, ""},
		"another system":       {map[string]string{"bin/freebsd-version": "", "etc/kubernetes/kubelet.conf": ""}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			facts, diags, err := Load(tree(test.files), shipped(t))
			if err != nil || len(diags) > 0 {
				t.Fatal(diags, err)
			}
			got := ""
			if n := facts.NodePorts; n.Ports.First > 0 {
				got = n.Ports.String() + " " + n.From
			}
			if got != test.want {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
		})
	}
}

func TestNodePortsJSON(t *testing.T) {
	f := Facts{Platform: "linux", UnprivilegedStart: -1, NodePorts: NodePorts{Ports: port.Range{First: 20000, Last: 22767}, From: "a:2"}}
	text, err := f.JSON()
	if err != nil {
		t.Fatal(err)
	}
	if back, err := ParseJSON(source.New("facts.json", text)); err != nil || back.NodePorts != f.NodePorts {
		t.Errorf("%v and %v come back from\n%s", back.NodePorts, err, text)
	}
	for _, wrong := range []string{"", "20000", "0-5", "5-4", "1-65536", "a-b"} {
		text := strings.Replace(string(text), "20000-22767", wrong, 1)
		if _, err := ParseJSON(source.New("facts.json", []byte(text))); err == nil || !strings.Contains(err.Error(), "node_ports") {
			t.Errorf("%q as a range: %v", wrong, err)
		}
	}
}
