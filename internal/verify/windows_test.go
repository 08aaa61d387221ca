package verify

import (
	"strings"
	"testing"
	"unicode/utf16"

	"portolan/internal/port"
	"portolan/internal/ruleset"
	"portolan/internal/source"
)

func TestWindowsRefuses(t *testing.T) {
	text := golden(t, "portolan.ps1")[0]
	if _, err := ParseWindows(source.New("p.ps1", []byte(text))); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ old, new, words string }{
		{"'554'", "'554-553'", "port"},
		{"'554'", "'5 54'", "port"},
		{"'554'", "'RPC'", "port"},
		{"'554'", "'554' + '555'", "plain strings"},
		{"'554'", "$x", "plain strings"},
		{"'554'", "'554\u2019'", "printable"},
		{"'10.20.0.0/16'", "'10.20.0.1/16'", "address"},
		{"'10.20.0.0/16'", "'0.0.0.0/0'", "address"},
		{"'10.20.0.0/16'", "'10.20.0.1/32'", "address"},
		{"'10.20.0.0/16'", "'::/3'", "address"},
		{"'10.20.0.0/16'", "'LocalSubnet'", "address"},
		{"'TCP'", "'ALL'", "protocol"},
		{"'TCP'", "'ICMPv4'", "port"},
		{"'PL-speech", "'speech", "name"},
		{"Protocol      =", "Program       =", "not known"},
		{"Protocol      = 'TCP'", "Protocol      = 'tcp'", "protocol"},
		{"'Inbound'", "'Outbound'", "everything leaves"},
		{"'Inbound'", "'Both'", "direction"},
		{"Direction     = 'Inbound'", "", "not a field"},
		{"$Outbound = 'Allow'", "$Outbound = $Allow", "what leaves"},
		{"'TCP 20000-24999'", "'TCP 20000-25000'", "no rule lets in"},
		{"'TCP 20000-24999'", "'TCP 20000-24999', 'x'", "range of ports"},
		{"$count $word", "$count  $word", "code around"},
		{"    $null = New-NetFirewallRule @values -Confirm:$false", "    $null = New-NetFirewallRule @values", "code around"},
		{"#Requires -Version 5.1", "#Requires -Version 7", "code around"},
		{"# policy: ", "#\rRemove-Item x #", "printable"},
	} {
		changed := strings.Replace(text, c.old, c.new, 1)
		if changed == text {
			t.Fatalf("%q is not in the text", c.old)
		}
		_, err := ParseWindows(source.New("p.ps1", []byte(changed)))
		if err == nil || !strings.Contains(err.Error(), c.words) || !strings.HasPrefix(err.Error(), "p.ps1") {
			t.Errorf("%q for %q: %v, want words about %q", c.new, c.old, err, c.words)
		}
	}
}

// FuzzWindows changes the data block only: every other change is refused by the hash.
func FuzzWindows(f *testing.F) {
	const open, shut = "$Rules = @(\r\n", "\r\n)\r\n"
	script := golden(f, "portolan.ps1")[0]
	before, rest, found := strings.Cut(script, open)
	data, after, closed := strings.Cut(rest, shut)
	if !found || !closed {
		f.Fatal("there is no data block")
	}
	f.Add(data)
	f.Add(data[:strings.Index(data, "}")+1])
	f.Add("    @{\r\n        Name = 'PL-x-0123456789ab'\r\n        DisplayName = 'x'\r\n        Description = 'x'\r\n        Direction = 'Inbound'\r\n        Protocol = '47'\r\n        RemoteAddress = @('::2-::9', '10.0.0.1')\r\n    }")
	f.Fuzz(func(t *testing.T, data string) {
		file := source.New("f", []byte(before+open+data+shut+after))
		rs, err := ParseWindows(file)
		checkFuzzed(t, rs, err)
	})
}

// TestWindowsCertificate: comment lines behind the code are not part of it, whatever they
// say; anything else is.
func TestWindowsCertificate(t *testing.T) {
	for name, comment := range map[string]string{"portolan.ps1": "# ", "portolan.cmd": "rem ", "portolan.reg": "; "} {
		text := golden(t, name)[0]
		for _, c := range []struct {
			behind string
			ok     bool
		}{
			{comment + "SIG\r\n" + comment + "SIG # MIIgVQYJKoZIhvcNAQcCoIIgRjCCIEICAQExDzANBglghkgB+/=\r\n", true},
			{"\r\n" + comment + "proved\r\n", true},
			{comment + "x\r\ndel x\r\n", false},
			{comment + "\u2019\r\n", false},
		} {
			_, err := Read("windows", []*source.File{source.New("f", []byte(text+c.behind))})
			if (err == nil) != c.ok {
				t.Errorf("%s with %q behind it: %v", name, c.behind, err)
			}
		}
		if f := source.New("f", []byte(text)); Detect(f) != "windows" {
			t.Errorf("%s is not seen to be for Windows", name)
		}
	}
}

