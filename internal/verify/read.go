package verify

import (
	"bytes"
	"fmt"

	"portolan/internal/ruleset"
	"portolan/internal/source"
)

// Read reads the files of one firewall, by the name that render gives it, into the ruleset
// that the firewall has after loading them. Which form of its language they are in is told
// by their content.
func Read(backend string, files []*source.File) (*ruleset.Ruleset, error) {
	switch backend {
	case "nftables":
		return readNftables(files)
	case "iptables":
		return readIptables(files)
	case "windows":
		return readWindows(files)
	}
	return nil, fmt.Errorf("there is no reader for %s", backend)
}

// Detect tells by its content for which firewall a file is; "" when it is for none.
func Detect(f *source.File) string {
	switch text := f.Text; {
	case bytes.Contains(text, []byte("table inet portolan")), isNftJSON(text):
		return "nftables"
	case isIptables(text):
		return "iptables"
	case bytes.Contains(text, []byte("#Requires -Modules NetSecurity")):
		return "windows"
	}
	return ""
}

func readNftables(files []*source.File) (*ruleset.Ruleset, error) {
	if len(files) != 1 {
		return nil, fmt.Errorf("nftables is one text, not %d", len(files))
	}
	if isNftJSON(files[0].Text) {
		return ParseNftablesJSON(files[0])
	}
	return ParseNftables(files[0])
}

// isNftJSON reports whether a text begins like what nft -j prints.
func isNftJSON(text []byte) bool {
	head := bytes.TrimLeft(text[:min(len(text), 200)], " \t\r\n")
	rest, object := bytes.CutPrefix(head, []byte("{"))
	return object && bytes.HasPrefix(bytes.TrimLeft(rest, " \t\r\n"), []byte(`"nftables"`))
}

func readWindows(files []*source.File) (*ruleset.Ruleset, error) {
	if len(files) != 1 {
		return nil, fmt.Errorf("the script for Windows is one text, not %d", len(files))
	}
	return ParseWindows(files[0])
}
