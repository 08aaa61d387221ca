// Package host is what is true of a machine.
//
// Facts can be captured on one machine and used on another: parsers are pure and run
// everywhere, only the collectors are tied to a system.
package host

import (
	"cmp"
	"slices"

	"portolan/internal/port"
	"portolan/internal/source"
)

// Facts are what a machine does with ports by itself. Facts of which nothing is known
// have no Ephemeral, and -1 as UnprivilegedStart.
type Facts struct {
	// Platform is the id in policies/platforms.hcl, such as "linux" or
	// "windows-server"; "" when it is not known.
	Platform string
	// Title is the platform in words, "Linux 4.2 and later".
	Title string
	// Ephemeral are the ranges from which the system hands out ports, an entry for
	// each protocol and family.
	Ephemeral []Ephemeral
	// Reserved are the ports that the system never hands out by itself, so a range
	// over them is safe (Linux's ip_local_reserved_ports: both protocols, both
	// families; OpenBSD's baddynamic: a list for each protocol).
	Reserved []Reserved
	// Excluded are Windows' port exclusions.
	Excluded []Excluded
	// ReservedAt is where the files of a Linux host say what is reserved; nil where they
	// are not known or not understood.
	ReservedAt *ReservedList
	// Shadowed are the settings in etc that a later line takes back at boot.
	Shadowed []Shadowed
	// NodePorts are the ports that Kubernetes gives to Services on every node; the zero
	// value where there is no Kubernetes, or its range is not known.
	NodePorts NodePorts
	// NomadPorts are the ports that Nomad gives to jobs on this host; the zero value where
	// there is no client of Nomad, or its range is not known.
	NomadPorts NomadPorts
	// Listeners are the sockets that wait for others, in order of port, of the protocols in
	// Watched; where nobody looked, both are empty.
	Listeners []Listener
	Watched   []port.Proto
	// Helpers are the helpers of Linux's connection tracking that look into packets.
	Helpers []Helper
	// Names are what the host's own list calls ports (/etc/services), in order of port.
	Names []PortName
	// UnprivilegedStart is the first port a process without privilege may bind
	// (Linux's ip_unprivileged_port_start); -1 when it is not known.
	UnprivilegedStart int
	// From says how we know: "this machine", "files" for a tree of which at least one
	// file answered, or "built-in".
	From string
}

// Family is an IP version, 4 or 6. The zero value is none.
type Family int

// The families.
const (
	V4 Family = 4
	V6 Family = 6
)

// Ephemeral is one range from which ports are handed out.
type Ephemeral struct {
	Proto  port.Proto
	Family Family
	Ports  port.Range // inclusive
	// Setting is the name by which the system knows it, as one would type it:
	// "net.ipv4.ip_local_port_range".
	Setting string
	// From is where the value was read, "etc/sysctl.d/10-net.conf:3", or the source of
	// a built-in default, "built-in default, platforms.hcl:9 (https://…)".
	From string
	// Span is the text in a file of the host that says so: the line for the boot, where
	// that is what the running system has. It is zero for a built-in default and after
	// ParseJSON.
	Span source.Span
	// Untuned is the built-in default that the text at Span replaces.
	Untuned port.Range
}

// Reserved is a set of ports that are not handed out.
type Reserved struct {
	Proto   port.Proto // 0 for every protocol, as on Linux
	Ports   port.Set
	Setting string
	From    string
}

// ReservedList is where the files of a host keep the list of reserved ports for the next
// boot. Writing the setting replaces the whole list
// (https://www.kernel.org/doc/Documentation/networking/ip-sysctl.rst).
type ReservedList struct {
	Ports port.Set // what the files reserve now
	// Value is the text that says so; zero where no file in etc does, or a file elsewhere
	// has the last word.
	Value source.Span
	// New is the name of a file that is not there, and whose line would be the last; nil
	// where Value is.
	New *source.File
	// Counts says that ports are judged by these files, because nobody captured what the
	// running system has.
	Counts bool
}

// Shadowed is a setting that a line of etc gives a value, and By another.
type Shadowed struct {
	Setting string
	Span    source.Span // the value that does not count
	By      source.Span // the value that does
	// Lost are the ports that By does not reserve, where the setting is a list of them.
	Lost port.Set
}

// Excluded is one row of "netsh int ipv4 show excludedportrange".
type Excluded struct {
	Proto  port.Proto
	Family Family
	Ports  port.Range // inclusive
	// Administered rows (starred by netsh) keep automatic assignment out and let a
	// service bind: protection. The others are taken by a component such as Hyper-V,
	// and binding them fails with error 10013.
	Administered bool
	From         string
}

// NodePorts is the range from which Kubernetes takes node ports. Nothing listens there:
// packets are sent on before they come to a socket.
type NodePorts struct {
	Ports port.Range // inclusive
	From  string     // where it was read, or the file that says that Kubernetes is there
	// Span is the text in a file of the host that says the range; zero for the default and
	// after ParseJSON.
	Span source.Span
}

// NomadPorts are the ports from which Nomad takes those that a job does not choose. The job
// binds them itself.
type NomadPorts struct {
	Ports port.Set
	From  string // where it was read, or the file that says that a client of Nomad is there
}

// EphemeralPorts are all ports the system may hand out for proto in any family,
// without those it is told to spare.
func (f *Facts) EphemeralPorts(proto port.Proto) port.Set {
	var s port.Set
	for _, e := range f.Ephemeral {
		if e.Proto != proto {
			continue
		}
		own := port.Of(e.Ports)
		for _, x := range f.Excluded {
			if x.Proto == proto && x.Family == e.Family && x.Administered {
				own = own.Minus(port.Of(x.Ports))
			}
		}
		s = s.Union(own)
	}
	for _, r := range f.Reserved {
		if r.Spares(proto) {
			s = s.Minus(r.Ports)
		}
	}
	return s
}

// Spares reports whether r keeps ports of proto from being handed out.
func (r *Reserved) Spares(proto port.Proto) bool { return r.Proto == 0 || r.Proto == proto }

// The words of Facts.From besides "built-in".
const (
	fromMachine = "this machine"
	fromFiles   = "files"
)

// found is a range and where it was read.
type found struct {
	ports port.Range
	at    source.Span
	span  source.Span // see Ephemeral
}

// replace puts ranges in the place of those that f has for proto and family. The name
// of the setting stays.
func (f *Facts) replace(proto port.Proto, family Family, with ...found) {
	var was Ephemeral
	f.Ephemeral = slices.DeleteFunc(f.Ephemeral, func(e Ephemeral) bool {
		if e.Proto != proto || e.Family != family {
			return false
		}
		was = e
		return true
	})
	for _, w := range with {
		f.Ephemeral = append(f.Ephemeral, Ephemeral{proto, family, w.ports, was.Setting, w.at.Place(), w.span, was.Ports})
	}
	sortEphemeral(f.Ephemeral)
}

// sortEphemeral brings entries into the order in which they are printed: by protocol,
// family and first port.
func sortEphemeral(list []Ephemeral) {
	slices.SortStableFunc(list, func(a, b Ephemeral) int {
		return cmp.Or(cmp.Compare(a.Proto, b.Proto), cmp.Compare(a.Family, b.Family), cmp.Compare(a.Ports.First, b.Ports.First))
	})
}
