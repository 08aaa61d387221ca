package lint

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"portolan/internal/diag"
	"portolan/internal/host"
	"portolan/internal/inventory"
	"portolan/internal/port"
	"portolan/internal/source"
)

// maxProcesses bounds the programs that have a finding of their own.
const maxProcesses = 200

// dhcpClients are the ports on which clients of DHCP wait for their answers (RFC 2131
// section 4.1, RFC 8415 section 7.2).
var dhcpClients = port.Of(port.Single(68), port.Single(546))

// listenerUnclaimed finds programs that listen where others can reach them, on ports that
// no file claims. It needs an inventory of the whole host. A UDP socket on a port that the
// system hands out is a client that waits for an answer, and none of them.
func listenerUnclaimed(p *Pass) {
	if p.options.Part {
		return
	}
	for i := range p.machines {
		m := &p.machines[i]
		var names []string // of processes, in order of their first ports
		unclaimed := map[string][]host.Listener{}
		for _, x := range m.Listeners {
			if m.waitsForAnswers(x) || loopback(x) || p.claimed(x) {
				continue
			}
			if unclaimed[x.Process] == nil {
				names = append(names, x.Process)
			}
			unclaimed[x.Process] = append(unclaimed[x.Process], x)
		}
		for _, name := range names[:min(len(names), maxProcesses)] {
			p.report(p.unclaimedBy(m, name, unclaimed[name]))
		}
		if len(names) <= maxProcesses {
			continue
		}
		var rest []host.Listener
		for _, name := range names[maxProcesses:] {
			rest = append(rest, unclaimed[name]...)
		}
		d := p.unclaimedBy(m, "", rest)
		d.Message = count(len(names)-maxProcesses, "other program") + " have sockets on " + portsOf(rest) + ", which no configuration mentions"
		p.report(d)
	}
}

// waitsForAnswers reports whether x is a client: one of DHCP, or any on a UDP port that it
// got from the system.
func (m *machine) waitsForAnswers(x host.Listener) bool {
	return x.Proto == port.UDP && (dhcpClients.Contains(x.Port) || m.handsOut[port.UDP].Contains(x.Port))
}

func loopback(x host.Listener) bool { return x.Addr.Unmap().IsLoopback() }

// claimed reports whether a claim has the socket.
func (p *Pass) claimed(x host.Listener) bool {
	return slices.ContainsFunc(p.listeners, func(c *inventory.Claim) bool { return opens(c, x) })
}

// opens reports whether x can be a socket of c. A name that is no address may be any of the
// host's.
func opens(c *inventory.Claim, x host.Listener) bool {
	return c.Proto == x.Proto && c.Ports.Contains(x.Port) &&
		(slices.ContainsFunc(c.Bind, isName) || inventory.BindsOverlap(c.Sockets(), socketOf(x)))
}

func isName(bind string) bool {
	_, err := netip.ParseAddr(bind)
	return err != nil && bind != "*" && !strings.EqualFold(bind, "localhost")
}

// socketOf is the address of x in the form of a claim's.
func socketOf(x host.Listener) []string {
	if x.V6Only && x.Addr == netip.IPv6Unspecified() {
		return []string{inventory.AnyV6}
	}
	return []string{x.Addr.String()}
}

// unclaimedBy is the finding about the listeners of one process, "" for those whose
// process may not be read.
func (p *Pass) unclaimedBy(m *machine, process string, list []host.Listener) diag.Diagnostic {
	who := process
	if process == "" {
		who = "an unknown process"
	}
	d := diag.Diagnostic{
		Message: who + " listens on " + portsOf(list) + ", which no configuration mentions",
		Span:    fileOf(list[0].From),
		Notes:   listenNotes(list),
		Ports:   openPorts(list),
		Help:    "look for its configuration, describe the service with --services if portolan does not know it, or stop it where nobody needs it",
	}
	if process == "" {
		d.Help = "find out whose it is with " + whose(m)
	}
	if files := p.halfRead(); len(files) > 0 {
		d.Notes = append(d.Notes, "the claim may be missing because not all was understood of "+and(files))
	}
	return d
}

// whose is the command that shows the processes of sockets on m.
func whose(m *machine) string {
	switch system(m.Platform) {
	case "linux":
		return "ss -lntup as root"
	case "windows":
		return "netstat -anob as administrator"
	}
	return "the tools of the system"
}

// openPorts are the ports of sockets.
func openPorts(list []host.Listener) []diag.Ports {
	parts := make([]diag.Ports, len(list))
	for i, x := range list {
		parts[i] = diag.Ports{Proto: x.Proto, Set: port.Of(port.Single(x.Port))}
	}
	return diag.Join(parts...)
}

// portsOf is "5038/tcp and 4569,5000-5002/udp".
func portsOf(list []host.Listener) string {
	var words []string
	for _, p := range openPorts(list) {
		words = append(words, few(p.Set)+"/"+p.Proto.String())
	}
	return and(words)
}

// maxSockets bounds the sockets that one finding lists.
const maxSockets = 4

// listenNotes say where the sockets are.
func listenNotes(list []host.Listener) []string {
	var notes []string
	for _, x := range list[:min(len(list), maxSockets)] {
		notes = append(notes, x.Proto.String()+" "+netip.AddrPortFrom(x.Addr, x.Port).String()+" is open ("+x.From+")")
	}
	if more := len(list) - maxSockets; more > 0 {
		notes = append(notes, count(more, "further socket"))
	}
	return notes
}

// fileOf is the file of a place such as "portolan/ss.txt:3".
func fileOf(from string) source.Span {
	if i := strings.LastIndexByte(from, ':'); i > 0 {
		if _, err := strconv.Atoi(from[i+1:]); err == nil {
			from = from[:i]
		}
	}
	return source.New(from, nil).Span(0, 0)
}

// halfRead are the files whose ports are not all known, at most three of them.
func (p *Pass) halfRead() []string {
	const most = 3
	var names []string
	for _, f := range p.Inventory.Files {
		if f.Status != inventory.Whole && !slices.Contains(names, f.Name) {
			names = append(names, f.Name)
		}
	}
	if more := len(names) - most; more > 0 {
		names = append(names[:most], count(more, "further file"))
	}
	return names
}
