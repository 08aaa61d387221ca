// Package draft writes a first policy from what was found on a host, for an engineer to
// edit.
//
// As it stands the policy opens what the built-in one opens on that host. What else might be
// wanted stands in it as comments. Text from configuration gets into comments only.
package draft

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"portolan/internal/host"
	"portolan/internal/inventory"
	"portolan/internal/policy"
	"portolan/internal/port"
)

// sshd is the service that is always allowed.
const sshd = "sshd"

// Policy is a policy for the host of inv, with the name and the version of the program in
// its head. Facts are those of the host; nil when it is not known which host that is.
func Policy(program string, inv *inventory.Inventory, facts *host.Facts) ([]byte, error) {
	// A policy has a bounded size, and what is found has none: the more there is, the
	// shorter the lists of it.
	for _, rows := range []int{60, 12, 3, 0} {
		w := &writer{program: program, inv: inv, facts: facts, rows: rows, names: map[string]bool{}, zones: map[string]bool{}}
		if text := w.policy(); len(text) <= policy.MaxSize && len(w.names) <= policy.MaxAllows {
			return []byte(text), nil
		}
	}
	return nil, errors.New("more was found than fits into one policy: name single files or folders")
}

// writer is one policy in the making.
type writer struct {
	strings.Builder
	program string
	inv     *inventory.Inventory
	facts   *host.Facts
	rows    int             // of a table
	names   map[string]bool // of allows, denies and connects that are taken
	zones   map[string]bool // that are referred to
}

// The zones that a policy refers to, with what they hold and an example of it: addresses for
// documentation (RFC 5737, RFC 3849), so that an example that is taken as it stands opens
// nothing to anybody.
var zones = [...]struct{ name, words, example string }{
	{"voice", "your voice platform, phones and trunks", `"192.0.2.0/24", "2001:db8:20::/48"`},
	{"clients", "who else uses what this host offers", `"192.0.2.0/24", "2001:db8:30::/48"`},
	{"cluster", "other hosts of the same product", `"198.51.100.0/26", "2001:db8:40::/48"`},
	{"operators", "who administers this host", `"198.51.100.64/26", "2001:db8:50::/48"`},
	{"scanners", "who gets nothing", `"203.0.113.0/24", "2001:db8:bad::/48"`},
}

func (w *writer) policy() string {
	for _, name := range policy.Reserved {
		w.names[name] = true
	}
	for _, name := range []string{"ssh", "scanners", "dns", "ntp", "remote-desktop", "winrm", "other"} {
		w.names[name] = true
	}
	// The zones stand first, and which of them are needed is known last.
	body := &writer{inv: w.inv, facts: w.facts, rows: w.rows, names: w.names, zones: w.zones}
	body.scanners()
	body.hints()
	body.services()
	body.ssh()
	if w.windows() {
		body.remote()
	}
	body.unclaimed()
	body.silent()
	body.outgoing()
	body.defaults()
	w.head()
	w.unknown()
	w.networks()
	w.WriteString(body.String())
	return w.String()
}

// windows reports whether the host is one of Windows.
func (w *writer) windows() bool {
	return w.inv.OS == "windows" || w.inv.OS == "" && w.facts != nil && strings.HasPrefix(w.facts.Platform, "windows")
}

