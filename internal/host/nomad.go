package host

import (
	"encoding/json"
	"path"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/gocty"

	"portolan/internal/hclfile"
	"portolan/internal/port"
	"portolan/internal/source"
)

// defaultNomadPorts are what a client takes when nobody says (DefaultMinDynamicPort and
// DefaultMaxDynamicPort in
// https://github.com/hashicorp/nomad/blob/00fdf67c6d89/nomad/structs/network.go).
var defaultNomadPorts = port.Range{First: 20000, Last: 32000}

// nomadDir is the folder of the packages and of their unit. Nomad reads its .hcl and .json
// files in the order of their names, and a later one replaces settings of those before
// (https://developer.hashicorp.com/nomad/docs/configuration).
const nomadDir = "etc/nomad.d"

// maxNomadFiles bounds the files of its folder.
const maxNomadFiles = 50

// maxNomadFile bounds a file of Nomad's in bytes; one that a person wrote has some thousand.
// HCL's reader takes memory and time for many times its text.
const maxNomadFile = 256 << 10

// nomadClient is the part of Nomad's configuration that decides about ports
// (https://developer.hashicorp.com/nomad/docs/configuration/client).
type nomadClient struct {
	Enabled  *bool   `json:"enabled"`
	Min      *uint16 `json:"min_dynamic_port"`
	Max      *uint16 `json:"max_dynamic_port"`
	Reserved struct {
		Ports *string `json:"reserved_ports"`
	} `json:"reserved"`
}

// nomadPorts is the range of the client of Nomad that runs on this host. A file that cannot
// be read or understood leaves it unknown: better silent than wrong.
func (l *loader) nomadPorts() NomadPorts {
	names, err := l.tree.List(nomadDir)
	if err != nil || len(names) > maxNomadFiles {
		return NomadPorts{}
	}
	enabled, ports, reserved := false, defaultNomadPorts, port.Set{}
	client, from := "", ""
	for _, name := range names {
		read := nomadHCL
		switch path.Ext(name) {
		case ".hcl":
		case ".json":
			read = nomadJSON
		default:
			continue
		}
		f, err := l.tree.Read(path.Join(nomadDir, name))
		if err != nil || len(f.Text) > maxNomadFile {
			return NomadPorts{}
		}
		c, at, ok := read(f)
		if !ok {
			return NomadPorts{}
		}
		if c.Enabled != nil {
			if enabled = *c.Enabled; enabled {
				client = f.Name
			}
		}
		if c.Min != nil && *c.Min > 0 {
			ports.First, from = *c.Min, at.Place()
		}
		if c.Max != nil && *c.Max > 0 {
			ports.Last, from = *c.Max, at.Place()
		}
		if c.Reserved.Ports != nil {
			if reserved, err = port.Parse(*c.Reserved.Ports); err != nil {
				return NomadPorts{}
			}
		}
	}
	if !enabled {
		return NomadPorts{}
	}
	if from == "" {
		from = "the default; a client of Nomad was found by " + client
	}
	return NomadPorts{port.Of(ports).Minus(reserved), from}
}

// nomadJSON reads a file of JSON. The place is the file as a whole. A file with nothing
// about a client has nothing to say; the report is false for one that is not understood.
func nomadJSON(f *source.File) (nomadClient, source.Span, bool) {
	var file struct {
		Client nomadClient `json:"client"`
	}
	err := json.Unmarshal(f.Text, &file)
	return file.Client, f.Span(0, 0), err == nil
}

// nomadHCL reads a file of HCL, with the place of the bounds, the last one that is written.
func nomadHCL(f *source.File) (c nomadClient, at source.Span, ok bool) {
	r := hclfile.Reader{File: f}
	body := r.Parse()
	at = f.Span(0, 0)
	for _, b := range body.Blocks {
		if b.Type != "client" {
			continue
		}
		hclValue(&r, b.Body, "enabled", cty.Bool, &c.Enabled)
		hclValue(&r, b.Body, "min_dynamic_port", cty.Number, &c.Min)
		hclValue(&r, b.Body, "max_dynamic_port", cty.Number, &c.Max)
		for _, inner := range b.Body.Blocks {
			if inner.Type == "reserved" {
				hclValue(&r, inner.Body, "reserved_ports", cty.String, &c.Reserved.Ports)
			}
		}
		for _, name := range []string{"max_dynamic_port", "min_dynamic_port"} {
			if a := b.Body.Attributes[name]; a != nil {
				at = r.Span(a.Expr.Range())
			}
		}
	}
	return c, at, len(r.Diags) == 0
}

// hclValue puts the value of a literal attribute into to, which stays as it is when there is
// none; another type than asked for is an error in r.
func hclValue[T any](r *hclfile.Reader, body *hclsyntax.Body, name string, kind cty.Type, to **T) {
	v := r.Literal(body, name)
	if v == cty.NilVal {
		return
	}
	var value T
	if v.Type() != kind || gocty.FromCtyValue(v, &value) != nil {
		r.Error(body.Attributes[name].Expr.Range(), "", "%s is not understood", strings.ReplaceAll(name, "_", " "))
		return
	}
	*to = &value
}
