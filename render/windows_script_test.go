package render

import (
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"testing"
	"text/template"

	"portolan/internal/port"
	"portolan/internal/quoted"
	"portolan/internal/ruleset"
	"portolan/templates"
)

// The quote characters of PowerShell: any of a family ends a string that another began
// (CharTraits.cs of PowerShell, "IsSingleQuote" and "IsDoubleQuote").
const (
	singleQuotes = "'\u2018\u2019\u201a\u201b"
	doubleQuotes = "\"\u201c\u201d\u201e"
)

// A psToken is a piece of a script: a comment, a string, a bracket, a word or a sign.
type psToken struct {
	kind string // "comment", "string", "expandable", "open", "close", "word", "sign", "end"
	text string // of a string: what it says
	line int
}

// scanPS cuts a script into tokens as PowerShell does, as far as our scripts go. It knows
// no here-strings, and anything but printable ASCII outside of a string is an error.
func scanPS(text string) ([]psToken, error) {
	var out []psToken
	runes := []rune(text)
	line := 1
	var open []rune
	closing := map[rune]rune{'(': ')', '{': '}', '[': ']'}
	for i := 0; i < len(runes); {
		c := runes[i]
		add := func(kind string, from, to int) { out = append(out, psToken{kind, string(runes[from:to]), line}) }
		rest := string(runes[i:min(i+2, len(runes))])
		switch {
		case c == '\n':
			add("end", i, i+1)
			line++
			i++
		case c == '\r' || c == ' ':
			i++
		case rest == "<#":
			end := strings.Index(string(runes[i:]), "#>")
			if end < 0 {
				return nil, fmt.Errorf("line %d: a comment without an end", line)
			}
			line += strings.Count(string(runes[i:])[:end], "\n")
			i += len([]rune(string(runes[i:])[:end])) + 2
		case c == '#':
			from := i
			for i < len(runes) && runes[i] != '\n' {
				i++
			}
			add("comment", from, i)
		case rest == "@'" || rest == `@"`:
			return nil, fmt.Errorf("line %d: a here-string", line)
		case strings.ContainsRune(singleQuotes, c):
			var b strings.Builder
			i++
			for ; ; i++ {
				if i == len(runes) || runes[i] == '\n' {
					return nil, fmt.Errorf("line %d: a string without an end", line)
				}
				if strings.ContainsRune(singleQuotes, runes[i]) {
					if i+1 < len(runes) && strings.ContainsRune(singleQuotes, runes[i+1]) {
						i++
					} else {
						break
					}
				}
				b.WriteRune(runes[i])
			}
			i++
			out = append(out, psToken{"string", b.String(), line})
		case strings.ContainsRune(doubleQuotes, c):
			from, depth := i, 0
			for i++; ; i++ {
				if i == len(runes) || runes[i] == '\n' {
					return nil, fmt.Errorf("line %d: a string without an end", line)
				}
				switch {
				case runes[i] == '$' && runes[i+1] == '(', runes[i] == '(' && depth > 0 && runes[i-1] != '$':
					depth++
				case runes[i] == ')' && depth > 0:
					depth--
				}
				if strings.ContainsRune(doubleQuotes, runes[i]) && depth == 0 {
					break
				}
			}
			i++
			add("expandable", from, i)
		case strings.ContainsRune("({[", c):
			open = append(open, closing[c])
			add("open", i, i+1)
			i++
		case strings.ContainsRune(")}]", c):
			if len(open) == 0 || open[len(open)-1] != c {
				return nil, fmt.Errorf("line %d: %c is not open", line, c)
			}
			open = open[:len(open)-1]
			add("close", i, i+1)
			i++
		case wordRune(c) || c == '$' || c == '@' || c == '\\' || c == ':':
			from := i
			for i < len(runes) && (wordRune(runes[i]) || strings.ContainsRune("$@:\\", runes[i])) {
				i++
			}
			add("word", from, i)
		case c > ' ' && c <= '~' && c != '`':
			add("sign", i, i+1)
			i++
		default:
			return nil, fmt.Errorf("line %d: the character %q", line, c)
		}
	}
	if len(open) > 0 {
		return nil, fmt.Errorf("%d brackets are open at the end", len(open))
	}
	return out, nil
}

