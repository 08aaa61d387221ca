// Package templates carries the handwriting of firewalls and charts into the binary.
//
// A template prints a value only through one of the quoting functions of package
// render or draw; a test there refuses a template that prints a bare field.
package templates

import "embed"

// FS holds one template for each firewall, "nftables.tmpl" and so on, and what charts are made of.
//
//go:embed *.tmpl *.css *.js
var FS embed.FS
