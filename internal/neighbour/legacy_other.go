//go:build !linux

package neighbour

// aligned says whether 64-bit numbers in the structures of iptables are aligned to 8 bytes.
const aligned = true

// ReadLegacy finds nothing: only Linux has iptables.
func ReadLegacy() ([]Legacy, error) { return nil, nil }
