package host

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"portolan/internal/port"
	"portolan/internal/source"
)

// factsVersion is the version of the JSON form. Fields are only ever added to it.
const factsVersion = 1

type factsJSON struct {
	Version           *int            `json:"version"`
	Platform          string          `json:"platform"`
	Title             string          `json:"title,omitempty"`
	From              string          `json:"from"`
	UnprivilegedStart *int            `json:"unprivileged_start"`
	Ephemeral         []ephemeralJSON `json:"ephemeral"`
	Reserved          []reservedJSON  `json:"reserved"`
	Excluded          []excludedJSON  `json:"excluded"`
	NodePorts         *nodePortsJSON  `json:"node_ports,omitempty"`
	NomadPorts        *nomadPortsJSON `json:"nomad_ports,omitempty"`
	Helpers           []helperJSON    `json:"conntrack_helpers,omitempty"`
	Watched           []string        `json:"watched,omitempty"` // protocols whose listeners are known
	Listeners         []listenerJSON  `json:"listeners,omitempty"`
	Names             []string        `json:"names,omitempty"` // "5060/udp sip etc/services:412"
}

// portsJSON is a range of one protocol and family. Pointers tell what is missing.
type portsJSON struct {
	Protocol string `json:"protocol"`
	Family   Family `json:"family"`
	First    *int   `json:"first"`
	Last     *int   `json:"last"`
}

type ephemeralJSON struct {
	portsJSON
	Setting string `json:"setting"`
	From    string `json:"from"`
}

type excludedJSON struct {
	portsJSON
	Administered bool   `json:"administered"`
	From         string `json:"from"`
}

type nodePortsJSON struct {
	Ports string `json:"ports"`
	From  string `json:"from"`
}

type nomadPortsJSON struct {
	Ports []string `json:"ports"`
	From  string   `json:"from"`
}

type helperJSON struct {
	Name      string   `json:"name"`
	Protocol  string   `json:"protocol"`
	Ports     []string `json:"ports"`
	NAT       bool     `json:"nat"`
	Automatic bool     `json:"automatic"`
	From      string   `json:"from"`
}

type listenerJSON struct {
	Protocol string     `json:"protocol"`
	Address  netip.Addr `json:"address"`
	V6Only   bool       `json:"v6only,omitempty"`
	Port     int        `json:"port"`
	Process  string     `json:"process,omitempty"`
	From     string     `json:"from"`
}

type reservedJSON struct {
	Protocol string   `json:"protocol,omitempty"` // "" for all
	Ports    []string `json:"ports"`
	Setting  string   `json:"setting"`
	From     string   `json:"from"`
}