// refuses holds that each change of a text that is read is an error about the given words.
func refuses(t *testing.T, text string, cases [][3]string) {
	t.Helper()
	for _, c := range cases {
		changed := strings.Replace(text, c[0], c[1], 1)
		if changed == text {
			t.Fatalf("%q is not in the text", c[0])
		}
		rs, err := Read("windows", []*source.File{source.New("f.txt", []byte(changed))})
		if err == nil || rs != nil || !strings.Contains(err.Error(), c[2]) || !strings.HasPrefix(err.Error(), "f.txt") {
			t.Errorf("%q for %q: %v, want words about %q", c[1], c[0], err, c[2])
		}
	}
}

func TestNetshRefuses(t *testing.T) {
	text := golden(t, "portolan.cmd")[1]
	refuses(t, text, [][3]string{
		{"localport=554", "localport=554-553", "port"},
		{"localport=554", "localport=RPC", "port"},
		{"localport=554", "localport=any", "port"},
		{"localport=554", "localport=", "port"},
		{"localport=554", "localport=554 edge=yes", "remoteip"},
		{"localport=554", "program=x localport=554", "remoteip"},
		{"localport=554", "localport=%x%", "not a rule"},
		{"localport=554", "localport=^554", "not a rule"},
		{"action=allow", "action=block", "allow"},
		{"action=allow", "action=bypass", "allow"},
		{"dir=in action", "action", "allow"},
		{"dir=in", "dir=out", "everything leaves"},
		{"protocol=tcp localport", "protocol=all localport", "protocol"},
		{"protocol=tcp localport", "protocol=47 localport", "port"},
		{"icmpv4:8,any", "icmpv4:8", "code"},
		{"icmpv4:8,any", "icmpv4:8,0", "code"},
		{"remoteip=10.20.0.0/16", "remoteip=0.0.0.0/0", "address"},
		{"remoteip=10.20.0.0/16", "remoteip=localsubnet", "address"},
		{"remoteip=10.20.0.0/16", "remoteip=any", "address"},
		{"profile=any", "profile=domain", "every profile"},
		{"enable=yes", "enable=no", "every profile"},
		{"call :%1 PL-speech-", "call :%1 all-", "name"},
		{"call :%1 PL-speech-", "call :clear PL-speech-", "not a rule"},
		{"PL_OUTBOUND=allow", "PL_OUTBOUND=maybe", "what leaves"},
		{"rem policy: ", "rem policy: %~ ", "remark"},
		{"rem policy: ", "rem policy: /? ", "remark"},
		{"delete rule name=\"%~1\"", "delete rule name=all", "code around"},
		{"@echo off\r\nsetlocal", "@echo off\r\nrem x\r\nsetlocal x", "code around"},
	})
}

func TestRegistryRefuses(t *testing.T) {
	text := golden(t, "portolan.reg")[1]
	refuses(t, text, [][3]string{
		{"REGEDIT4", "REGEDIT5", "not a script"},
		{"; outbound: allow", "; outbound: maybe", "what leaves"},
		{"; outbound: allow", "; x", "outbound"},
		{"[HKEY_LOCAL_MACHINE", "[-HKEY_LOCAL_MACHINE", "key"},
		{"SOFTWARE\\Policies", "SYSTEM\\Policies", "key"},
		{"LPort=554|", "LPort=554-555|", "port"},
		{"LPort=554|", "LPort2_10=554|", "port"},
		{"LPort=554|", "LPort=65536|", "port"},
		{"LPort=554|", "LPort=RPC|", "port"},
		{"LPort=554|", "LPort=554|Profile=Domain|", "not known"},
		{"LPort=554|", "LPort=554|App=x|", "not known"},
		{"LPort=554|", "LPort=554", "port"},
		{"Action=Allow", "Action=Block", "Action"},
		{"Active=TRUE", "Active=FALSE", "Active"},
		{"Active=TRUE|", "", "Active"},
		{"Dir=In|", "", "direction"},
		{"Dir=In|", "Dir=In|Dir=Out|", "twice"},
		{"Dir=In|", "Dir=Out|", "everything leaves"},
		{"Protocol=6|", "Protocol=256|", "protocol"},
		{"Protocol=6|LPort=554", "Protocol=47|LPort=554", "port"},
		{"ICMP4=8:*", "ICMP4=8:0", "type"},
		{"ICMP4=8:*", "ICMP6=8:*", "type"},
		{"RA4=10.20.0.0/255.255.0.0", "RA4=10.20.0.0/0.0.0.0", "address"},
		{"RA4=10.20.0.0/255.255.0.0", "RA4=10.20.0.0/255.255.255.255", "address"},
		{"RA4=10.20.0.0/255.255.0.0", "RA4=10.20.0.0/255.0.255.0", "address"},
		{"RA4=10.20.0.0/255.255.0.0", "RA4=10.20.0.1/255.255.0.0", "address"},
		{"RA4=10.20.0.0/255.255.0.0", "RA6=10.20.0.0/16", "address"},
		{"EmbedCtxt=Portolan|", "", "EmbedCtxt"},
		{"EmbedCtxt=Portolan|", "EmbedCtxt=Other|", "EmbedCtxt"},
		{"v2.10|", "v2.11|", "version"},
		{"v2.10|", "v3.10|", "version"},
		{"|Name=Portolan", "|Name=@Portolan", "does not take"},
		{"\"PL-speech", "\"speech", "name"},
		{"=\"v2.10|", "=dword:00000001\r\n\"v2.10|", "string"},
		{"=\"v2.10|", "=\"v2.10\\n|", "string"},
	})
}