func (w *writer) head() {
	w.say("A starting policy, made by "+w.program+" init from what was found on this host.", "")
	if w.windows() {
		w.say("As it stands it opens what the built-in policy opens here, every public listener and SSH,",
			"and Remote Desktop and WinRM, all of it for everybody.")
	} else {
		w.say("As it stands it opens what the built-in policy opens here: every public listener, and SSH,",
			"for everybody.")
	}
	w.say("", "A service that is installed later needs an allow of its own. The rest is suggestions:",
		`whole blocks, and lines in blocks, behind "# ".`, "")
	if len(w.inv.Files) == 0 {
		w.say("No configuration file was found.")
	} else {
		w.say("Found:", "")
		var rows [][]string
		for _, f := range w.inv.Files {
			row := []string{plain(f.Service), plain(f.Name)}
			if !slices.ContainsFunc(rows, func(r []string) bool { return slices.Equal(r, row) }) { // one for each container of a file
				rows = append(rows, row)
			}
		}
		w.table(rows)
	}
	to := "nftables"
	if w.windows() {
		to = "windows"
	}
	w.say("", "Keep it as portolan.hcl, write your networks into the zones, and ask:", "",
		"  portolan lint --policy portolan.hcl",
		"  portolan explain "+w.example()+" --from 192.0.2.7 --policy portolan.hcl",
		"  portolan render --to "+to+" --policy portolan.hcl", "",
		"Every ruleset also lets in, without being asked: loopback, the answers to what this host",
		"began, the ICMP and ICMPv6 messages that networks need, and DHCP answers.")
	w.gap()
}

// example is a port to ask about: one of SIP, or else the first that is open.
func (w *writer) example() string {
	first, sip := "", ""
	for _, c := range w.listens() {
		if c.Exposure != inventory.Public || c.OnLoopback() {
			continue
		}
		text := strconv.Itoa(int(c.Ports.First)) + "/" + c.Proto.String()
		first = cmp.Or(first, text)
		if isSIP(c) && (sip == "" || c.Proto == port.UDP) {
			sip = text
		}
	}
	return cmp.Or(sip, first, "22/tcp")
}

// unknown names the files that were not understood.
func (w *writer) unknown() {
	var rows [][]string
	for _, f := range w.inv.Files {
		switch f.Status {
		case inventory.Partial:
			rows = append(rows, []string{plain(f.Name), plain(f.Service), "partial: at least one port in it is not known"})
		case inventory.Unreadable:
			rows = append(rows, []string{plain(f.Name), plain(f.Service), "unreadable: no port in it is known"})
		}
	}
	if len(rows) == 0 {
		return
	}
	w.say("NOT KNOWN. Ports of these files are missing below and would be closed, so portolan render",
		"writes nothing until they are mended. What is the matter portolan lint says:", "")
	w.table(rows)
	w.gap()
}

// networks writes the zones.
func (w *writer) networks() {
	w.say("Networks. No file of a host says whom it serves, so these are examples: write your own",
		`before you take the "# " away, and all of them before you take it from a rule. A zone holds`,
		`prefixes, addresses and ranges ("192.0.2.10-192.0.2.29"), or files = ["networks.txt"].`)
	for _, z := range zones {
		if w.zones[z.name] {
			w.say("", z.name+": "+z.words, "")
			w.block(block{off: true, head: `zone "` + z.name + `"`, attrs: []attr{{name: "sources", value: "[" + z.example + "]"}}})
		}
	}
	w.gap()
	w.own()
	w.peers()
}

// own lists the addresses of this host that somebody wrote.
func (w *writer) own() {
	var rows [][]string
	seen := map[netip.Addr]bool{}
	add := func(address, words, place string) {
		a, ok := literal(address)
		if !ok || seen[a] {
			return
		}
		seen[a] = true
		rows = append(rows, []string{a.String(), words, place})
	}
	for i := range w.inv.Claims {
		c := &w.inv.Claims[i]
		for _, b := range c.Bind {
			add(b, "listens", place(c.Span))
		}
		for _, a := range c.Advertised {
			at := a.Span
			if at.IsZero() {
				at = c.Span
			}
			add(a.Text, "is told to clients", place(at))
		}
	}
	if len(rows) == 0 {
		return
	}
	w.say("Addresses of this host that its configuration names, which may tell you its networks:", "")
	w.table(rows)
	w.gap()
}

