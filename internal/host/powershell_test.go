package host

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"portolan/internal/port"
	"portolan/internal/source"
)

// udpJSON is what Windows PowerShell 5.1 writes for Get-NetUDPSetting, shortened.
const udpJSON = `{
    "Caption":  null,
    "Description":  null,
    "ElementName":  null,
    "InstanceID":  "UDP",
    "PolicyKeywords":  null,
    "DynamicPortRangeNumberOfPorts":  59530,
    "DynamicPortRangeStartPort":  6005,
    "PSComputerName":  null,
    "CimClass":  {
                     "CimSuperClassName":  "MSFT_NetTransportSetting",
                     "CimClassProperties":  "Caption Description DynamicPortRangeNumberOfPorts DynamicPortRangeStartPort",
                     "CimSystemProperties":  "Microsoft.Management.Infrastructure.CimSystemProperties"
                 },
    "CimInstanceProperties":  [
                                  "DynamicPortRangeNumberOfPorts = 59530",
                                  "DynamicPortRangeStartPort = 6005"
                              ],
    "CimSystemProperties":  {
                                "Namespace":  "ROOT/StandardCimv2",
                                "ServerName":  "IVR",
                                "ClassName":  "MSFT_NetUDPSetting",
                                "Path":  null
                            }
}
`

const tcpJSON = `[
  {
    "SettingName": "Automatic",
    "DynamicPortRangeStartPort": null,
    "DynamicPortRangeNumberOfPorts": null,
    "AutoReusePortRangeStartPort": null,
    "AutoReusePortRangeNumberOfPorts": null
  },
  {
    "SettingName": "Internet",
    "DynamicPortRangeStartPort": 49152,
    "DynamicPortRangeNumberOfPorts": 16384,
    "AutoReusePortRangeStartPort": 10000,
    "AutoReusePortRangeNumberOfPorts": 50000
  },
  {
    "SettingName": "Datacenter",
    "DynamicPortRangeStartPort": 1024,
    "DynamicPortRangeNumberOfPorts": 64511,
    "AutoReusePortRangeStartPort": 0,
    "AutoReusePortRangeNumberOfPorts": 0
  }
]
`

const tcpList = `
SettingName                     : Internet
MinRto(ms)                      : 300
DynamicPortRangeStartPort       : 49152
DynamicPortRangeNumberOfPorts   : 16384
AutoReusePortRangeStartPort     : 0
AutoReusePortRangeNumberOfPorts : 0

SettingName                     : InternetCustom
MinRto(ms)                      : 300
DynamicPortRangeStartPort       : 20000
DynamicPortRangeNumberOfPorts   : 1000
AutoReusePortRangeStartPort     : 50000
AutoReusePortRangeNumberOfPorts : 50

`