// TestRegistryOfHost: what reg export and reg query say of a host is read as far as it is
// ours.
func TestRegistryOfHost(t *testing.T) {
	const ours = `v2.31|Action=Allow|Active=TRUE|Dir=In|Protocol=17|LPort2_10=25000-25399|LPort=5060|RA4=10.20.0.0/255.255.0.0|Name=Portolan speech (UDP)|Desc=a "b" \ c|EmbedCtxt=Portolan|`
	const other = `v2.31|Action=Block|Active=TRUE|Dir=In|App=C:\x.exe|Name=über|EmbedCtxt=Other|`
	escape := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace
	export := "Windows Registry Editor Version 5.00\r\n\r\n[" + hostKey + "]\r\n\"PL-speech-0123456789ab\"=\"" + escape(ours) + "\"\r\n\"{1}\"=\"" + escape(other) + "\"\r\n"
	query := "\r\n" + hostKey + "\r\n    PL-speech-0123456789ab    REG_SZ    " + ours + "\r\n    {1}    REG_SZ    " + other + "\r\n\r\n"
	wide := []byte{0xff, 0xfe}
	for _, u := range utf16.Encode([]rune(export)) {
		wide = append(wide, byte(u), byte(u>>8))
	}
	for _, text := range []string{export, query, string(wide)} {
		f := source.New("f", []byte(text))
		rs, err := Read(Detect(f), []*source.File{f})
		if err != nil {
			t.Fatal(err)
		}
		for to, want := range map[uint16]ruleset.Verdict{25000: ruleset.Accept, 5060: ruleset.Accept, 5061: ruleset.Drop} {
			if got := rs.Decide(packet("10.20.0.9", port.UDP, to)).Verdict(); got != want {
				t.Errorf("port %d: %s, want %s", to, got, want)
			}
		}
	}
	refuses(t, export, [][3]string{
		{"Dir=In|Protocol=17", "Dir=In|Profile=Domain|Protocol=17", "not known"},
		{"Active=TRUE|Dir=In|Protocol=17", "Active=FALSE|Dir=In|Protocol=17", "Active"},
		{"Version 5.00", "Version 6.00", "beginning"},
	})
}

// FuzzNetsh changes the rules only: every other change is refused by the hash.
func FuzzNetsh(f *testing.F) {
	text := golden(f, "portolan.cmd")[0]
	before, rest, _ := strings.Cut(text, ":rules\r\n")
	rules, after, ok := strings.Cut(rest, "exit /b 0")
	if !ok {
		f.Fatal("there are no rules")
	}
	f.Add(rules)
	f.Add("call :%1 PL-x-0123456789ab \"dir=in action=allow protocol=47 remoteip=::2-::9,10.0.0.1 profile=any enable=yes\"\r\n")
	f.Fuzz(func(t *testing.T, rules string) {
		rs, err := ParseNetsh(source.New("f", []byte(before+":rules\r\n"+rules+"exit /b 0"+after)))
		checkFuzzed(t, rs, err)
	})
}

func FuzzRegistry(f *testing.F) {
	for _, text := range golden(f, "portolan.reg") {
		f.Add([]byte(text))
	}
	f.Add([]byte("\xff\xfeW\x00"))
	f.Fuzz(func(t *testing.T, text []byte) {
		rs, err := ParseWindowsRegistry(source.New("f", text))
		checkFuzzed(t, rs, err)
	})
}
