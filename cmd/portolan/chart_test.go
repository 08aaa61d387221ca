package main

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"

	"portolan/internal/catalog"
	"portolan/internal/host"
	"portolan/internal/inventory"
	"portolan/internal/port"
	"portolan/lint"
	"portolan/policies"
	"portolan/services"
)

// TestHistories: every service of the catalogue has a history, with its title and its listeners.
func TestHistories(t *testing.T) {
	t.Parallel()
	cat, _, err := catalog.Load(services.FS)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range cat.IDs() {
		var out, errs bytes.Buffer
		code := run(context.Background(), []string{"chart", "--history", id, "--width", "200"}, nil, &out, &errs, func(string) string { return "" })
		if code != exitOK || errs.Len() > 0 {
			t.Errorf("%s: exit code %d, %s", id, code, &errs)
		}
		s := cat.Find(id)
		if !strings.Contains(out.String(), "default ports of "+s.Title+" by version\n") {
			t.Errorf("%s: the title is missing in\n%s", id, &out)
		}
		eras, _ := inventory.Eras(s, "", nil)
		for i := range eras {
			for k := range eras[i].Claims {
				if c := &eras[i].Claims[k]; c.Direction == inventory.Listen && !strings.Contains(out.String(), c.Listen) {
					t.Errorf("%s: %s is not in\n%s", id, c.Listen, &out)
				}
			}
		}
	}
}

// TestFoundOn: a finding is on the systems whose facts make it, and on none when it needs no
// facts at all.
func TestFoundOn(t *testing.T) {
	known, _, err := host.LoadPlatforms(policies.FS, "platforms.hcl")
	if err != nil {
		t.Fatal(err)
	}
	var hosts []host.Facts
	for _, name := range []string{"linux", "windows-server", "freebsd"} {
		f, _ := known.Facts(name)
		hosts = append(hosts, f)
	}
	claim := func(listen string, first, last int) inventory.Claim {
		return inventory.Claim{Service: listen, Listen: listen, Purpose: listen, Direction: inventory.Listen, Proto: port.UDP, NominalFirst: first, NominalLast: last,
			Ports: port.Range{First: uint16(first), Last: uint16(last)}, Bind: []string{"*"}}
	}
	inv := &inventory.Inventory{Claims: []inventory.Claim{claim("a", 50000, 50099), claim("b", 50000, 50099), claim("c", 40000, 40099), claim("d", 20000, 20099), claim("e", 9000, 9099)}}
	o := lint.Options{Part: true}
	list := lint.Run(inv, hosts, o)
	var got []string
	for i, on := range foundOn(list, inv, hosts, o) {
		for _, p := range list[i].Ports {
			got = append(got, list[i].Rule+" "+p.Set.String()+" "+strings.Join(on, ","))
		}
	}
	slices.Sort(got)
	got = slices.Compact(got)
	want := []string{
		"ephemeral-overlap 20000-20099 freebsd",
		"ephemeral-overlap 40000-40099 linux,freebsd",
		"ephemeral-overlap 50000-50099 linux,windows-server,freebsd",
		"port-overlap 50000-50099 ",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestWhose: a title names the folder of a host and the files that are drawn, and not all of many.
func TestWhose(t *testing.T) {
	for _, c := range []struct {
		root  string
		paths []string
		want  string
	}{
		{"", nil, "this machine"},
		{"hosts/ivr-01/", nil, "ivr-01"},
		{"", []string{"a/b.conf"}, "b.conf"},
		{"", []string{"sshd=etc/x\x1b.conf", "b"}, `x\x1b.conf and b`},
		{"", []string{"a", "b", "c", "d"}, "a, b, c and d"},
		{"", []string{"a", "b", "c", "d", "e"}, "a, b, c and 2 more"},
		{".", nil, "portolan"}, // where tests of this package run
	} {
		if got := whose(c.root, c.paths); got != c.want {
			t.Errorf("%q, %q: %q, want %q", c.root, c.paths, got, c.want)
		}
	}
}

// TestJudgedBy: a chart says whose facts it holds the ports against, and where those are from.
func TestJudgedBy(t *testing.T) {
	linux := host.Facts{Platform: "linux", Title: "Linux 4.2 and later", From: "files"}
	for _, c := range []struct {
		hosts []host.Facts
		file  string
		want  string
	}{
		{[]host.Facts{linux}, "", "Linux 4.2 and later, as its files say"},
		{[]host.Facts{linux}, "facts\x1b.json", `Linux 4.2 and later, as facts\x1b.json says`},
		{[]host.Facts{{Platform: "aix", From: "this machine"}}, "", "aix, as it is now"},
		{[]host.Facts{{Platform: "aix", From: "built-in"}}, "", "aix, as it is when nobody has changed it"},
		{[]host.Facts{{From: "files"}}, "", "the system is not known, and so are the ports that it hands out"},
		{[]host.Facts{linux, {}}, "", "judged for linux and a system that is not known"},
		{nil, "", "no system is known on which it runs"},
	} {
		if got := judgedBy(c.hosts, c.file); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}