func TestParsePowerShell(t *testing.T) {
	for name, test := range map[string]struct {
		file, text string
		want       []string
		diags      string
	}{
		"UDP of Windows PowerShell":              {"x", udpJSON, []string{"udp 6005-65534 line 8"}, ""},
		"the same as it is redirected":           {"x", utf16le(strings.ReplaceAll(udpJSON, "\n", "\r\n")), []string{"udp 6005-65534 line 8"}, ""},
		"TCP, a list of profiles":                {"x", tcpJSON, []string{"tcp Internet 49152-65535 line 11", "tcp Datacenter 1024-65534 line 18", "reuse tcp Internet 10000-59999 line 13"}, ""},
		"compressed":                             {"x", `{"SettingName":"Internet","DynamicPortRangeStartPort":49152,"DynamicPortRangeNumberOfPorts":16384}`, []string{"tcp Internet 49152-65535 line 1"}, ""},
		"a list in an object":                    {"x", `{"value":` + tcpJSON + `,"Count":3}`, []string{"tcp Internet 49152-65535 line 11", "tcp Datacenter 1024-65534 line 18", "reuse tcp Internet 10000-59999 line 13"}, ""},
		"two properties, protocol of the name":   {"udp.json", `{"DynamicPortRangeStartPort": 6005, "DynamicPortRangeNumberOfPorts": 59530}`, []string{"udp 6005-65534 line 1"}, ""},
		"two properties, name of the command":    {"Get-NetTCPSetting.json", `{"DynamicPortRangeStartPort": "1024", "DynamicPortRangeNumberOfPorts": "64511"}`, []string{"tcp 1024-65534 line 1"}, ""},
		"a transcript":                           {"x", "PS C:\\> Get-NetUDPSetting | select Dyn* | ConvertTo-Json\n{\n \"DynamicPortRangeStartPort\": 2000,\n \"DynamicPortRangeNumberOfPorts\": 10\n}\nPS C:\\> Get-NetTCPSetting | ConvertTo-Json\n" + tcpJSON, []string{"udp 2000-2009 line 3", "tcp Internet 49152-65535 line 17", "tcp Datacenter 1024-65534 line 24", "reuse tcp Internet 10000-59999 line 19"}, ""},
		"a list of properties":                   {"x", tcpList, []string{"tcp Internet 49152-65535 line 4", "tcp InternetCustom 20000-20999 line 11", "reuse tcp InternetCustom 50000-50049 line 13"}, ""},
		"a list of UDP":                          {"x", "PS C:\\> Get-NetUDPSetting\r\n\r\nDynamicPortRangeStartPort     : 49152\r\nDynamicPortRangeNumberOfPorts : 16384\r\n", []string{"udp 49152-65535 line 3"}, ""},
		"two lists without a blank line between": {"udp", strings.Repeat("DynamicPortRangeStartPort: 2000\nDynamicPortRangeNumberOfPorts: 5\n", 2), []string{"udp 2000-2004 line 1", "udp 2000-2004 line 3"}, ""},
		"broken JSON, then a list":               {"x", "{\n{{\n[[[\n\"DynamicPortRangeStartPort\": 5\n\n" + tcpList, []string{"tcp Internet 49152-65535 line 9", "tcp InternetCustom 20000-20999 line 16", "reuse tcp InternetCustom 50000-50049 line 18"}, ""},
		"no protocol": {"x", `{"DynamicPortRangeStartPort": 6005, "DynamicPortRangeNumberOfPorts": 59530}`, nil,
			"broken-fact warning x:1: nothing says whether these ports are of tcp or of udp, so they are ignored"},
		"past the end": {"udp", `{"DynamicPortRangeStartPort": 6005, "DynamicPortRangeNumberOfPorts": 65000}`, nil,
			"broken-fact warning udp:1: 65000 ports from port 6005 on are not a range within 1 to 65535"},
		"a start without a count": {"udp", "\nDynamicPortRangeStartPort : 6005\n", nil,
			"broken-fact warning udp:2: 0 ports from port 6005 on are not a range within 1 to 65535"},
		"a number that is none": {"udp", `{"DynamicPortRangeStartPort": 99999, "DynamicPortRangeNumberOfPorts": 1}`, nil,
			"broken-fact warning udp:1: 1 ports from port more than 65535 on are not a range within 1 to 65535"},
	} {
		t.Run(name, func(t *testing.T) {
			c, diags := ParseCapture(source.New(test.file, []byte(test.text)))
			var got []string
			for _, d := range c.Dynamic {
				got = append(got, ranged("", d))
			}
			for _, d := range c.Reuse {
				got = append(got, ranged("reuse ", d))
			}
			if diff := cmp.Diff(test.want, got); diff != "" || !c.PowerShell {
				t.Errorf("PowerShell %v (-want +got)\n%s", c.PowerShell, diff)
			}
			if diff := cmp.Diff(test.diags, told(diags)); diff != "" {
				t.Errorf("findings (-want +got)\n%s", diff)
			}
		})
	}
}

func ranged(kind string, d DynamicRange) string {
	profile := ""
	if d.Profile != "" {
		profile = d.Profile + " "
	}
	return fmt.Sprintf("%s%s %s%s line %d", kind, d.Proto, profile, d.Ports, d.Span.Position().Line)
}

// TestParsePowerShellIsLinear feeds what would cost the square of its size if every line
// were tried as the begin of a text of JSON.
func TestParsePowerShellIsLinear(t *testing.T) {
	for _, line := range []string{"[\n", "{\n", "[{\"a\":\n", "DynamicPortRangeStartPort : 1\n"} {
		text := "PortRange\n" + strings.Repeat(line, 200_000)
		_, diags := parsePowerShell(source.New("x", []byte(text)))
		if len(diags) > maxFindings+1 {
			t.Errorf("%q: %d findings", line, len(diags))
		}
	}
}

// TestPowerShellOfPrint is the law that a range is read as what it is, in JSON and in a
// list.
func TestPowerShellOfPrint(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		first := rapid.IntRange(1, port.Max).Draw(t, "first")
		end := rapid.IntRange(first, port.Max).Draw(t, "last")
		form := rapid.SampledFrom([]string{
			"{\"DynamicPortRangeNumberOfPorts\": %[2]d, \"x\": [{}, {\"y\": 1}], \"DynamicPortRangeStartPort\": %[1]d, \"ClassName\": \"MSFT_NetUDPSetting\"}",
			"Get-NetUDPSetting\n\nDynamicPortRangeStartPort     : %d\nDynamicPortRangeNumberOfPorts : %d\n",
		}).Draw(t, "form")
		encode := rapid.SampledFrom([]func(string) string{func(s string) string { return s }, utf16le}).Draw(t, "encoding")
		text := fmt.Sprintf(form, first, end-first+1)
		c, diags := ParseCapture(source.New("x", []byte(encode(text))))
		want := port.Range{First: uint16(first), Last: uint16(end)}
		if len(diags) > 0 || len(c.Dynamic) != 1 || c.Dynamic[0].Ports != want || c.Dynamic[0].Proto != port.UDP {
			t.Fatalf("%q: %v %v", text, c.Dynamic, told(diags))
		}
	})
}
