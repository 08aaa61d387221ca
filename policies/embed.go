// Package policies carries the default policy and the port ranges of platforms into
// the binary.
package policies

import "embed"

// FS has the .hcl files of this folder at its top: "platforms.hcl" and the default
// policy.
//
//go:embed *.hcl
var FS embed.FS