// peers writes the zone of those whom this host speaks to.
func (w *writer) peers() {
	var rows [][]string
	var list []string
	seen := map[netip.Addr]bool{}
	for i := range w.inv.Claims {
		c := &w.inv.Claims[i]
		if c.Direction != inventory.Connect {
			continue
		}
		a, ok := literal(c.Peer)
		if !ok || seen[a] {
			continue
		}
		seen[a] = true
		list = append(list, strconv.Quote(a.String()))
		rows = append(rows, []string{a.String(), name(c), plain(c.Purpose), place(c.Span)})
	}
	const most = 1000 // a zone of more is no longer read by anybody
	if len(rows) == 0 || len(rows) > most {
		return
	}
	w.say("Peers: who is named by address where this host connects to somebody. These are found, not",
		"examples; nothing refers to the zone yet.", "")
	w.table(rows)
	w.block(block{head: `zone "peers"`, attrs: []attr{{name: "sources", list: list}}})
	w.gap()
}

// literal is an address that can be that of another host or of an interface of this one.
func literal(s string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(strings.Trim(s, "[]"))
	a = a.Unmap().WithZone("")
	return a, err == nil && !a.IsUnspecified() && !a.IsLoopback() && !a.IsMulticast()
}

func (w *writer) scanners() {
	w.say("The first rule that fits decides, so who gets nothing stands above the allows.", "")
	w.block(block{off: true, head: `deny "scanners"`, attrs: []attr{{name: "from", value: w.zone("scanners")}}})
	w.gap()
}

// zone is a list of the one zone.
func (w *writer) zone(name string) string {
	w.zones[name] = true
	return "[zone." + name + "]"
}

// hints explain what stands as a comment in the allows.
func (w *writer) hints() {
	limit, notrack := false, false
	for _, g := range w.groups() {
		limit, notrack = limit || g.limit(), notrack || g.notrack()
	}
	w.say(`What the lines behind "# " in the allows do:`, "",
		"  from     lets in these networks alone; without it everybody gets in")
	if limit && !w.windows() {
		w.say("  limit    bounds the new connections of each address; those that exist are not counted,",
			"           and beyond it the next rules decide. Size it for the busiest peer: a whole voice",
			"           platform is one address")
	}
	if notrack && !w.windows() {
		w.say("  notrack  keeps media from connection tracking, which saves time and memory under many calls.",
			`           Hazards: no packet of media is known as an answer any more, so "from" has to hold`,
			"           every sender; and NAT and all else that rests on tracking fails for these ports.")
	}
	w.gap()
}

// ssh writes the allow that keeps the operator in.
func (w *writer) ssh() {
	var all, opened []*inventory.Claim
	for _, c := range w.listens() {
		if c.Service != sshd {
			continue
		}
		all = append(all, c)
		if (c.Exposure == inventory.Public || c.Exposure == inventory.Admin) && !c.OnLoopback() {
			opened = append(opened, c)
		}
	}
	b := block{head: `allow "ssh"`, attrs: []attr{
		{name: "service", value: `"sshd"`}, {name: "exposure", value: `["public", "admin"]`}, {name: "otherwise", value: `["22/tcp"]`},
		{name: "from", value: w.zone("operators"), off: true, note: "everybody: name your operators"},
	}}
	if !w.windows() {
		b.attrs = append(b.attrs, attr{name: "limit", value: `"10/minute per source"`, off: true})
	}
	switch {
	case len(opened) > 0:
		w.say("SSH, for everybody, so that nobody is locked out. Narrow it to your operators:", "")
		w.table(rowsOf(opened, false))
	case len(all) > 0:
		w.say("SSH was found, and not where operators of other hosts can reach it, so it has no allow:", "")
		w.table(rowsOf(all, false))
		w.gap()
		return
	default:
		w.say("SSH, for everybody, so that nobody is locked out: on port 22, because no configuration says",
			"another one. Narrow it to your operators.")
	}
	w.block(b)
	w.gap()
}

