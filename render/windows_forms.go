package render

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"text/template"

	"portolan/internal/addr"
	"portolan/internal/port"
)

// The forms of a firewall for Windows. All of them write the same allow rules.

var (
	psTemplate     = sync.OnceValue(func() *template.Template { return parsed("windows.tmpl", psQuoting()) })
	pesterTemplate = sync.OnceValue(func() *template.Template { return parsed("windows_pester.tmpl", psQuoting()) })
	netshTemplate  = sync.OnceValue(func() *template.Template { return parsed("windows_netsh.tmpl", netshQuoting()) })
	gpoTemplate    = sync.OnceValue(func() *template.Template { return parsed("windows_gpo.tmpl", gpoQuoting()) })
	gpoOutTemplate = sync.OnceValue(func() *template.Template { return parsed("windows_gpo_outbound.tmpl", gpoQuoting()) })
)

// windowsOutput fills a template, with the line ends of Windows.
func windowsOutput(t *template.Template, o Output, file *winFile) (Output, error) {
	data, err := execute(t, file)
	o.Data = crlf(data)
	return o, err
}

// writeWindows writes the script for PowerShell and its tests.
func writeWindows(j *job) ([]Output, error) {
	file := windowsFile(j)
	if file == nil {
		return nil, nil
	}
	script, err := windowsOutput(psTemplate(), Output{Name: "portolan.ps1"}, file)
	if err != nil {
		return nil, err
	}
	tests, err := windowsOutput(pesterTemplate(), Output{Name: "portolan.Tests.ps1", Aside: true}, file)
	return []Output{script, tests}, err
}

// writeNetsh writes a batch file, for hosts without PowerShell.
func writeNetsh(j *job) ([]Output, error) {
	file := windowsFile(j)
	if file == nil {
		return nil, nil
	}
	var rules []winRule
	for _, r := range file.Rules {
		rules = append(rules, netshRules(r)...)
		if len(rules) > maxNetsh {
			j.refuse(nil, "use the form powershell, which needs far fewer rules", "netsh needs more than %d rules for it", maxNetsh)
			return nil, nil
		}
	}
	file.Rules = once(rules)
	out, err := windowsOutput(netshTemplate(), Output{Name: "portolan.cmd", Comment: "rem "}, file)
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(out.Data)) {
		if len(line) > maxCmdLine {
			return nil, fmt.Errorf("a line of %d bytes is longer than cmd.exe takes", len(line))
		}
	}
	return []Output{out}, nil
}

// Bounds of cmd.exe, which takes lines of 8191 characters, and one of ours: netsh is
// started for each rule and takes a tenth of a second or more.
const (
	maxCmdLine  = 8000
	maxNetsh    = 2000
	netshPorts  = 1500 // characters of a list of ports
	netshPeers  = 3500 // characters of a list of addresses
	netshHeader = 200  // the rest of a line
)

// The parts of the longest line fit into one.
var _ [maxCmdLine - 2*netshPorts - netshPeers - netshHeader]struct{}

// netshRules are rules for one, as netsh takes them: one ICMP type each, lists that fit
// into a line.
func netshRules(r winRule) []winRule {
	types := [][]uint8{nil}
	if r.Types != nil {
		types = slices.Collect(slices.Chunk(r.Types, 1))
	}
	var out []winRule
	for _, one := range types {
		for _, peers := range byLength(r.Peers, netshPeers, quoteRange) {
			for _, local := range byLength(r.LocalPorts, netshPorts, port.Range.String) {
				for _, remote := range byLength(r.RemotePorts, netshPorts, port.Range.String) {
					part := r
					part.Types, part.Peers, part.LocalPorts, part.RemotePorts = one, peers, local, remote
					name, _, _ := strings.Cut(strings.TrimPrefix(r.Name, "PL-"), "-")
					part.Name = winName(name, &part)
					out = append(out, part)
				}
			}
		}
	}
	return out
}

// byLength cuts a list into lists whose texts, joined by commas, have at most max bytes.
// No list stays no list, which means any.
func byLength[T port.Range | addr.Range](items []T, max int, text func(T) string) [][]T {
	out := [][]T{nil}
	length := 0
	for _, it := range items {
		n := len(text(it)) + 1
		if length+n > max {
			out, length = append(out, nil), 0
		}
		last := len(out) - 1
		out[last] = append(out[last], it)
		length += n
	}
	return out
}

// writeGPO writes the values that Group Policy holds rules in. regedit and reg.exe read
// two kinds of files: UTF-16, and REGEDIT4, which is in the code page of the host. All we
// write is ASCII, the same in every code page, so it is the one that people and version
// control can read.
func writeGPO(j *job) ([]Output, error) {
	file := windowsFile(j)
	if file == nil {
		return nil, nil
	}
	rules, err := windowsOutput(gpoTemplate(), Output{Name: "portolan.reg", Comment: "; "}, file)
	if err != nil || !file.Outbound {
		return []Output{rules}, err
	}
	outbound, err := windowsOutput(gpoOutTemplate(), Output{Name: "portolan-outbound.reg", Aside: true, Comment: "; "}, file)
	return []Output{rules, outbound}, err
}