// signatures are the parameters of the cmdlets that the scripts use, as Windows PowerShell
// 5.1 has them (desktop-5.1.14393.206-windows.json of PSScriptAnalyzer), those that we
// need.
var signatures = map[string]string{
	"Get-NetFirewallRule":                "Name Group PolicyStore Enabled Direction Action DisplayName",
	"New-NetFirewallRule":                "PolicyStore Name DisplayName Description Group Enabled Profile Direction Action EdgeTraversalPolicy LocalAddress RemoteAddress Protocol LocalPort RemotePort IcmpType Program Service InterfaceAlias InterfaceType WhatIf Confirm",
	"Remove-NetFirewallRule":             "Name InputObject PolicyStore WhatIf Confirm",
	"Set-NetFirewallRule":                "Name PolicyStore Enabled WhatIf Confirm",
	"Get-NetFirewallPortFilter":          "PolicyStore AssociatedNetFirewallRule",
	"Get-NetFirewallAddressFilter":       "PolicyStore AssociatedNetFirewallRule",
	"Get-NetFirewallApplicationFilter":   "PolicyStore AssociatedNetFirewallRule",
	"Get-NetFirewallServiceFilter":       "PolicyStore AssociatedNetFirewallRule",
	"Get-NetFirewallInterfaceTypeFilter": "PolicyStore AssociatedNetFirewallRule",
	"Get-NetFirewallInterfaceFilter":     "PolicyStore AssociatedNetFirewallRule",
	"Get-NetFirewallProfile":             "Name PolicyStore",
	"Set-NetFirewallProfile":             "Name PolicyStore DefaultOutboundAction WhatIf Confirm",
	"Get-NetTCPSetting":                  "SettingName",
	"Get-NetUDPSetting":                  "",
	"Join-Path":                          "Path ChildPath",
	"Split-Path":                         "Path Parent",
	"Test-Path":                          "Path LiteralPath PathType",
	"Get-Acl":                            "LiteralPath",
	"Set-Acl":                            "LiteralPath AclObject Confirm",
	"New-Item":                           "Path ItemType Confirm",
	"Get-Item":                           "LiteralPath",
	"Remove-Item":                        "LiteralPath Recurse Force",
	"New-Object":                         "TypeName",
	"ConvertTo-Json":                     "InputObject Depth",
	"ConvertFrom-Json":                   "InputObject",
	"Set-StrictMode":                     "Version",
	"Sort-Object":                        "Property Unique",
	"Where-Object":                       "FilterScript Property Value EQ NE",
	"ForEach-Object":                     "Process",
	"Write-Verbose":                      "Message",
	"Write-Warning":                      "Message",
}

var (
	psCommand   = regexp.MustCompile(`^[A-Z][a-z]+-[A-Z][A-Za-z]+$`)
	psParameter = regexp.MustCompile(`^-[A-Z][A-Za-z]+(:\$false)?$`)
)