// remote writes the allows that keep the operator of a Windows host in.
func (w *writer) remote() {
	w.say("Remote Desktop (TCP and UDP 3389) and PowerShell remoting (WinRM, TCP 5985 and 5986) have no",
		"configuration file to read, so their ports stand here. Both for everybody, so that nobody is",
		"locked out: narrow them to your operators, or leave out what is not used.")
	from := attr{name: "from", value: w.zone("operators"), off: true, note: "everybody: name your operators"}
	w.block(block{head: `allow "remote-desktop"`, attrs: []attr{{name: "ports", value: `["3389/tcp", "3389/udp"]`}, from}})
	w.gap()
	w.block(block{head: `allow "winrm"`, attrs: []attr{{name: "ports", value: `["5985-5986/tcp"]`}, from}})
	w.gap()
}

// dhcpClients are the ports on which clients of DHCP wait for their answers, which every
// ruleset lets in (RFC 2131 section 4.1, RFC 8415 section 7.2).
var dhcpClients = port.Of(port.Single(68), port.Single(546))

// unclaimed suggests to open what listens and is in no configuration.
func (w *writer) unclaimed() {
	if w.facts == nil {
		return
	}
	claimed := map[port.Proto][]port.Range{}
	ssh := false
	for _, c := range w.listens() {
		claimed[c.Proto] = append(claimed[c.Proto], c.Ports)
		ssh = ssh || c.Service == sshd
	}
	if !ssh {
		claimed[port.TCP] = append(claimed[port.TCP], port.Single(22))
	}
	if w.windows() {
		claimed[port.TCP] = append(claimed[port.TCP], port.Single(3389), port.Range{First: 5985, Last: 5986})
		claimed[port.UDP] = append(claimed[port.UDP], port.Single(3389))
	}
	// A UDP socket on a port that the system hands out is a client that waits for an answer.
	known := map[port.Proto]port.Set{
		port.TCP: port.Of(claimed[port.TCP]...),
		port.UDP: port.Of(claimed[port.UDP]...).Union(dhcpClients).Union(w.facts.EphemeralPorts(port.UDP)),
	}
	open := map[port.Proto][]port.Range{}
	var rows [][]string
	for _, x := range w.facts.Listeners {
		if x.Addr.Unmap().IsLoopback() || known[x.Proto].Contains(x.Port) {
			continue
		}
		open[x.Proto] = append(open[x.Proto], port.Single(x.Port))
		process := plain(x.Process)
		if process == "" {
			process = "unknown process"
		}
		rows = append(rows, []string{strconv.Itoa(int(x.Port)) + "/" + x.Proto.String(), x.Addr.WithZone("").String(), process, plain(x.From)})
	}
	var list []string
	for _, proto := range port.Protos {
		for _, r := range port.Of(open[proto]...).Ranges() {
			list = append(list, strconv.Quote(r.String()+"/"+proto.String()))
		}
	}
	const most = 200
	if len(list) == 0 || len(list) > most {
		return
	}
	w.say("Not open: here something listens, and no configuration that was read says so. Look whose it",
		"is, and keep here what others have to reach:", "")
	w.table(rows)
	w.say("")
	w.block(block{off: true, head: `allow "other"`, attrs: []attr{{name: "ports", list: list}, {name: "from", value: w.zone("operators")}}})
	w.gap()
}

// silent lists what needs no rule.
func (w *writer) silent() {
	var alone []*inventory.Claim
	listening := map[string]bool{}
	for i := range w.inv.Claims {
		c := &w.inv.Claims[i]
		if c.Direction == inventory.Listen {
			listening[c.Service] = true
		}
	}
	for _, c := range w.listens() {
		if c.OnLoopback() || c.Exposure == inventory.Loopback {
			alone = append(alone, c)
		}
	}
	if len(alone) > 0 {
		w.say("For this host alone, and so in need of nothing:", "")
		w.table(rowsOf(alone, true))
		w.gap()
	}
	var without [][]string
	for _, id := range w.inv.Found {
		if !listening[id] {
			without = append(without, []string{plain(id)})
		}
	}
	if len(without) > 0 {
		w.say("Found, without a port on which it is known to listen:", "")
		w.table(without)
		w.gap()
	}
}

