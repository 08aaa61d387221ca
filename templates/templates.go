// Package templates carries the firewalls' handwriting into the binary.
//
// A template prints a value only through one of the quoting functions of package
// render; a test there refuses a template that prints a bare field.
package templates

import "embed"

// FS holds one template for each firewall, "nftables.tmpl" and so on.
//
//go:embed *.tmpl
var FS embed.FS