// checkScript holds a script against what PowerShell 5.1 and PSScriptAnalyzer's default
// rules ask for, as far as a scanner sees it.
func checkScript(t *testing.T, name, text string) {
	tokens, err := scanPS(strings.ReplaceAll(text, "\r\n", "\n"))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	own := map[string][]string{} // functions of the script and their parameters
	for i, k := range tokens {
		if k.text == "function" {
			current := tokens[i+1].text
			own[current] = nil
			for j := i + 2; j < len(tokens) && tokens[j].text != "function"; j++ {
				// [type] $Name, in the list of parameters
				if w := tokens[j].text; tokens[j].kind == "word" && strings.HasPrefix(w, "$") && len(w) > 1 && w[1] >= 'A' && w[1] <= 'Z' && tokens[j-1].text == "]" {
					own[current] = append(own[current], w[1:])
				}
			}
		}
	}
	commands := 0
	for i := 0; i < len(tokens); i++ {
		k := tokens[i]
		for _, bad := range []string{"Invoke-Expression", "iex", "Write-Host", "Read-Host", "%", "?"} {
			if k.kind != "string" && k.kind != "comment" && strings.EqualFold(k.text, bad) {
				t.Errorf("%s:%d: %s", name, k.line, bad)
			}
		}
		if k.kind != "word" || !psCommand.MatchString(k.text) || tokens[i-1].text == "function" {
			continue
		}
		commands++
		may, known := signatures[k.text]
		params := strings.Fields(may)
		if !known {
			if params, known = own[k.text]; !known {
				t.Errorf("%s:%d: the command %s is not known", name, k.line, k.text)
				continue
			}
		}
		stops := false
		depth := 0
		for j := i + 1; j < len(tokens) && depth >= 0; j++ {
			switch next := tokens[j]; {
			case next.kind == "open":
				depth++
			case next.kind == "close":
				depth--
			case depth > 0:
			case next.kind == "end" || next.text == "|" || next.text == ";":
				depth = -1
			case next.kind == "word" && psParameter.MatchString(next.text) && !slices.Contains([]string{"-or", "-and"}, next.text):
				p, _, _ := strings.Cut(next.text[1:], ":")
				if p == "ErrorAction" {
					stops = tokens[j+1].text == "Stop"
				} else if !slices.Contains(params, p) {
					t.Errorf("%s:%d: %s has no parameter %s in 5.1", name, k.line, k.text, p)
				}
			}
		}
		if strings.Contains(k.text, "-Net") && !stops && name == "portolan.ps1" && k.text != "Invoke-Netsh" {
			t.Errorf("%s:%d: %s without -ErrorAction Stop, and a module does not see the preference of a script", name, k.line, k.text)
		}
	}
	if commands < 30 {
		t.Errorf("%s: only %d commands were looked at", name, commands)
	}
	for _, part := range strings.Split(text, "\nfunction ")[1:] {
		if strings.Contains(part, "SupportsShouldProcess") != strings.Contains(part, "$PSCmdlet.ShouldProcess(") {
			t.Errorf("%s: function %.30s says that it asks before a change, or asks, and not both", name, part)
		}
	}
}

// TestWindowsScript holds the scripts against PowerShell's grammar and cmdlets.
func TestWindowsScript(t *testing.T) {
	out, refused := proveWindows(t, windowsForms(t)[0], outboundHost())
	if refused != "" {
		t.Fatal(refused)
	}
	for _, o := range out {
		checkScript(t, o.Name, string(o.Data))
	}
}

// TestWindowsRemovesOnlyItsOwn: what removes rules is given one object each, behind the
// checks.
func TestWindowsRemovesOnlyItsOwn(t *testing.T) {
	data, err := fs.ReadFile(templates.FS, "windows.tmpl")
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	_, code, _ := strings.Cut(text, "#>\n")
	if n := len(regexp.MustCompile(`(?m)^[^#\n]*Remove-NetFirewallRule`).FindAllString(code, -1)); n != 1 {
		t.Errorf("rules are removed at %d places", n)
	}
	start, end := strings.Index(code, "function Clear-GroupRule"), strings.Index(code, "function Edit-OutboundAction")
	body := code[start:end]
	last := -1
	for _, step := range []string{"Assert-OwnName -Name $name", "$Rule.Group -cne $Group", "throw", "$PSCmdlet.ShouldProcess", "Remove-NetFirewallRule -InputObject $Rule"} {
		at := strings.Index(body, step)
		if at <= last {
			t.Errorf("%q is not there, or not behind the check before it", step)
		}
		last = at
	}
	if strings.Index(code, "Save-Journal -Journal $next") > strings.Index(code, "foreach ($entry in $loosen)") {
		t.Error("the journal is written behind the first change")
	}
	data, err = fs.ReadFile(templates.FS, "windows_netsh.tmpl")
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(data), "delete rule"); n != 1 {
		t.Errorf("the batch file deletes rules at %d places", n)
	}
}

