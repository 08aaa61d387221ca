package chart

import (
	"cmp"
	"slices"

	"portolan/internal/host"
	"portolan/internal/port"
)

// lastSystem is the last of the ports that are for those who were assigned one (RFC 6335
// section 6).
const lastSystem = 1023

// maxBehind bounds the systems that are seen behind services. What more of them hand out comes to
// nearly all ports, and would say nothing.
const maxBehind = 3

// background are the bands behind services: system ports, and those of hosts, each once, where
// these are not too many.
func background(hosts []host.Facts) []Band {
	if len(hosts) > maxBehind {
		hosts = nil
	}
	out := []Band{{Kind: System, Ports: port.Range{Last: lastSystem}, Words: "system ports", From: "RFC 6335 section 6"}}
	type key struct {
		kind  Kind
		proto port.Proto
		ports port.Range
	}
	seen := map[key]bool{}
	for i := range hosts {
		for _, b := range bandsOf(&hosts[i]) {
			if k := (key{b.Kind, b.Proto, b.Ports}); !seen[k] {
				seen[k] = true
				out = append(out, b)
			}
		}
	}
	return out
}

// bandsOf are the ports that a host does not leave to services.
func bandsOf(f *host.Facts) []Band {
	of := ""
	if f.Platform != "" {
		of = " of " + printable(f.Platform)
	}
	ephemeral := func(p port.Proto) []said {
		for _, e := range f.Ephemeral {
			if e.Proto == p {
				return []said{{f.EphemeralPorts(p), e.From}}
			}
		}
		return nil
	}
	spared := func(p port.Proto) (list []said) {
		for i := range f.Reserved {
			if r := &f.Reserved[i]; r.Spares(p) {
				list = append(list, said{r.Ports, r.From})
			}
		}
		return list
	}
	nodePorts := func(port.Proto) []said {
		if f.NodePorts.Ports.First == 0 {
			return nil
		}
		return []said{{port.Of(f.NodePorts.Ports), f.NodePorts.From}}
	}
	return slices.Concat(
		bandsFrom(Ephemeral, "ephemeral ports"+of, ephemeral),
		bandsFrom(Spared, "ports that the system spares", spared),
		bandsFrom(Spared, "excluded by an administrator, for a service", excluded(f, true)),
		bandsFrom(Excluded, "excluded by a component of Windows", excluded(f, false)),
		bandsFrom(NodePorts, "node ports of Kubernetes", nodePorts),
		bandsFrom(NomadPorts, "ports that Nomad gives to jobs", func(port.Proto) []said { return []said{{f.NomadPorts.Ports, f.NomadPorts.From}} }),
	)
}

// said are ports and where they are known from.
type said struct {
	ports port.Set
	from  string
}

// excluded are the ports that Windows keeps, for an administrator or for itself.
func excluded(f *host.Facts, administered bool) func(port.Proto) []said {
	return func(p port.Proto) (list []said) {
		for _, x := range f.Excluded {
			if x.Proto == p && x.Administered == administered {
				list = append(list, said{port.Of(x.Ports), x.From})
			}
		}
		return list
	}
}

// bandsFrom are bands of a kind, one for each range of a protocol, and one for both protocols
// where these have the same. Ranges that meet are one band, which is from the first of them.
func bandsFrom(kind Kind, words string, of func(port.Proto) []said) []Band {
	var out []Band
	at := map[port.Range]int{} // in out
	for _, proto := range port.Protos {
		var ranges []port.Range
		from := map[uint16]string{} // by the first port
		for _, s := range of(proto) {
			for r := range s.ports.Each() {
				from[r.First] = cmp.Or(from[r.First], s.from)
				ranges = append(ranges, r)
			}
		}
		for r := range port.Of(ranges...).Each() {
			if i, both := at[r]; both {
				out[i].Proto = 0
				continue
			}
			at[r] = len(out)
			out = append(out, Band{kind, proto, r, words, printable(from[r.First])})
		}
	}
	return out
}

// systemGroup is the group of a host itself: its bands as bars.
func systemGroup(f *host.Facts, bands []Band) Group {
	g := Group{Name: cmp.Or(printable(f.Platform), "the system"), Title: printable(f.Title)}
	protos := []port.Proto{0}
	if slices.ContainsFunc(bands, func(b Band) bool { return b.Proto != 0 }) {
		protos = port.Protos[:]
	}
	for _, proto := range protos {
		lane := Lane{Proto: proto}
		for _, b := range bands {
			if proto == 0 || b.Proto == 0 || b.Proto == proto {
				lane.Bars = append(lane.Bars, Bar{Kind: b.Kind, Proto: proto, Ports: b.Ports, Name: b.Kind.String(), Words: b.Words, Place: b.From})
			}
		}
		sortBars(lane.Bars)
		if len(lane.Bars) > 0 {
			g.Lanes = append(g.Lanes, lane)
		}
	}
	if len(g.Lanes) == 0 {
		g.Note = "what it hands out is not known"
	}
	return g
}