// JSON is f in the form that ParseJSON reads: indented, with a line end, the same bytes
// for the same facts.
func (f *Facts) JSON() ([]byte, error) {
	version := factsVersion
	w := factsJSON{
		Version: &version, Platform: f.Platform, Title: f.Title, From: f.From, UnprivilegedStart: &f.UnprivilegedStart,
		Ephemeral: []ephemeralJSON{}, Reserved: []reservedJSON{}, Excluded: []excludedJSON{},
	}
	for _, e := range f.Ephemeral {
		w.Ephemeral = append(w.Ephemeral, ephemeralJSON{writePorts(e.Proto, e.Family, e.Ports), e.Setting, e.From})
	}
	for _, r := range f.Reserved {
		proto := ""
		if r.Proto != 0 {
			proto = r.Proto.String()
		}
		w.Reserved = append(w.Reserved, reservedJSON{proto, writeSet(r.Ports), r.Setting, r.From})
	}
	for _, x := range f.Excluded {
		w.Excluded = append(w.Excluded, excludedJSON{writePorts(x.Proto, x.Family, x.Ports), x.Administered, x.From})
	}
	if n := f.NodePorts; n.Ports.First > 0 {
		w.NodePorts = &nodePortsJSON{n.Ports.String(), n.From}
	}
	if n := f.NomadPorts; !n.Ports.IsEmpty() {
		w.NomadPorts = &nomadPortsJSON{writeSet(n.Ports), n.From}
	}
	for _, h := range f.Helpers {
		w.Helpers = append(w.Helpers, helperJSON{h.Name, h.Proto.String(), writeSet(h.Ports), h.NAT, h.Automatic, h.From})
	}
	for _, p := range f.Watched {
		w.Watched = append(w.Watched, p.String())
	}
	for _, x := range f.Listeners {
		w.Listeners = append(w.Listeners, listenerJSON{x.Proto.String(), x.Addr, x.V6Only, int(x.Port), x.Process, x.From})
	}
	for _, n := range f.Names {
		w.Names = append(w.Names, fmt.Sprintf("%d/%s %s %s", n.Port, n.Proto, n.Name, n.From))
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(w); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func writePorts(proto port.Proto, family Family, r port.Range) portsJSON {
	first, last := int(r.First), int(r.Last)
	return portsJSON{proto.String(), family, &first, &last}
}

// writeSet is a set as a list of ranges, "5060" and "35000-35399".
func writeSet(s port.Set) []string {
	out := []string{}
	for _, r := range s.Ranges() {
		out = append(out, r.String())
	}
	return out
}

// ParseJSON reads what JSON wrote. The error names the file, the place and what is
// wrong there; fields that are not known are skipped, because a later version may have
// added them.
func ParseJSON(f *source.File) (Facts, error) {
	var w factsJSON
	if err := json.Unmarshal(f.Text, &w); err != nil {
		return Facts{}, jsonError(f, err)
	}
	facts, err := w.facts()
	if err != nil {
		return Facts{}, fmt.Errorf("%s: %w", f.Name, err)
	}
	return facts, nil
}

// jsonError gives an error of the JSON library a line and a column.
func jsonError(f *source.File, err error) error {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		at := f.Span(int(wrong.Offset)-1, int(wrong.Offset))
		return fmt.Errorf("%s: %s has a value of the wrong kind, %s", at, cmp.Or(strings.ReplaceAll(wrong.Field, "portsJSON.", ""), "the file"), wrong.Value)
	}
	const remedy = "these are not facts of a host: write them with portolan host"
	if wrong, ok := errors.AsType[*json.SyntaxError](err); ok && len(f.Text) > 0 {
		return fmt.Errorf("%s: %w; %s", f.Span(int(wrong.Offset)-1, int(wrong.Offset)), err, remedy)
	}
	return fmt.Errorf("%s: %w; %s", f.Name, err, remedy)
}

func (w *factsJSON) facts() (Facts, error) {
	switch {
	case w.Version == nil:
		return Facts{}, errors.New(`the field "version" is missing: these are not facts of a host as portolan host writes them`)
	case *w.Version != factsVersion:
		return Facts{}, fmt.Errorf("facts of version %d are not understood: write them again with a portolan of this version, which knows version %d", *w.Version, factsVersion)
	}
	f := Facts{Platform: w.Platform, Title: w.Title, From: w.From, UnprivilegedStart: -1}
	if w.UnprivilegedStart != nil {
		if f.UnprivilegedStart = *w.UnprivilegedStart; f.UnprivilegedStart < -1 || f.UnprivilegedStart > port.Max {
			return Facts{}, fmt.Errorf("unprivileged_start is %d: use a port from 0 to %d, or -1 when it is not known", f.UnprivilegedStart, port.Max)
		}
	}
	if n := w.NodePorts; n != nil {
		r, ok := nodePortRange(n.Ports)
		if !ok {
			return Facts{}, fmt.Errorf("node_ports is %s: use a range of ports such as 30000-32767", quote(n.Ports))
		}
		f.NodePorts = NodePorts{Ports: r, From: n.From}
	}
	for i, e := range w.Ephemeral {
		proto, r, err := e.read()
		if err != nil {
			return Facts{}, fmt.Errorf("entry %d of ephemeral: %w", i+1, err)
		}
		f.Ephemeral = append(f.Ephemeral, Ephemeral{Proto: proto, Family: e.Family, Ports: r, Setting: e.Setting, From: e.From})
	}
	for i, x := range w.Excluded {
		proto, r, err := x.read()
		if err != nil {
			return Facts{}, fmt.Errorf("entry %d of excluded: %w", i+1, err)
		}
		f.Excluded = append(f.Excluded, Excluded{proto, x.Family, r, x.Administered, x.From})
	}
	for i, r := range w.Reserved {
		ports, err := readSet(r.Ports)
		if err != nil {
			return Facts{}, fmt.Errorf("entry %d of reserved: %w", i+1, err)
		}
		var proto port.Proto // of all
		if r.Protocol != "" {
			if proto, err = port.ParseProto(r.Protocol); err != nil {
				return Facts{}, fmt.Errorf("entry %d of reserved: %w", i+1, err)
			}
		}
		f.Reserved = append(f.Reserved, Reserved{proto, ports, r.Setting, r.From})
	}
	err := w.observed(&f)
	return f, err
}

// observed puts into f what is no range of the system.
func (w *factsJSON) observed(f *Facts) error {
	if n := w.NomadPorts; n != nil {
		ports, err := readSet(n.Ports)
		if err != nil || ports.IsEmpty() {
			return fmt.Errorf("nomad_ports is %s: use ranges of ports such as 20000-32000", quote(strings.Join(n.Ports, ",")))
		}
		f.NomadPorts = NomadPorts{ports, n.From}
	}
	for i, h := range w.Helpers {
		proto, err := port.ParseProto(h.Protocol)
		ports, errPorts := readSet(h.Ports)
		if err := cmp.Or(err, errPorts); err != nil {
			return fmt.Errorf("entry %d of conntrack_helpers: %w", i+1, err)
		}
		f.Helpers = append(f.Helpers, Helper{h.Name, proto, ports, h.NAT, h.Automatic, h.From})
	}
	for i, word := range w.Watched {
		proto, err := port.ParseProto(word)
		if err != nil {
			return fmt.Errorf("entry %d of watched: %w", i+1, err)
		}
		f.Watched = append(f.Watched, proto)
	}
	for i, x := range w.Listeners {
		proto, number, err := readPort(x.Protocol, x.Port)
		if err == nil && !x.Address.IsValid() {
			err = errors.New("the address is missing")
		}
		if err != nil {
			return fmt.Errorf("entry %d of listeners: %w", i+1, err)
		}
		f.Listeners = append(f.Listeners, Listener{proto, x.Address, x.V6Only, number, x.Process, x.From})
	}
	for i, n := range w.Names {
		name, ok := parseName(n)
		if !ok {
			return fmt.Errorf("entry %d of names is %s: write it as 5060/udp sip etc/services:412", i+1, quote(n))
		}
		f.Names = append(f.Names, name)
	}
	sortNames(f.Names)
	f.Listeners = sortListeners(f.Listeners)
	return nil
}

func readSet(ranges []string) (port.Set, error) { return port.Parse(strings.Join(ranges, ",")) }

// readPort reads a single port, which is not 0.
func readPort(protocol string, number int) (port.Proto, uint16, error) {
	proto, err := port.ParseProto(protocol)
	if err == nil && (number < 1 || number > port.Max) {
		err = fmt.Errorf("port %d is not within 1 to %d", number, port.Max)
	}
	return proto, uint16(number), err
}

func (p *portsJSON) read() (port.Proto, port.Range, error) {
	proto, err := port.ParseProto(p.Protocol)
	if err != nil {
		return 0, port.Range{}, err
	}
	if p.Family != V4 && p.Family != V6 {
		return 0, port.Range{}, fmt.Errorf("family %d is not known: use 4 or 6", p.Family)
	}
	if p.First == nil || p.Last == nil {
		return 0, port.Range{}, errors.New("first and last are needed, both")
	}
	first, last := *p.First, *p.Last
	if first < 0 || last > port.Max || first > last {
		return 0, port.Range{}, fmt.Errorf("ports %d to %d are not an ascending range within 0 to %d", first, last, port.Max)
	}
	return proto, port.Range{First: uint16(first), Last: uint16(last)}, nil
}
