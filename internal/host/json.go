package host

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
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

type reservedJSON struct {
	Ports   []string `json:"ports"`
	Setting string   `json:"setting"`
	From    string   `json:"from"`
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
		ports := []string{}
		for _, p := range r.Ports.Ranges() {
			ports = append(ports, p.String())
		}
		w.Reserved = append(w.Reserved, reservedJSON{ports, r.Setting, r.From})
	}
	for _, x := range f.Excluded {
		w.Excluded = append(w.Excluded, excludedJSON{writePorts(x.Proto, x.Family, x.Ports), x.Administered, x.From})
	}
	if n := f.NodePorts; n.Ports.First > 0 {
		w.NodePorts = &nodePortsJSON{n.Ports.String(), n.From}
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
		f.NodePorts = NodePorts{r, n.From}
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
		ports, err := port.Parse(strings.Join(r.Ports, ","))
		if err != nil {
			return Facts{}, fmt.Errorf("entry %d of reserved: %w", i+1, err)
		}
		f.Reserved = append(f.Reserved, Reserved{ports, r.Setting, r.From})
	}
	return f, nil
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
