package conf

import (
	"os"
	"path/filepath"
	"testing"

	"portolan/internal/source"
)

func TestOMEVariables(t *testing.T) {
	for text, want := range map[string]string{
		"${env:A_PORT:1935}":                   "1935",
		"${env:IP:*}:${env:A:11000-11004/udp}": "*:11000-11004/udp",
		"${env:A:1,2,3/udp}":                   "1,2,3/udp",
		"${env:A}":                             "${env:A}",
		"${env:HOST:}:${env:A:9000}/":          ":9000/",
		"${env:A:}":                            "${env:A:}",
		"${env:HOSTNAME:x}:1":                  "${env:HOSTNAME:x}:1",
		"${PublicIP}:1":                        "${PublicIP}:1",
		"${env:A:${env:B:2}}":                  "${env:B:2}", // the first brace ends it, and one is left
		"plain":                                "plain",
	} {
		doc, diags, err := Parse("ome-xml", source.New("Server.xml", []byte("<Server>\n<Port at=\""+text+"\">"+text+"</Port></Server>")), nil)
		if err != nil || len(diags) > 0 {
			t.Fatal(err, diags)
		}
		port := doc.Root.Children[0].Children[0]
		if port.Value != want || port.Children[0].Value != want || port.ValueSpan.Position().Line != 2 {
			t.Errorf("%s: %q and %q, want %q", text, port.Value, port.Children[0].Value, want)
		}
	}
}

func FuzzOME(f *testing.F) {
	root, names := xmlCorpus(f, "ovenmediaengine")
	for _, name := range names {
		if text, err := os.ReadFile(filepath.Join(root, name)); err == nil && len(text) < 20_000 {
			f.Add(text)
		}
	}
	f.Add([]byte("<Server><Bind><Port>${env:A:${env:B:1-2}}</Port><Port x='${env:C:3}'>${env:</Port></Bind></Server>"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		doc, diags, err := Parse("ome-xml", source.New("f.xml", raw), nil)
		if err != nil {
			t.Fatal(err)
		}
		if xmlCheck(t, doc) > MaxNodes {
			t.Fatal("too many nodes")
		}
		xmlFinished(t, diags)
	})
}
