package inventory

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
)

// A Format is one way to print an inventory.
type Format struct {
	Name  string
	Write func(io.Writer, *Inventory) error
}

// Formats are all formats, the default first.
func Formats() []Format {
	return []Format{{"text", WriteText}, {"json", WriteJSON}, {"csv", WriteCSV}}
}

// The version of the JSON form. Fields are only ever added.
const jsonVersion = 1

type jsonInventory struct {
	Version  int            `json:"version"`
	Root     string         `json:"root"`
	Files    []jsonFile     `json:"files"`
	Claims   []jsonClaim    `json:"claims"`
	Disabled []jsonDisabled `json:"disabled,omitempty"`
}

type jsonDisabled struct {
	Service string        `json:"service"`
	Listen  string        `json:"listen"`
	Purpose string        `json:"purpose"`
	Because []jsonBecause `json:"because"`
}

type jsonFile struct {
	File    string `json:"file"`
	Service string `json:"service"`
	Status  Status `json:"status"`
}

type jsonClaim struct {
	Service      string        `json:"service"`
	Instance     string        `json:"instance"`
	Listen       string        `json:"listen"`
	Purpose      string        `json:"purpose"`
	Direction    Direction     `json:"direction"`
	Protocol     string        `json:"protocol"`
	First        int           `json:"first"`
	Last         int           `json:"last"`
	NominalFirst int           `json:"nominal_first"`
	NominalLast  int           `json:"nominal_last"`
	Bind         []string      `json:"bind"`
	Peer         string        `json:"peer,omitempty"`         // of a connection
	SourceFirst  int           `json:"source_first,omitempty"` // local ports of a connection
	SourceLast   int           `json:"source_last,omitempty"`  // 0 when the system chooses one
	Exposure     Exposure      `json:"exposure"`
	Origin       Origin        `json:"origin"`
	File         string        `json:"file"`
	Line         int           `json:"line"` // 0 where no line exists
	Column       int           `json:"column"`
	Because      []jsonBecause `json:"because"`
}

type jsonBecause struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
	Text   string `json:"text"`
}

// WriteJSON prints the inventory as JSON, version 1. Lists are never null.
func WriteJSON(w io.Writer, inv *Inventory) error {
	out := jsonInventory{Version: jsonVersion, Root: inv.Root, Files: []jsonFile{}, Claims: []jsonClaim{}}
	for _, f := range inv.Files {
		out.Files = append(out.Files, jsonFile{f.Name, f.Service, f.Status})
	}
	for i := range inv.Claims {
		c := &inv.Claims[i]
		at := c.Span.Position()
		j := jsonClaim{
			Service: c.Service, Instance: c.Instance, Listen: c.Listen, Purpose: c.Purpose, Direction: c.Direction,
			Protocol: c.Proto.String(), First: int(c.Ports.First), Last: int(c.Ports.Last),
			NominalFirst: c.NominalFirst, NominalLast: c.NominalLast, Bind: append([]string{}, c.Bind...), Peer: c.Peer, SourceFirst: int(c.Source.First), SourceLast: int(c.Source.Last),
			Exposure: c.Exposure, Origin: c.Origin, File: c.Span.Name(), Line: at.Line, Column: at.Column,
		}
		j.Because = jsonReasons(c.Because)
		out.Claims = append(out.Claims, j)
	}
	for _, d := range inv.Disabled {
		out.Disabled = append(out.Disabled, jsonDisabled{d.Service, d.Listen, d.Purpose, jsonReasons(d.Because)})
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(out)
}

func jsonReasons(list []Because) []jsonBecause {
	out := []jsonBecause{}
	for _, b := range list {
		at := b.Span.Position()
		out = append(out, jsonBecause{b.Span.Name(), at.Line, at.Column, b.Text})
	}
	return out
}

// header are the columns of the table and of the CSV form.
var header = []string{"service", "listen", "proto", "ports", "address", "exposure", "origin", "place", "purpose"}

func (c *Claim) row() []string {
	address := strings.Join(c.Bind, ",")
	listen := c.Listen
	if c.Direction == Connect {
		address = "-> " + c.Peer
	}
	exposure := string(c.Exposure)
	if exposure == "" {
		exposure = "-"
	}
	service := c.Service
	if c.Instance != "" {
		service += "[" + c.Instance + "]"
	}
	return []string{service, listen, c.Proto.String(), c.Nominal(), address, exposure, string(c.Origin), c.Span.Place(), c.Purpose}
}

// WriteText prints the claims as a table, then what is switched off by a line of a file,
// then every file that was not read whole.
func WriteText(w io.Writer, inv *Inventory) error {
	rows := [][]string{header}
	for i := range inv.Claims {
		rows = append(rows, inv.Claims[i].row())
	}
	widths := make([]int, len(header))
	for _, row := range rows {
		for i, cell := range row {
			row[i] = visible(cell)
			widths[i] = max(widths[i], len([]rune(row[i])))
		}
	}
	var b strings.Builder
	for n, row := range rows {
		for i, cell := range row {
			if n == 0 {
				cell = strings.ToUpper(cell)
			}
			if i == len(row)-1 {
				b.WriteString(cell)
			} else {
				fmt.Fprintf(&b, "%-*s  ", widths[i], cell)
			}
		}
		b.WriteByte('\n')
	}
	for _, d := range inv.Disabled {
		if len(d.Because) > 0 && d.Because[0].Span.HasLine() {
			reason := d.Because[0]
			fmt.Fprintf(&b, "%s %s is off: %s (%s)\n", d.Service, visible(d.Listen), visible(reason.Text), visible(reason.Span.Place()))
		}
	}
	for _, f := range inv.Files {
		if f.Status != Whole {
			fmt.Fprintf(&b, "%s of %s: %s\n", visible(f.Name), f.Service, f.Status)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// WriteCSV prints the claims as RFC 4180 comma-separated values with a header line.
func WriteCSV(w io.Writer, inv *Inventory) error {
	out := csv.NewWriter(w)
	if err := out.Write(append([]string{"direction", "first", "last"}, header...)); err != nil {
		return err
	}
	for i := range inv.Claims {
		c := &inv.Claims[i]
		row := append([]string{string(c.Direction), strconv.Itoa(int(c.Ports.First)), strconv.Itoa(int(c.Ports.Last))}, c.row()...)
		for i := range row {
			row[i] = visible(row[i])
			if row[i] != "" && strings.ContainsRune("=+@\t", rune(row[i][0])) {
				row[i] = "'" + row[i] // a spreadsheet would run it as a formula
			}
		}
		if err := out.Write(row); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// visible is text from a file made harmless for a terminal: everything that does not
// print becomes "?".
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}
