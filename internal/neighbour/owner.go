package neighbour

import (
	"slices"
	"strings"
)

// What is told by a name. Each program gives its tables or chains a name or a prefix by
// which it finds them again.
var marks = []struct {
	owner    string
	tables   []string // whole names; with a star at the end, what begins so
	chains   []string
	comments []string // what a comment begins with
}{
	// src/firewall/core/nftables.py and ipXtables.py of firewalld
	{"firewalld", []string{"firewalld", "firewalld_policy_*"}, []string{"INPUT_ZONES", "INPUT_direct", "OUTPUT_direct"}, nil},
	// src/ufw-init-functions of ufw
	{"ufw", nil, []string{"ufw-*", "ufw6-*"}, nil},
	// https://docs.docker.com/engine/network/packet-filtering-firewalls
	{"docker", []string{"docker-bridges"}, []string{"DOCKER", "DOCKER-*"}, nil},
	// config/action.d/nftables.conf and iptables.conf of fail2ban
	{"fail2ban", []string{"f2b-*"}, []string{"f2b-*"}, nil},
	// src/network/network_iptables.c and network_nftables.c of libvirt
	{"libvirt", []string{"libvirt_network"}, []string{"LIBVIRT_*"}, nil},
	// pkg/proxy of Kubernetes
	{"kube-proxy", []string{"kube-proxy"}, []string{"KUBE-SERVICES", "KUBE-NODEPORTS", "KUBE-EXTERNAL-SERVICES", "KUBE-PROXY-*"}, []string{"kubernetes service"}},
	// pkg/kubelet/kubelet_network_linux.go of Kubernetes
	{"kubelet", nil, []string{"KUBE-FIREWALL"}, nil},
	// felix/rules of Calico
	{"calico", []string{"calico"}, []string{"cali-*"}, []string{"cali:"}},
	// pkg/datapath/iptables of Cilium
	{"cilium", nil, []string{"CILIUM_*"}, []string{"cilium:"}},
	// pkg/nftables of the firewall bouncer of CrowdSec
	{"crowdsec", []string{"crowdsec*"}, []string{"crowdsec-*", "CROWDSEC_*"}, nil},
	// src/fw/sshg-fw-nft-sets.sh of SSHGuard
	{"sshguard", []string{"sshguard"}, []string{"sshguard"}, nil},
	// util/linuxfw of Tailscale
	{"tailscale", nil, []string{"ts-input", "ts-forward"}, nil},
	// src/firewall of Netavark, the network of Podman
	{"podman", []string{"netavark"}, []string{"NETAVARK*"}, nil},
}

// named reports whether a name is one of the list.
func named(name string, list []string) bool {
	return slices.ContainsFunc(list, func(s string) bool {
		prefix, open := strings.CutSuffix(s, "*")
		return name == s || open && strings.HasPrefix(name, prefix)
	})
}

// ofIptables reports whether a base chain is one that iptables-nft makes: its tables have the
// names that those of iptables had, its base chains those of the hooks in capitals.
func ofIptables(family, table, chain string) bool {
	return (family == "ip" || family == "ip6") && slices.Contains([]string{"filter", "mangle", "nat", "raw", "security"}, table) &&
		slices.Contains([]string{"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"}, chain)
}

// owners are who seems to have made the chain: by the names of its table and of the chains
// that it leads to, and by comments of their rules. Other chains of the table do not count:
// what forwards packets is often somebody else's.
func (f *Firewall) owners(p program, reached []string) (out []Owner) {
	if !f.Legacy && ofIptables(f.Family, f.Table, f.Chain) {
		out = append(out, Owner{"iptables-nft", "table " + f.Table + " with a chain " + f.Chain})
	}
	for _, m := range marks {
		by := ""
		if named(f.Table, m.tables) {
			by = "table " + f.Table
		}
		for _, chain := range reached {
			if by == "" && named(chain, m.chains) {
				by = "chain " + chain
			}
			for _, s := range p[chain] {
				for _, c := range m.comments {
					if by == "" && strings.HasPrefix(s.comment, c) {
						by = "a comment that begins with " + c
					}
				}
			}
		}
		if by != "" {
			out = append(out, Owner{m.owner, by})
		}
	}
	return out
}
