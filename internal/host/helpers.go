package host

import (
	"cmp"
	"path"
	"slices"
	"strconv"
	"strings"

	"portolan/internal/port"
	"portolan/internal/source"
)

// Helper is a helper of Linux's connection tracking that looks into what comes for some
// ports, because it is known to be loaded and to be assigned to them.
type Helper struct {
	Name  string // as the CT target of iptables has it: "sip", "RAS", "Q.931"
	Proto port.Proto
	Ports port.Set
	// NAT says that the part that rewrites packets is known to be loaded too.
	NAT bool
	// Automatic says that the kernel assigns the helper by itself, and no rule of a
	// firewall does.
	Automatic bool
	From      string // the rule that assigns it, or the setting by which the kernel does
}

// conntrackHelper is the setting of Linux before 6.0 by which the kernel assigns every helper
// that is loaded to its ports. It is off by default from 4.7 on
// (https://github.com/torvalds/linux/commit/b118509076b39cc5e616c0680312b5caaca535fe,
// https://firewalld.org/2016/10/automatic-helper-assignment).
const conntrackHelper = "net.netfilter.nf_conntrack_helper"

// trackers are the helpers for the protocols of voice hosts, and the module of each. Only
// that of SIP has a parameter for its ports (net/netfilter/nf_conntrack_sip.c and
// nf_conntrack_h323_main.c of Linux).
var trackers = [...]struct {
	name   string
	proto  port.Proto
	port   uint16
	module string // without "conntrack_" and "nat_"
}{
	{"sip", port.TCP, 5060, "nf_sip"},
	{"sip", port.UDP, 5060, "nf_sip"},
	{"Q.931", port.TCP, 1720, "nf_h323"},
	{"RAS", port.UDP, 1719, "nf_h323"},
}

// helpers are those that are known to be active: by a rule of a saved firewall, or because
// the kernel assigns them itself.
func (l *loader) helpers(captured, boot []Setting) []Helper {
	var out []Helper
	modules := l.modules()
	for _, name := range iptablesFiles {
		if f, err := l.tree.Read(name); err == nil {
			out = append(out, iptablesHelpers(f)...)
		}
	}
	for _, name := range l.nftablesFiles() {
		if f, err := l.tree.Read(name); err == nil {
			out = append(out, nftablesHelpers(f)...)
		}
	}
	if from, ok := l.assignsItself(captured, boot); ok {
		for _, t := range trackers {
			if modules[strings.Replace(t.module, "_", "_conntrack_", 1)] {
				ports := port.Of(port.Single(t.port))
				if t.name == "sip" {
					ports = l.sipPorts(ports)
				}
				out = append(out, Helper{Name: t.name, Proto: t.proto, Ports: ports, Automatic: true, From: from})
			}
		}
	}
	for i := range out {
		for _, t := range trackers {
			if strings.EqualFold(t.name, out[i].Name) {
				out[i].NAT = modules[strings.Replace(t.module, "_", "_nat_", 1)]
			}
		}
	}
	slices.SortStableFunc(out, func(a, b Helper) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Proto, b.Proto))
	})
	return out
}

// assignsItself reports whether the kernel assigns helpers by itself, and where that is
// read. A setting for the boot counts where the kernel is known to be one that has it.
func (l *loader) assignsItself(captured, boot []Setting) (string, bool) {
	for _, settings := range [][]Setting{l.live(), captured} {
		if s, ok := last(settings, conntrackHelper); ok {
			return s.Value.Place(), s.Value.Text() == "1"
		}
	}
	if _, err := l.tree.Stat("proc/sys/net"); err == nil { // a kernel that has no such setting
		return "", false
	}
	s, ok := last(boot, conntrackHelper)
	return s.Value.Place(), ok && s.Value.Text() == "1" && l.kernelBefore6()
}

