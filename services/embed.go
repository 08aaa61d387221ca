// Package services carries the descriptions of services into the binary.
package services

import "embed"

// FS holds one description *.hcl for each service or family.
//
//go:embed *.hcl
var FS embed.FS