// outgoing suggests what to let out.
func (w *writer) outgoing() {
	type connect struct {
		service string
		list    []string
		claims  []*inventory.Claim
		odd     bool // a name cannot stand in a policy
	}
	var connects []connect
	var inside []*inventory.Claim
	for i := range w.inv.Claims {
		c := &w.inv.Claims[i]
		if c.Direction != inventory.Connect || c.Ports.Len() == 0 {
			continue
		}
		if toItself(c.Peer) {
			inside = append(inside, c)
			continue
		}
		if n := len(connects); n == 0 || connects[n-1].service != c.Service {
			connects = append(connects, connect{service: c.Service})
		}
		last := &connects[len(connects)-1]
		last.claims = append(last.claims, c)
		last.odd = last.odd || !isWord(c.Listen)
		if q := `"` + c.Listen + `"`; !slices.Contains(last.list, q) {
			last.list = append(last.list, q)
		}
	}
	w.say("What leaves. Everything may. To let out only what is named, take the \"# \" away from these and",
		`from output = "drop" below. Answers, ICMP, DHCP requests and UDP from the ports that are opened`,
		"above may leave in any case.")
	if len(inside) > 0 {
		w.say("", "To this host itself, and so in need of nothing:", "")
		w.table(peerRows(inside, true))
	}
	for _, c := range connects {
		w.say("", plain(c.service)+" connects to:", "")
		w.table(peerRows(c.claims, false))
		w.say("")
		attrs := []attr{{name: "service", value: `"` + c.service + `"`}, {name: "listen", list: c.list}}
		if c.odd {
			attrs = attrs[:1]
		}
		w.block(block{off: true, head: `connect "` + w.name(c.service) + `"`, attrs: attrs})
	}
	w.say("", "What no configuration above says: names and time; updates, mail and the like are yours to add.", "")
	w.block(block{off: true, head: `connect "dns"`, attrs: []attr{{name: "ports", value: `["53/udp", "53/tcp"]`}}})
	w.say("")
	w.block(block{off: true, head: `connect "ntp"`, attrs: []attr{{name: "ports", value: `["123/udp"]`}}})
	w.gap()
}

// toItself reports whether a connection to peer never leaves the host.
func toItself(peer string) bool {
	peer = strings.Trim(peer, "[]")
	a, err := netip.ParseAddr(peer)
	return strings.EqualFold(peer, "localhost") || err == nil && a.Unmap().IsLoopback()
}

func (w *writer) defaults() {
	b := block{head: "default", attrs: []attr{{name: "input", value: `"drop"`}}}
	if w.windows() {
		w.say("Everything else is dropped. Windows Firewall has no limits, no log for a rule and no way around",
			"connection tracking, so this policy has none of them.")
	} else {
		w.say("Everything else is dropped, and at most five drops a minute are logged. The other choice for",
			`input is "additive": then these rules only add accepts, and other firewalls on the host decide`,
			"about the rest.")
		b.attrs = append(b.attrs, attr{name: "log", value: `"5/minute"`})
	}
	b.attrs = append(b.attrs,
		attr{name: "output", value: `"drop"`, off: true, note: "only what a connect names may leave"},
		attr{name: "ipv6", value: `"off"`, off: true, note: "where the network has none: no IPv6 at all"})
	w.block(b)
}

// name is a name for a rule about a service, which no other rule has.
func (w *writer) name(id string) string {
	base := strings.Trim(id, "-_0123456789")
	if base == "" {
		base = "service"
	}
	base = base[:min(len(base), 60)]
	name := base
	for n := 2; w.names[name]; n++ {
		name = fmt.Sprintf("%s-%d", base[:min(len(base), 55)], n)
	}
	w.names[name] = true
	return name
}
