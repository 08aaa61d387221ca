package host

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"portolan/internal/port"
	"portolan/internal/source"
)

const servicesText = "# Network services\ntcpmux\t\t1/tcp\t\t\t\t# TCP port service multiplexer\n" +
	"sip-tls\t5061/tcp\nsip\t5060/tcp\t# SIP\nsip\t5060/udp\nother 5060/udp\nsctp 9/sctp\nzero 0/tcp\nbig 65536/tcp\nnone\n\n#x 7/tcp\n"

func TestParseServices(t *testing.T) {
	var got []string
	for _, n := range ParseServices(source.New("s", []byte(servicesText))) {
		got = append(got, fmt.Sprintf("%d/%s %s %s", n.Port, n.Proto, n.Name, n.From))
	}
	want := []string{"1/tcp tcpmux s:2", "5060/tcp sip s:4", "5060/udp sip s:5", "5061/tcp sip-tls s:3"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	list := ParseServices(source.New("s", []byte(strings.Repeat("a 1/tcp\n", 10)+strings.Repeat("b 2/tcp\n", maxNames))))
	if len(list) != 2 {
		t.Errorf("%d names", len(list))
	}
}

func TestNamedPorts(t *testing.T) {
	facts, _, err := Load(tree(map[string]string{"etc/services": servicesText}), shipped(t))
	if err != nil {
		t.Fatal(err)
	}
	if named := facts.NamedPorts(); !named.Contains(5061) || named.Contains(5062) {
		t.Errorf("%s", named)
	}
	if !slices.Contains(facts.Names, PortName{port.UDP, 5060, "sip", "etc/services:5"}) {
		t.Errorf("%+v", facts.Names)
	}
	windows, _, err := Load(tree(map[string]string{"c/Windows/System32/drivers/etc/services": servicesText}), shipped(t))
	if err != nil || !windows.NamedPorts().Contains(1) {
		t.Errorf("Windows: %v %v", windows.Names, err)
	}
}

func FuzzParseServices(f *testing.F) {
	f.Add([]byte(servicesText))
	f.Fuzz(func(t *testing.T, raw []byte) {
		facts := Facts{Names: ParseServices(source.New("s", raw))}
		for _, n := range facts.Names {
			if n.Port == 0 || n.Name == "" || strings.ContainsAny(n.Name, " \n#") {
				t.Fatalf("%+v", n)
			}
			if !facts.NamedPorts().Contains(n.Port) {
				t.Fatalf("%+v is not found", n)
			}
		}
	})
}