// kernelBefore6 reports whether kernels are installed and all are older than 6.0.
func (l *loader) kernelBefore6() bool {
	old := false
	for _, dir := range []string{"lib/modules", "usr/lib/modules"} {
		names, _ := l.tree.List(dir) // no kernel is known there then
		for _, name := range names {
			major, _, _ := strings.Cut(name, ".")
			n, err := strconv.Atoi(major)
			if err != nil {
				continue
			}
			if n >= 6 {
				return false
			}
			old = true
		}
	}
	return old
}

// modules are the modules of the kernel that are loaded, by their names with underscores.
// Where that is not known, they are those that the boot loads (modules-load.d(5), and
// etc/modules of Debian). A module of NAT brings the one of connection tracking.
func (l *loader) modules() map[string]bool {
	out := map[string]bool{}
	add := func(f *source.File) {
		for start, end := range lines(f.Text) {
			name, _, _ := strings.Cut(string(f.Text[start:min(end, start+maxHeader)]), " ")
			if name = strings.ReplaceAll(name, "-", "_"); name[0] == '#' || name[0] == ';' {
				continue
			}
			out[name] = true
			out[strings.Replace(name, "_nat_", "_conntrack_", 1)] = true
		}
	}
	if f, err := l.tree.Read("proc/modules"); err == nil {
		add(f)
		return out
	}
	files := []string{"etc/modules"}
	chosen := map[string]bool{}
	for _, dir := range []string{"etc/modules-load.d", "run/modules-load.d", "usr/local/lib/modules-load.d", "usr/lib/modules-load.d"} {
		names, _ := l.tree.List(dir) // nothing is known to be loaded then
		for _, name := range names[:min(len(names), maxFiles)] {
			if strings.HasSuffix(name, ".conf") && !chosen[name] {
				chosen[name] = true
				files = append(files, path.Join(dir, name))
			}
		}
	}
	for _, name := range files {
		if f, err := l.tree.Read(name); err == nil {
			add(f)
		}
	}
	return out
}

// sipPorts are the ports of the helper for SIP: those of the loaded module, or what
// modprobe.d(5) gives it.
func (l *loader) sipPorts(ports port.Set) port.Set {
	if f, err := l.tree.Read("sys/module/nf_conntrack_sip/parameters/ports"); err == nil {
		if set, err := port.Parse(string(f.Text)); err == nil && !set.IsEmpty() {
			return set
		}
	}
	for _, dir := range []string{"usr/lib/modprobe.d", "lib/modprobe.d", "etc/modprobe.d"} {
		names, _ := l.tree.List(dir) // the default holds then
		for _, name := range names[:min(len(names), maxFiles)] {
			f, err := l.tree.Read(path.Join(dir, name))
			if err != nil || !strings.HasSuffix(name, ".conf") {
				continue
			}
			for start, end := range lines(f.Text) {
				words := strings.Fields(string(f.Text[start:min(end, start+maxHeader)]))
				if len(words) < 3 || words[0] != "options" || strings.ReplaceAll(words[1], "-", "_") != "nf_conntrack_sip" {
					continue
				}
				for _, w := range words[2:] {
					list, ok := strings.CutPrefix(w, "ports=")
					if set, err := port.Parse(list); ok && err == nil && !set.IsEmpty() {
						ports = set
					}
				}
			}
		}
	}
	return ports
}

// iptablesFiles are where distributions keep rules for the boot, in the form of
// iptables-save.
var iptablesFiles = [...]string{"etc/iptables/rules.v4", "etc/iptables/rules.v6", "etc/sysconfig/iptables", "etc/sysconfig/ip6tables"}

// iptablesHelpers are the helpers that rules such as these assign to what comes in:
//
//	-A PREROUTING -p udp -m udp --dport 5060 -j CT --helper sip
//
// Rules with exceptions, without a port, or in chains of their own are left out, because
// it is not known what comes to them.
func iptablesHelpers(f *source.File) []Helper {
	var out []Helper
	table := ""
	for start, end := range lines(f.Text) {
		words := strings.Fields(string(f.Text[start:min(end, start+maxHeader)]))
		if strings.HasPrefix(words[0], "*") {
			table = words[0]
		}
		if table != "*raw" || words[0] != "-A" || len(words) < 2 || words[1] != "PREROUTING" || slices.Contains(words, "!") {
			continue
		}
		h := Helper{Name: strings.Trim(after(words, "--helper"), `"`), From: f.Span(start, end).Place()}
		var err error
		h.Proto, err = port.ParseProto(after(words, "-p"))
		written := cmp.Or(after(words, "--dport"), after(words, "--dports"), after(words, "--destination-port"))
		ports, errPorts := port.Parse(strings.ReplaceAll(written, ":", "-"))
		if h.Ports = ports; h.Name != "" && err == nil && errPorts == nil && !ports.IsEmpty() && after(words, "-j") == "CT" {
			out = append(out, h)
		}
	}
	return out
}

