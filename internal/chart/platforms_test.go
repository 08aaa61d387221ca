package chart_test

import (
	"slices"
	"strings"
	"testing"

	"portolan/internal/catalog"
	"portolan/internal/chart"
	"portolan/internal/host"
	"portolan/internal/inventory"
	"portolan/internal/port"
	"portolan/lint"
	"portolan/policies"
	"portolan/services"
)

// known are the platforms of the program, in the order in which they are drawn.
func known(t *testing.T) (host.Platforms, []host.Platform) {
	t.Helper()
	all, diags, err := host.LoadPlatforms(policies.FS, "platforms.hcl")
	if err != nil || len(diags) > 0 {
		t.Fatal(diags, err)
	}
	var list []host.Platform
	for _, id := range all.IDs() {
		p, _ := all.Lookup(id)
		list = append(list, p)
	}
	chart.InOrder(list)
	return all, list
}

// shown are the ports of a group for a protocol.
func shown(g *chart.Group, proto port.Proto) port.Set {
	var s port.Set
	for _, l := range g.Lanes {
		for _, b := range l.Bars {
			if l.Proto == 0 || l.Proto == proto {
				s = s.Union(port.Of(b.Ports))
			}
		}
	}
	return s
}

// TestPlatformsAreExact: every platform is in the picture once, with its ports and no others,
// and with all its sources.
func TestPlatformsAreExact(t *testing.T) {
	all, list := known(t)
	p := chart.Platforms(list)
	if len(p.Groups) != len(all.IDs()) {
		t.Fatalf("%d groups of %d platforms", len(p.Groups), len(all.IDs()))
	}
	for i := range p.Groups {
		g, want := &p.Groups[i], &list[i]
		if g.Name != want.ID {
			t.Errorf("group %d is %s, want %s", i, g.Name, want.ID)
		}
		for _, proto := range port.Protos {
			var ranges []port.Range
			for _, e := range want.Ephemeral {
				if e.Proto == proto {
					ranges = append(ranges, e.Ports)
				}
			}
			if got := shown(g, proto); !got.Equal(port.Of(ranges...)) {
				t.Errorf("%s: %v/%v, want %v", g.Name, got, proto, port.Of(ranges...))
			}
		}
		for _, l := range g.Lanes {
			for _, b := range l.Bars {
				if b.Kind != chart.Ephemeral || b.Proto != l.Proto || !strings.Contains(b.Place, "platforms.hcl:") || !strings.Contains(b.Words, want.Ephemeral[0].Setting) {
					t.Errorf("%s: the bar is %+v", g.Name, b)
				}
			}
		}
		if len(g.Sources) != 1 || !slices.Equal(g.Sources[0].Cites, want.Cites) || !strings.Contains(g.Sources[0].Words, want.Title) {
			t.Errorf("%s: the sources are %+v", g.Name, g.Sources)
		}
		for _, v := range [...]string{want.Since, want.Until} {
			if !strings.Contains(g.Title, v) {
				t.Errorf("%s: the title %q lacks the version %s", g.Name, g.Title, v)
			}
		}
		unverified := want.Evidence == host.Unverified
		if strings.HasPrefix(g.Note, "unverified") != unverified || strings.HasPrefix(g.Sources[0].Note, "unverified") != unverified {
			t.Errorf("%s is %s, and the notes are %q and %q", g.Name, want.Evidence, g.Note, g.Sources[0].Note)
		}
	}
}

