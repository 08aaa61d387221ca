package host

import (
	"bytes"
	"fmt"

	"portolan/internal/diag"
	"portolan/internal/port"
	"portolan/internal/source"
)

// The rules that findings of this package are made under.
const (
	// RuleBroken is a value that cannot be what the system holds, or output that lacks
	// what it should show.
	RuleBroken = "broken-fact"
	// RuleUnknown is captured output of no command we know.
	RuleUnknown = "unknown-capture"
)

// Capture is what a file of captured command output says. The zero value is a file
// in which nothing was recognised.
type Capture struct {
	// Netsh says that the file has output of netsh, which may well be an empty list of
	// exclusions.
	Netsh bool
	// PowerShell says that the file has output of Get-NetTCPSetting or Get-NetUDPSetting.
	PowerShell bool
	Dynamic    []DynamicRange
	Reuse      []DynamicRange // from which TCP takes the port of a connection, see Get-NetTCPSetting
	Excluded   []ExcludedRange
	Settings   []Setting // from sysctl, ipadm, ndd and no
	// Listeners are the sockets that wait for others, from ss or netstat, and Watched the
	// protocols of which the file has sockets.
	Listeners []Listener
	Watched   []port.Proto
}

// isEmpty reports whether nothing was recognised.
func (c *Capture) isEmpty() bool {
	return !c.Netsh && !c.PowerShell && len(c.Settings) == 0 && len(c.Watched) == 0
}

// DynamicRange is the answer to "netsh int ipv4 show dynamicport tcp", or what one object
// of Get-NetTCPSetting or Get-NetUDPSetting says.
type DynamicRange struct {
	Proto   port.Proto
	Family  Family     // 0 when neither the text nor the file name tells
	Ports   port.Range // inclusive
	Profile string     // of Get-NetTCPSetting, "Internet"; "" elsewhere
	Span    source.Span
}

// ExcludedRange is one row of "netsh int ipv4 show excludedportrange protocol=tcp".
type ExcludedRange struct {
	Proto        port.Proto
	Family       Family     // 0 when neither the text nor the file name tells
	Ports        port.Range // inclusive
	Administered bool       // the row is starred
	Span         source.Span
}

// ParseCapture recognises captured output of netsh, Get-NetTCPSetting, Get-NetUDPSetting,
// sysctl, ipadm, ndd, no, ss and netstat by its shape and reads it. A file may hold the output of several commands, with or without the command
// lines between. An empty file is an error: it is what a command that failed leaves
// behind, and not the statement that nothing is set.
func ParseCapture(f *source.File) (Capture, diag.List) {
	if len(bytes.TrimSpace(f.Text)) == 0 {
		return Capture{}, diag.List{{
			Rule: RuleBroken, Severity: diag.Error, Span: f.Span(0, 0),
			Message: "the captured output is empty, so the command failed",
			Help:    "run the command again in a prompt with administrator rights and look at what it says",
		}}
	}
	c, diags := parseNetsh(f)
	shell, found := parsePowerShell(f)
	diags = append(diags, found...)
	c.PowerShell, c.Reuse, c.Dynamic = shell.PowerShell, shell.Reuse, append(c.Dynamic, shell.Dynamic...)
	c.Settings = append(ParseSysctlOutput(f), parseAnonPorts(f)...)
	c.Listeners, c.Watched = parseSockets(f)
	if c.isEmpty() && len(diags) == 0 {
		diags = append(diags, diag.Diagnostic{
			Rule: RuleUnknown, Severity: diag.Warning, Span: f.Span(0, 0),
			Message: "this is no output of a command that portolan knows",
			Help:    "keep the output of netsh int ipv4|ipv6 show dynamicport|excludedportrange, of sysctl -a, or of ss -lntup here",
		})
	}
	return c, diags
}

// findings collects diagnostics about one file up to a limit, because every line of a
// hostile file can be wrong.
type findings struct {
	file *source.File
	list diag.List
	more int // not in list
}

const maxFindings = 20

func (l *findings) add(severity diag.Severity, span source.Span, help, format string, args ...any) {
	if len(l.list) == maxFindings {
		l.more++
		return
	}
	l.list = append(l.list, diag.Diagnostic{
		Rule: RuleBroken, Severity: severity, Span: span, Message: fmt.Sprintf(format, args...), Help: help,
	})
}

func (l *findings) all() diag.List {
	if l.more == 0 {
		return l.list
	}
	return append(l.list, diag.Diagnostic{
		Rule: RuleBroken, Severity: diag.Warning, Span: l.file.Span(0, 0),
		Message: fmt.Sprintf("%d more lines of this file are broken", l.more),
	})
}