// after is the word behind another one, "" when it is not there.
func after(words []string, name string) string {
	if i := slices.Index(words, name); i >= 0 && i+1 < len(words) {
		return words[i+1]
	}
	return ""
}

// nftablesFiles are where distributions keep rulesets for the boot.
func (l *loader) nftablesFiles() []string {
	out := []string{"etc/nftables.conf", "etc/sysconfig/nftables.conf"}
	names, _ := l.tree.List("etc/nftables") // what cannot be read assigns nothing that is known
	for _, name := range names[:min(len(names), maxFiles)] {
		if strings.HasSuffix(name, ".nft") || strings.HasSuffix(name, ".conf") {
			out = append(out, path.Join("etc/nftables", name))
		}
	}
	return out
}

// nftablesHelpers are the helpers that rules assign to what comes in: an object, and a rule
// in a chain of the hook prerouting or input that says the ports.
//
//	ct helper sip-5060 { type "sip" protocol udp; }
//	udp dport 5060 ct helper set "sip-5060"
//
// Rules of another form, such as one with a map, are left out
// (https://wiki.nftables.org/wiki-nftables/index.php/Conntrack_helpers).
func nftablesHelpers(f *source.File) []Helper {
	types := map[string]string{} // by the name of the object
	object, hook := "", ""
	var out []Helper
	for start, end := range lines(f.Text) {
		line, _, _ := strings.Cut(string(f.Text[start:min(end, start+maxHeader)]), "#")
		words := strings.Fields(strings.NewReplacer("{", " { ", "}", " } ", ";", " ; ", ",", " , ").Replace(line))
		for i := range words {
			words[i] = strings.Trim(words[i], `"`)
		}
		if len(words) == 0 {
			continue
		}
		if words[0] == "chain" {
			hook = ""
		}
		hook = cmp.Or(after(words, "hook"), hook)
		if i := slices.Index(words, "helper"); i > 0 && words[i-1] == "ct" && i+2 < len(words) && words[i+2] == "{" {
			object = words[i+1]
		}
		if kind := after(words, "type"); object != "" && kind != "" && after(words, "hook") == "" {
			types[object], object = kind, ""
		}
		i := slices.Index(words, "set")
		if i < 2 || words[i-1] != "helper" || words[i-2] != "ct" || hook != "prerouting" && hook != "input" {
			continue
		}
		proto, ports := dport(words)
		if name := types[after(words[i-1:], "set")]; name != "" && !ports.IsEmpty() {
			out = append(out, Helper{Name: name, Proto: proto, Ports: ports, From: f.Span(start, end).Place()})
		}
	}
	return out
}

// dport is the match "udp dport 5060" or "tcp dport { 5060, 5070-5079 }" in a rule of
// nftables; no ports when there is none, or one that has other words than numbers.
func dport(words []string) (port.Proto, port.Set) {
	i := slices.Index(words, "dport")
	if i < 1 || i+1 >= len(words) {
		return 0, port.Set{}
	}
	proto, err := port.ParseProto(words[i-1])
	list := words[i+1 : i+2]
	if words[i+1] == "{" {
		list = words[i+2:]
		if end := slices.Index(list, "}"); end >= 0 {
			list = list[:end]
		}
	}
	ports, errPorts := port.Parse(strings.Join(list, ""))
	if err != nil || errPorts != nil {
		return 0, port.Set{}
	}
	return proto, ports
}
