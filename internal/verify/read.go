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
	case windowsForm(f) != nil:
		return "windows"
	case isNft(text), isNftJSON(text):
		return "nftables"
	case isIptables(text):
		return "iptables"
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

// isNft reports whether a text has a table of ours. In a comment it can be a name that we do
// not trust.
func isNft(text []byte) bool {
	for l := range bytes.Lines(text) {
		if bytes.HasPrefix(bytes.TrimLeft(l, " \t"), []byte("table inet portolan")) {
			return true
		}
	}
	return false
}

// isNftJSON reports whether a text begins like what nft -j prints.
func isNftJSON(text []byte) bool {
	head := bytes.TrimLeft(text[:min(len(text), 200)], " \t\r\n")
	rest, object := bytes.CutPrefix(head, []byte("{"))
	return object && bytes.HasPrefix(bytes.TrimLeft(rest, " \t\r\n"), []byte(`"nftables"`))
}

func readWindows(files []*source.File) (*ruleset.Ruleset, error) {
	if len(files) != 1 {
		return nil, fmt.Errorf("a firewall for Windows is one text, not %d", len(files))
	}
	if read := windowsForm(files[0]); read != nil {
		return read(files[0])
	}
	return nil, fmt.Errorf("%s: not a script, a batch file or a registry file with rules for Windows", files[0].Name)
}

// windowsForm is the reader for the form that a firewall for Windows is in, nil when it is
// in none.
func windowsForm(f *source.File) func(*source.File) (*ruleset.Ruleset, error) {
	// By how they begin: what stands behind that are names that we do not trust.
	switch text := bytes.TrimLeft(f.Text, "\r\n"); {
	case bytes.HasPrefix(text, []byte("#Requires -Version 5.1")):
		return ParseWindows
	case bytes.HasPrefix(text, []byte("@echo off")):
		return ParseNetsh
	case bytes.HasPrefix(text, []byte("REGEDIT4")), bytes.HasPrefix(text, []byte("Windows Registry Editor")),
		bytes.HasPrefix(text, []byte("HKEY_LOCAL_MACHINE")), bytes.HasPrefix(text, []byte{0xff, 0xfe}):
		return ParseWindowsRegistry
	}
	return nil
}
