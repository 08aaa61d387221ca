package host

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"portolan/internal/port"
	"portolan/internal/source"
)

// PortName is what the host's own list calls a port.
type PortName struct {
	Proto port.Proto
	Port  uint16
	Name  string // "sip"
	From  string // where it was read: "etc/services:412"
}

// maxNames bounds the names that are read; IANA's whole registry has some ten thousand.
const maxNames = 20_000

// names are the names of the list of a system, as in Platform.OS. It lies where services(5)
// says, and in the folder of Windows, with the letter of a drive as in a copied tree.
func (l *loader) names(system string) []PortName {
	files := []string{"etc/services"}
	if system == "windows" {
		files = []string{"Windows/System32/drivers/etc/services", "c/Windows/System32/drivers/etc/services"}
	}
	for _, name := range files {
		if f, err := l.tree.Read(name); err == nil { // an unreadable list is no fault of the host
			return ParseServices(f)
		}
	}
	return nil
}

// ParseServices reads a list of services(5), "sip 5060/udp alias # comment", in order of
// port. Of several names that a port has, the first counts, as for getservbyport(3). Other
// protocols than TCP and UDP are left out, and so are lines that are not of this form.
func ParseServices(f *source.File) []PortName {
	type key struct {
		proto port.Proto
		port  uint16
	}
	seen := map[key]bool{}
	var out []PortName
	for start, end := range lines(f.Text) {
		line, _, _ := strings.Cut(string(f.Text[start:min(end, start+maxHeader)]), "#")
		row := strings.Fields(line)
		if len(row) < 2 || len(out) == maxNames {
			continue
		}
		proto, number, ok := numberOf(row[1])
		if k := (key{proto, number}); ok && !seen[k] {
			seen[k] = true
			out = append(out, PortName{proto, number, row[0], f.Span(start, end).Place()})
		}
	}
	sortNames(out)
	return out
}

// numberOf reads "5060/udp"; false for port 0 and for what is neither TCP nor UDP.
func numberOf(s string) (port.Proto, uint16, bool) {
	digits, word, _ := strings.Cut(s, "/")
	n, err := strconv.ParseUint(digits, 10, 16)
	proto, errProto := port.ParseProto(word)
	return proto, uint16(n), err == nil && errProto == nil && n > 0
}

// parseName reads "5060/udp sip etc/services:412", the form that JSON has.
func parseName(s string) (PortName, bool) {
	words := strings.SplitN(s, " ", 3)
	if len(words) < 3 {
		return PortName{}, false
	}
	proto, number, ok := numberOf(words[0])
	return PortName{proto, number, words[1], words[2]}, ok
}

func sortNames(list []PortName) { slices.SortStableFunc(list, byPort) }

func byPort(a, b PortName) int {
	return cmp.Or(cmp.Compare(a.Port, b.Port), cmp.Compare(a.Proto, b.Proto))
}

// NamedPorts are the ports that the host's own list has a name for, in any protocol.
func (f *Facts) NamedPorts() port.Set {
	rows := make([]port.Range, len(f.Names))
	for i, n := range f.Names {
		rows[i] = port.Single(n.Port)
	}
	return port.Of(rows...)
}