// dataBlock is what the data block of a script says, as the scanner reads it.
func dataBlock(text string) ([]map[string][]string, error) {
	_, rest, ok := strings.Cut(text, "$Rules = @(\r\n")
	block, _, closed := strings.Cut(rest, "\r\n)\r\n")
	if !ok || !closed {
		return nil, fmt.Errorf("there is no data block")
	}
	tokens, err := scanPS(strings.ReplaceAll(block, "\r\n", "\n"))
	if err != nil {
		return nil, err
	}
	// Rule: @ { end ( word = value end )* } end. Value: string, or @ ( string , ... ).
	var out []map[string][]string
	at := 0
	is := func(kind, text string) bool {
		if at < len(tokens) && tokens[at].kind == kind && (text == "" || tokens[at].text == text) {
			at++
			return true
		}
		return false
	}
	for at < len(tokens) {
		if is("end", "") {
			continue
		}
		if !is("word", "@") || !is("open", "{") || !is("end", "") {
			return nil, fmt.Errorf("line %d: not a rule", tokens[at].line)
		}
		rule := map[string][]string{}
		for !is("close", "}") {
			if at+2 >= len(tokens) {
				return nil, fmt.Errorf("a rule without an end")
			}
			key := tokens[at].text
			if !is("word", "") || !is("sign", "=") || rule[key] != nil {
				return nil, fmt.Errorf("line %d: not a field", tokens[at].line)
			}
			isList := is("word", "@") && is("open", "(")
			for more := true; more; more = isList && is("sign", ",") {
				if !is("string", "") {
					return nil, fmt.Errorf("line %d: not a string", tokens[at].line)
				}
				rule[key] = append(rule[key], tokens[at-1].text)
			}
			if isList && !is("close", ")") || !is("end", "") {
				return nil, fmt.Errorf("line %d: more than a value", tokens[at].line)
			}
		}
		out = append(out, rule)
	}
	return out, nil
}

// FuzzWindowsText: whatever a configuration writes into names, comments and names of
// files, PowerShell reads from the data block what was meant.
func FuzzWindowsText(f *testing.F) {
	for _, s := range nasty {
		f.Add(s)
	}
	f.Add("'\u2019; Remove-Item x #")
	f.Add("''' @( ${x} )")
	f.Fuzz(func(t *testing.T, s string) {
		rs := plainHost()
		rs.Files = []string{s, "#>" + s}
		for i := range rs.Input.Rules {
			rs.Input.Rules[i].Name, rs.Input.Rules[i].Comment = s, s
		}
		out, refused := proveWindows(t, windowsForms(t)[0], rs)
		if refused != "" {
			t.Fatal(refused)
		}
		rules, err := dataBlock(string(out[0].Data))
		if err != nil {
			t.Fatal(err)
		}
		file := windowsFile(&job{backend: "windows", rs: rs})
		if len(rules) != len(file.Rules) {
			t.Fatalf("%d rules, want %d", len(rules), len(file.Rules))
		}
		for i, r := range file.Rules {
			for key, want := range map[string]string{"Name": r.Name, "DisplayName": r.DisplayName, "Description": r.Description} {
				if got := rules[i][key]; len(got) != 1 || got[0] != printable(want, "|", 4000) {
					t.Errorf("%s is %q, want %q", key, got, want)
				}
			}
		}
		for _, form := range windowsForms(t)[1:] {
			if _, refused := proveWindows(t, form, rs); refused != "" {
				t.Errorf("%s: %s", form.Name, refused)
			}
		}
		if r := cmdRemark(s); strings.ContainsAny(r, `%^&|<>!"?()`) || !harmless(r) {
			t.Errorf("%q is the remark %q", s, r)
		}
		if text, rest := regString(s), ""; !harmless(text) || strings.Contains(strings.NewReplacer(`\\`, "", `\"`, "").Replace(text[1:len(text)-1]), `"`) {
			t.Errorf("%q is the value %s%s", s, text, rest)
		}
	})
}

