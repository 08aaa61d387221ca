// Package render writes a ruleset in a firewall's own language.
//
// A backend that cannot say what a rule means refuses it with a finding and writes no
// byte. What it does write is printable ASCII, the same for the same input, and read
// back by package verify into an equivalent ruleset.
package render

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"portolan/internal/diag"
	"portolan/internal/ruleset"
)

// A Backend is one firewall whose language we write.
type Backend struct {
	Name  string // as people type it
	Title string // in words
	// Forms are the kinds of files we write for it. The first one is meant when none is named.
	Forms []Form
}

// A Form is one kind of file for a firewall. All forms of a firewall mean the same.
type Form struct {
	Name  string // as people type it
	Title string // in words
	// Names are the files it writes, as far as a ruleset needs them, without those that stand
	// aside.
	Names   []string
	backend string
	write   func(*job) ([]Output, error)
}

// Backends are all firewalls we write for.
var Backends = [...]Backend{
	{"nftables", "nftables 0.9.8 and later", []Form{
		{"script", "a script that loads itself and loses no packet", []string{"portolan.nft"}, "nftables", writeNftables},
		{"snippet", "a part of /etc/nftables.conf", []string{"portolan-snippet.nft"}, "nftables", writeNftablesSnippet},
	}},
	{"iptables", "iptables and ip6tables 1.8.7 and later", []Form{
		{"restore", "files for iptables-restore and ip6tables-restore", []string{"rules.v4", "rules.v6", "rules.ipset"}, "iptables", writeIptables},
		{"script", "a shell script that loads them, goes back, checks and removes", []string{"portolan-iptables.sh"}, "iptables", writeIptablesScript},
	}},
	{"windows", "Windows Firewall, Windows PowerShell 5.1 and PowerShell 7", []Form{
		{"powershell", "a PowerShell script on the NetSecurity cmdlets, and its tests for Pester", []string{"portolan.ps1"}, "windows", writeWindows},
		{"netsh", "a batch file on netsh, for hosts without PowerShell", []string{"portolan.cmd"}, "windows", writeNetsh},
		{"gpo", "a registry file with the rules of a Group Policy", []string{"portolan.reg"}, "windows", writeGPO},
	}},
}

// Find is the backend of the given name. The error lists the names there are.
func Find(name string) (Backend, error) {
	var names []string
	for _, b := range Backends {
		if b.Name == name {
			return b, nil
		}
		names = append(names, b.Name)
	}
	return Backend{}, fmt.Errorf("there is no firewall %q: use one of %s", name, strings.Join(names, ", "))
}

// Form is the form of the given name, the first one for "". The error lists the names there
// are.
func (b Backend) Form(name string) (Form, error) {
	var names []string
	for _, f := range b.Forms {
		if f.Name == name || name == "" {
			return f, nil
		}
		names = append(names, f.Name)
	}
	return Form{}, fmt.Errorf("%s has no form %q: use one of %s", b.Name, name, strings.Join(names, ", "))
}

// Header is what the first lines of every output say besides the files.
type Header struct {
	Program string // name and version of the program, "portolan 0.1.0"
	Policy  string // where the policy was read: a file name, or words for a built-in one
}

// An Output is one file as the firewall's own loader takes it.
type Output struct {
	Name string // base name, such as "rules.v4"
	Data []byte
	// Aside says that the file stands beside the firewall and holds none of it, such as the
	// tests of a script. It is written into folders only.
	Aside bool
	// Program says that the file is to be executed.
	Program bool
	// Comment begins a line that the loader skips; "" stands for "# ".
	Comment string
}

// Files writes rs as the files that the firewall's loader takes. When it finds a rule
// that the firewall cannot express it returns no file; the findings name every such
// rule. An error is a defect of ours: something was about to be written that is not
// printable ASCII.
func (f Form) Files(rs *ruleset.Ruleset, h Header) ([]Output, diag.List, error) {
	j := &job{backend: f.backend, rs: rs, head: head{h.Program, h.Policy, rs.Files}}
	j.check()
	if len(j.findings) > 0 {
		return nil, j.findings, nil
	}
	outputs, err := f.write(j)
	if err != nil {
		return nil, nil, fmt.Errorf("writing %s: %w", f.backend, err)
	}
	if len(j.findings) > 0 {
		return nil, j.findings, nil
	}
	for _, o := range outputs {
		if i := bytes.IndexFunc(o.Data, unprintable); i >= 0 {
			return nil, nil, fmt.Errorf("writing %s: byte %d is not printable ASCII", o.Name, i)
		}
	}
	return outputs, nil, nil
}

func unprintable(r rune) bool {
	return (r < ' ' || r > '~') && r != '\n' && r != '\r' && r != '\t'
}

// Text is all outputs as one text, without those that stand aside. A single output is that text. Of several, each
// begins with a marker line of its own, "# ==== rules.v4 ====", which is a comment for
// every loader: cut at the markers, each part loads by itself.
func Text(outputs []Output) []byte {
	outputs = slices.DeleteFunc(slices.Clone(outputs), func(o Output) bool { return o.Aside })
	if len(outputs) == 1 {
		return outputs[0].Data
	}
	var b bytes.Buffer
	for _, o := range outputs {
		fmt.Fprintf(&b, "# ==== %s ====\n", o.Name)
		b.Write(o.Data)
	}
	return b.Bytes()
}

// head is what the header of a template prints.
type head struct {
	Program, Policy string
	Files           []string
}
