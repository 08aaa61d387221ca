// Package host is what is true of a machine.
//
// Facts can be captured on one machine and used on another: parsers are pure and run
// everywhere, only the collectors are tied to a system.
package host

import (
	"portolan/internal/port"
)

// Facts are what a machine does with ports by itself.
type Facts struct {
	// Platform is the id in policies/platforms.hcl, such as "linux" or
	// "windows-server"; "" when it is not known.
	Platform string `json:"platform"`
	// Title is the platform in words, "Linux 4.2 and later".
	Title string `json:"title,omitempty"`
	// Ephemeral are the ranges from which the system hands out ports, an entry for
	// each protocol and family.
	Ephemeral []Ephemeral `json:"ephemeral"`
	// Reserved are the ports that the system never hands out by itself, so a range
	// over them is safe (Linux's ip_local_reserved_ports: both protocols, both
	// families).
	Reserved []Reserved `json:"reserved,omitempty"`
	// Excluded are Windows' port exclusions.
	Excluded []Excluded `json:"excluded,omitempty"`
	// UnprivilegedStart is the first port a process without privilege may bind
	// (Linux's ip_unprivileged_port_start); -1 when it is not known.
	UnprivilegedStart int `json:"unprivileged_start"`
	// From says how we know: "this machine", a folder, a file, or "built-in".
	From string `json:"from"`
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
	Proto  port.Proto `json:"-"`
	Family Family     `json:"family"`
	Ports  port.Range `json:"-"` // inclusive
	// Setting is the name by which the system knows it, as one would type it:
	// "net.ipv4.ip_local_port_range".
	Setting string `json:"setting"`
	// From is where the value was read, "etc/sysctl.d/10-net.conf:3", or the source of
	// a built-in default.
	From string `json:"from"`
}

// Reserved is a set of ports that are not handed out.
type Reserved struct {
	Ports   port.Set `json:"-"`
	Setting string   `json:"setting"`
	From    string   `json:"from"`
}

// Excluded is one row of "netsh int ipv4 show excludedportrange".
type Excluded struct {
	Proto  port.Proto `json:"-"`
	Family Family     `json:"family"`
	Ports  port.Range `json:"-"` // inclusive
	// Administered rows (starred by netsh) keep automatic assignment out and let a
	// service bind: protection. The others are taken by a component such as Hyper-V,
	// and binding them fails with error 10013.
	Administered bool   `json:"administered"`
	From         string `json:"from"`
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
		s = s.Minus(r.Ports)
	}
	return s
}