// TestScannerSeesInjection: the scanner takes PowerShell's other quotes for quotes.
func TestScannerSeesInjection(t *testing.T) {
	for text, ok := range map[string]bool{
		"$Rules = @(\r\n@{\r\nName = 'a'\r\n}\r\n)\r\n":                                  true,
		"$Rules = @(\r\n@{\r\nName = 'a''b'\r\n}\r\n)\r\n":                               true,
		"$Rules = @(\r\n@{\r\nName = 'a\u2019; Remove-Item x; \u2018'\r\n}\r\n)\r\n":     false,
		"$Rules = @(\r\n@{\r\nName = 'a'; Remove-Item x\r\n}\r\n)\r\n":                   false,
		"$Rules = @(\r\n@{\r\nName = \"$(x)\"\r\n}\r\n)\r\n":                             false,
		"$Rules = @(\r\n@{\r\nName = 'a\r\n}\r\n)\r\n":                                   false,
		"$Rules = @(\r\n@{\r\nName = @'\r\na\r\n'@\r\n}\r\n)\r\n":                        false,
		"$Rules = @(\r\n@{\r\nName = 'a'\r\nName = 'b'\r\n}\r\n)\r\n":                    false,
		"$Rules = @(\r\n@{\r\nLocalPort = @('1', '2')\r\nProtocol = 'TCP'\r\n}\r\n)\r\n": true,
		"$Rules = @(\r\n@{\r\nLocalPort = @('1',, '2')\r\n}\r\n)\r\n":                    false,
	} {
		if _, err := dataBlock(text); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestWindowsTemplatesPrintOnlyQuotedValues is for the templates beside the first one.
func TestWindowsTemplatesPrintOnlyQuotedValues(t *testing.T) {
	for name, funcs := range map[string]template.FuncMap{
		"windows_netsh.tmpl": netshQuoting(), "windows_gpo.tmpl": gpoQuoting(), "windows_gpo_outbound.tmpl": gpoQuoting(), "windows_pester.tmpl": psQuoting(),
	} {
		bare, _ := quoted.Bare(parsed(name, funcs), funcs)
		for _, b := range bare {
			t.Errorf("%s prints %s without a quoting function", name, b)
		}
	}
}

// TestWindowsFormsMutation changes one word of a text at a time, and leaves out one line:
// each change is an error, or gives a counterexample.
func TestWindowsFormsMutation(t *testing.T) {
	rs := outboundHost()
	swaps := map[string][][2]string{
		"portolan.ps1": {{"'22'", "'23'"}, {"'5060'", "'5061'"}, {"'25000-25399'", "'25000-25398'"}, {"'10.20.0.0/16'", "'10.21.0.0/16'"},
			{"'10.20.0.0/16', ", ""}, {"'TCP'", "'UDP'"}, {"'8'", "'9'"}, {"'Inbound'", "'Outbound'"}, {"'Outbound'", "'Inbound'"}, {"'123'", "'124'"},
			{"LocalPort ", "RemotePort"}, {"RemotePort", "LocalPort "}, {"'Block'", "'Allow'"}, {"'2001:db8:1::/48'", "'2001:db8:2::/48'"}, {"'Allow'", "'Block'"}},
		"portolan.cmd": {{"localport=22 ", "localport=23 "}, {"=5060 ", "=5061 "}, {"25000-25399", "25000-25398"}, {"10.20.0.0/16", "10.21.0.0/16"},
			{"10.20.0.0/16,", ""}, {"protocol=tcp", "protocol=udp"}, {":8,any", ":9,any"}, {"dir=in", "dir=out"}, {"dir=out", "dir=in"}, {"=123", "=124"},
			{"localport=", "remoteport="}, {"remoteport=", "localport="}, {"action=allow", "action=block"}, {`OUTBOUND=block"`, `OUTBOUND=allow"`}, {"enable=yes", "enable=no"}},
		"portolan.reg": {{"LPort=22|", "LPort=23|"}, {"Port=5060|", "Port=5061|"}, {"25000-25399|", "25000-25398|"}, {"RA4=10.20.0.0/255.255.0.0", "RA4=10.21.0.0/255.255.0.0"},
			{"RA4=10.20.0.0/255.255.0.0|", ""}, {"RA4=10.20.0.0/255.255.0.0", "RA4=10.20.0.0/255.254.0.0"}, {"Protocol=6|", "Protocol=17|"}, {"ICMP4=8:*|", "ICMP4=9:*|"}, {"ICMP4=8:*|", ""},
			{"Dir=In", "Dir=Out"}, {"Dir=Out", "Dir=In"}, {"Port=123|", "Port=124|"}, {"|LPort", "|RPort"}, {"|RPort", "|LPort"}, {"Action=Allow", "Action=Block"},
			{"outbound: block", "outbound: allow"}, {"Active=TRUE", "Active=FALSE"}},
	}
	for _, form := range windowsForms(t) {
		out, refused := proveWindows(t, form, rs)
		if refused != "" {
			t.Fatal(refused)
		}
		o := out[0]
		lines := strings.SplitAfter(string(o.Data), "\n")
		tried := 0
		try := func(at int, what, line string) {
			tried++
			changed := slices.Clone(lines)
			changed[at] = line
			back, err := readBack("windows", []Output{{Name: o.Name, Data: []byte(strings.Join(changed, ""))}})
			if err == nil && ruleset.Equivalent(rs, back) == nil {
				t.Errorf("%s:%d: %s makes no difference: %s", o.Name, at+1, what, lines[at])
			}
		}
		for at, line := range lines {
			if l := strings.TrimSpace(line); l == "" || strings.HasPrefix(l, "# ") || strings.HasPrefix(l, "rem ") || l == "rem" || l[0] == ';' && !strings.HasPrefix(l, "; outbound") ||
				strings.HasPrefix(l, "Description ") || strings.HasPrefix(l, "DisplayName ") || regexp.MustCompile(`^'(TCP|UDP) `).MatchString(l) {
				continue
			}
			for _, s := range swaps[o.Name] {
				if changed := strings.Replace(line, s[0], s[1], 1); changed != line {
					try(at, s[0]+" to "+s[1], changed)
				}
			}
			if o.Name != "portolan.ps1" || at%7 == 0 {
				try(at, "leaving out the line", "")
			}
		}
		if tried < 60 {
			t.Errorf("%s: only %d changes were tried", o.Name, tried)
		}
	}
}

// TestNetshLines: long lists are cut into lines that cmd.exe takes, and too many of them
// are refused.
func TestNetshLines(t *testing.T) {
	rs := plainHost()
	var ports []port.Range
	for i := range 700 {
		ports = append(ports, port.Single(uint16(10000+2*i)))
	}
	big := service("big", "", port.TCP, "1", many(100).Input.Rules[20].Match.Peers)
	big.Match.Ports, big.Match.SourcePorts = port.Of(ports...), port.Of(ports[:260]...)
	rs.Input.Rules = append(rs.Input.Rules, big)
	out, refused := proveWindows(t, windowsForms(t)[1], rs)
	if refused != "" {
		t.Fatal(refused)
	}
	longest := 0
	for line := range strings.Lines(string(out[0].Data)) {
		longest = max(longest, len(line))
	}
	if longest > 8191 || longest < 1500 {
		t.Errorf("the longest line has %d bytes", longest)
	}
	for i := range 800 {
		one := big
		one.Name, one.Match.Peers = fmt.Sprintf("big%d", i), sources(fmt.Sprintf("10.%d.%d.0/24", i/100, i%100))
		rs.Input.Rules = append(rs.Input.Rules, one)
	}
	if _, findings, err := windowsForms(t)[1].Files(rs, testHeader); err != nil || len(findings) != 1 || !strings.Contains(findings[0].Help, "powershell") {
		t.Errorf("%v %v", findings, err)
	}
}