// TestPlatformLanes: protocols have lanes of their own where they differ, and only there.
func TestPlatformLanes(t *testing.T) {
	e := func(proto port.Proto, family host.Family, first, last uint16, setting string) host.Ephemeral {
		return host.Ephemeral{Proto: proto, Family: family, Ports: port.Range{First: first, Last: last}, Setting: setting, From: setting + ".conf"}
	}
	p := chart.Platforms([]host.Platform{
		{ID: "same", Ephemeral: []host.Ephemeral{e(port.TCP, host.V4, 10, 20, "a"), e(port.UDP, host.V6, 10, 20, "b")}},
		{ID: "differ", Ephemeral: []host.Ephemeral{e(port.TCP, host.V4, 10, 20, "a"), e(port.TCP, host.V6, 21, 30, "b"), e(port.UDP, host.V4, 40, 65535, "c")}},
		{ID: "tcp", Ephemeral: []host.Ephemeral{e(port.TCP, host.V4, 10, 20, "a")}},
		{ID: "hostile\x1b[31m", Title: "\u202eevil", Evidence: host.Unverified, Ephemeral: []host.Ephemeral{e(port.TCP, host.V4, 1, 1, "\a")}},
	})
	var got []string
	for _, g := range p.Groups {
		for _, l := range g.Lanes {
			for _, b := range l.Bars {
				got = append(got, strings.Join([]string{g.Name, l.Proto.String(), b.Ports.String(), b.Words, b.Place}, "|"))
			}
		}
	}
	want := []string{
		"same|" + port.Proto(0).String() + "|10-20|ephemeral ports of : a, b|a.conf",
		"differ|tcp|10-30|ephemeral ports of : a, b|a.conf",
		"differ|udp|40-65535|ephemeral ports of : c|c.conf",
		"tcp|tcp|10-20|ephemeral ports of : a|a.conf",
		`hostile\x1b[31m|tcp|1|ephemeral ports of \u202eevil: \x07|\x07.conf`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestInOrder: versions of one system stand together, and what holds today comes first.
func TestInOrder(t *testing.T) {
	_, list := known(t)
	seen := map[string]int{}
	for i := range list {
		if at, ok := seen[list[i].OS]; ok && at != i-1 {
			t.Errorf("%s is away from the other versions of its system", list[i].ID)
		}
		if at, ok := seen[list[i].OS]; ok && list[at].Until != "" && list[i].Until == "" {
			t.Errorf("%s stands below an older version", list[i].ID)
		}
		seen[list[i].OS] = i
	}
	if list[0].ID != "linux" || list[1].ID != "linux-old" {
		t.Errorf("it begins with %s, %s", list[0].ID, list[1].ID)
	}
}

// TestHistoryIsExact: the history of every service has each listener of each era as one bar of
// that era's group, and no others.
func TestHistoryIsExact(t *testing.T) {
	platforms, _ := known(t)
	cat, diags, err := catalog.Load(services.FS)
	if err != nil || len(diags) > 0 {
		t.Fatal(diags, err)
	}
	marked := 0
	for _, id := range cat.IDs() {
		s := cat.Find(id)
		var hosts []host.Facts
		for _, name := range s.Platforms {
			f, ok := platforms.Facts(name)
			if !ok {
				t.Errorf("%s: %s is not known", id, name)
			}
			hosts = append(hosts, f)
		}
		eras, diags := inventory.Eras(s, "", nil)
		if len(diags) > 0 || len(eras) == 0 {
			t.Errorf("%s: %d eras, %v", id, len(eras), diags)
			continue
		}
		var list []chart.Version
		for _, e := range eras {
			inv := &inventory.Inventory{Claims: e.Claims}
			list = append(list, chart.Version{Era: e, Findings: lint.Run(inv, hosts, lint.Options{Supported: true, Part: true})})
		}
		p := chart.History(list, hosts, lint.Quarrel)
		if len(p.Groups) != len(eras) {
			t.Errorf("%s: %d groups of %d eras", id, len(p.Groups), len(eras))
			continue
		}
		for i := range eras {
			e, g := &eras[i], &p.Groups[len(eras)-1-i]
			var want, got []string
			for k := range e.Claims {
				if c := &e.Claims[k]; c.Direction == inventory.Listen {
					want = append(want, c.Proto.String()+" "+c.Ports.String()+" "+c.Listen)
				}
			}
			unknown := slices.ContainsFunc(e.Unknown, func(u inventory.Unknown) bool { return u.Direction == inventory.Listen })
			for _, l := range g.Lanes {
				if !slices.IsSortedFunc(l.Bars, func(a, b chart.Bar) int { return int(a.Ports.First) - int(b.Ports.First) }) {
					t.Errorf("%s, %s: bars are not in order", id, g.Name)
				}
				for _, b := range l.Bars {
					got = append(got, l.Proto.String()+" "+b.Ports.String()+" "+b.Name)
					for _, m := range b.Marks {
						marked++
						if of := p.Findings[m.Finding]; !m.Ports.Intersect(port.Of(b.Ports)).Equal(m.Ports) || m.Rule != of.Rule || !strings.HasSuffix(of.Message, " ("+e.Words()+")") {
							t.Errorf("%s, %s: %s is marked %+v, of %+v", id, g.Name, b.Name, m, of)
						}
					}
				}
			}
			slices.Sort(want)
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("%s, %s: %q, want %q", id, g.Name, got, want)
			}
			if (g.Note != "") != (unknown || len(want) == 0) {
				t.Errorf("%s, %s: the note is %q", id, g.Name, g.Note)
			}
		}
	}
	if marked == 0 { // RTP of lumenvox-media-server from 10.1, on Linux, to begin with
		t.Error("no default of any service meets a system")
	}
}

// TestHistoryMarksItsVersions: a quarrel of one era is none of the others.
func TestHistoryMarksItsVersions(t *testing.T) {
	platforms, _ := known(t)
	cat, _, err := catalog.Load(services.FS)
	if err != nil {
		t.Fatal(err)
	}
	linux, _ := platforms.Facts("linux")
	eras, _ := inventory.Eras(cat.Find("lumenvox-media-server"), "", nil)
	var list []chart.Version
	for _, e := range eras {
		found := lint.Run(&inventory.Inventory{Claims: e.Claims}, []host.Facts{linux}, lint.Options{Part: true})
		on := make([][]string, len(found))
		for i := range on {
			on[i] = []string{"linux", "a", "b", "c", "d"}
		}
		list = append(list, chart.Version{Era: e, System: "linux", Findings: found, On: on})
	}
	p := chart.History(list, nil, lint.Quarrel)
	var got []string
	for _, g := range p.Groups {
		got = append(got, g.Name+": "+g.Note)
		for _, l := range g.Lanes {
			for _, b := range l.Bars {
				for _, m := range b.Marks {
					got = append(got, b.Name+" "+m.Ports.String()+" "+m.Rule+" on "+m.On)
				}
			}
		}
	}
	want := []string{
		"12.1 and later, linux: ",
		"10.1 to before 12.1, linux: ",
		"rtp 35000-35399 ephemeral-overlap on linux, a, b and 2 more",
		"before 10.1, linux: not documented: mrcp, rtp",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
