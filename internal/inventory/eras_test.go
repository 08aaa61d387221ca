package inventory_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"pgregory.net/rapid"

	"portolan/internal/catalog"
	"portolan/internal/diag"
	"portolan/internal/inventory"
	"portolan/internal/source"
	"portolan/services"
)

// summary is an era on a few lines: its words, its claims, "? " before what is not known.
func summary(e *inventory.Era) []string {
	out := append([]string{e.Words()}, lines(e.Claims)...)
	for _, u := range e.Unknown {
		out = append(out, fmt.Sprintf("? %s %v: %s", u.Listen, u.Protos, u.Why))
	}
	return out
}

// lines are claims as Describe says them, ascending and without their lines in a file.
func lines(claims []inventory.Claim) []string {
	var out []string
	for i := range claims {
		line, _, _ := strings.Cut(claims[i].Describe(), " L")
		out = append(out, line)
	}
	slices.Sort(out)
	return out
}

// TestErasOfTheMediaServer: the two ranges of the vendor's own diagram, and that nobody knows
// those before.
func TestErasOfTheMediaServer(t *testing.T) {
	s := ours(t).Find("lumenvox-media-server")
	always := []string{"messaging tcp * 7590 default", "monitoring tcp * 29900 default"}
	other := []string{"rtsp tcp * 554 default", "sip tcp * 5060 default", "sip udp * 5060 default"}
	eras, diags := inventory.Eras(s, "", nil)
	if len(diags) > 0 || len(eras) != 3 {
		t.Fatalf("%d eras, %+v", len(eras), diags)
	}
	for i, want := range [][]string{
		slices.Concat([]string{"before 10.1"}, always, other, []string{
			"? mrcp [tcp]: the default of mrcp_server_port_base is not documented",
			"? rtp [udp]: the default of rtp_server_port_base is not documented"}),
		slices.Concat([]string{"from 10.1, before 12.1"}, always,
			[]string{"mrcp tcp * 30000-30399 default advertises 127.0.0.1", "rtp udp * 35000-35399 default advertises 127.0.0.1"}, other),
		slices.Concat([]string{"from 12.1"}, always,
			[]string{"mrcp tcp * 20000-20399 default advertises 127.0.0.1", "rtp udp * 25000-25399 default advertises 127.0.0.1"}, other),
	} {
		got := summary(&eras[i])
		for k := range got { // what the claims advertise is no matter of versions
			got[k] = strings.ReplaceAll(got[k], " advertises 127.0.0.1", "")
			want[k] = strings.ReplaceAll(want[k], " advertises 127.0.0.1", "")
		}
		if !slices.Equal(got, want) {
			t.Errorf("got %q\nwant %q", got, want)
		}
	}
	for i, want := range []string{"30000 from 10.1, before 12.1", "20000 from 12.1"} {
		for _, c := range eras[i+1].Claims {
			if c.Listen != "mrcp" {
				continue
			}
			var got []string
			for _, b := range c.Because {
				got = append(got, b.Default)
			}
			if !slices.Equal(got, []string{want, "200 by default"}) || c.Setting != "mrcp_server_port_base" || c.Insert != nil {
				t.Errorf("%s: because %q, setting %s, %+v", c.Describe(), got, c.Setting, c.Insert)
			}
		}
	}

	// A reader sees what is a guess: of 12.1 itself, and of the size.
	guesses := map[string]string{}
	for _, src := range eras[2].Sources {
		if len(src.Cites) == 0 {
			t.Errorf("%s = %s has no source", src.Setting, src.Value)
		}
		guesses[src.Setting+" = "+src.Value+", "+src.Words] = src.Note
	}
	for of, note := range map[string]string{
		"rtp_server_port_base = 25000, from 12.1": "inferred from the current product",
		"num_channels = 200, in every version":    "mrcp_server_resmax in 10.5",
		"ports for each channel = 2x, ":           "calls itself authoritative",
	} {
		if !strings.Contains(guesses[of], note) {
			t.Errorf("%s: %q does not say %q in %q", of, guesses[of], note, guesses)
		}
	}
	for of := range guesses {
		if strings.Contains(of, "35000") || strings.Contains(of, "MEDIA_SERVER__") || strings.Contains(of, "SRE") {
			t.Errorf("%s is no source of versions from 12.1 without a container", of)
		}
	}

	eras, _ = inventory.Eras(s, "linux", map[string]string{"sizing": "1x"})
	if got := summary(&eras[1]); !slices.ContainsFunc(got, func(l string) bool { return strings.HasPrefix(l, "rtp udp * 35000-35199 default") }) {
		t.Errorf("one port for each channel: %q", got)
	}
}

// TestErasOfOthers: versions that decide what is there, and that do not; what the system chooses.
func TestErasOfOthers(t *testing.T) {
	cat := ours(t)
	for id, want := range map[string][][]string{
		"openvpn":   {{"in every version", "tunnel udp 0.0.0.0 1194 default"}}, // the versions differ in clients
		"wireguard": {{"in every version", "? tunnel [udp]: the system chooses a port at every start"}},
		"dovecot": {
			{"before 2.4",
				"? imap [tcp]: the default of protocols is not documented", "? imaps [tcp]: the default of protocols is not documented",
				"? pop3 [tcp]: the default of protocols is not documented", "? pop3s [tcp]: the default of protocols is not documented",
				"? submission [tcp]: the default of protocols is not documented", "? submissions [tcp]: the default of protocols is not documented",
				"? sieve [tcp]: the default of protocols is not documented"},
			{"from 2.4"},
		},
		"docker-compose": {{"in every version"}}, // nothing of its own
	} {
		eras, diags := inventory.Eras(cat.Find(id), "", nil)
		var got [][]string
		for i := range eras {
			got = append(got, summary(&eras[i]))
		}
		if !slices.EqualFunc(got, want, slices.Equal) || len(diags) > 0 {
			t.Errorf("%s: got %q\nwant %q\n%+v", id, got, want, diags)
		}
	}
	if eras, _ := inventory.Eras(cat.Find("dovecot"), "", nil); len(eras[1].Sources) != 1 || eras[1].Sources[0].Setting != "protocols" {
		t.Errorf("why nothing listens from 2.4: %+v", eras[1].Sources)
	}
	if eras, _ := inventory.Eras(cat.Find("wireguard"), "", nil); !eras[0].Unknown[0].Chosen {
		t.Errorf("%+v", eras[0].Unknown)
	}
}

// TestErasOfEveryService holds the eras of each description against the reader of files: with
// nothing in the file but the version, the claims are those of the version's era.
func TestErasOfEveryService(t *testing.T) {
	all, _ := ours(t).All()
	says := map[string]string{"lumenvox-media-server": "[GLOBAL]\nVERSION = %s\n", "dovecot": "dovecot_config_version = %s\n"}
	open := 0 // services with claims
	for _, s := range all {
		for _, os := range []string{"", "linux", "windows"} {
			eras, diags := inventory.Eras(s, os, nil)
			for _, d := range diags {
				t.Errorf("%s: %s: %s", s.ID, d.Span, d.Message)
			}
			checkEras(t, s, eras)
			if os != "" {
				continue
			}
			if newest := &eras[len(eras)-1]; len(newest.Claims) > 0 {
				open++
			}
			for i := range eras {
				text := ""
				if len(eras) > 1 {
					if says[s.ID] == "" {
						continue // a file does not tell its version, see below
					}
					text = fmt.Sprintf(says[s.ID], orVersion(eras[i].Since, "1.0"))
				}
				compareWithFile(t, s, &eras[i], text)
			}
		}
	}
	if open < 50 || open == len(all) {
		t.Errorf("%d services of %d open something by themselves: too many or too few for a test of it", open, len(all))
	}

	// Of a file without its version less is known.
	s := ours(t).Find("mediamtx")
	eras, _ := inventory.Eras(s, "", nil)
	inv, _ := readBare(t, s, "")
	newest := lines(eras[len(eras)-1].Claims)
	newest = slices.DeleteFunc(newest, func(l string) bool { return strings.HasPrefix(l, "moq-http2 ") })
	if got := lines(inv.Claims); len(eras) != 2 || !slices.Equal(got, newest) || inv.Files[0].Status != inventory.Partial {
		t.Errorf("%d eras, claims of a file %q, of the newest era %q", len(eras), got, newest)
	}
}

func orVersion(since, oldest string) string {
	if since == "" {
		return oldest
	}
	return since
}

// checkEras checks what holds for all eras: they follow each other, differ, and rest on lines
// of the description.
func checkEras(t *testing.T, s *catalog.Service, eras []inventory.Era) {
	t.Helper()
	if len(eras) == 0 || eras[0].Since != "" || eras[len(eras)-1].Before != "" {
		t.Fatalf("%s: %+v are not all versions", s.ID, eras)
	}
	for i := range eras {
		e := &eras[i]
		if i > 0 {
			before := &eras[i-1]
			if e.Since == "" || before.Before != e.Since {
				t.Errorf("%s: %s follows on %s", s.ID, e.Words(), before.Words())
			}
			if slices.Equal(summary(before)[1:], summary(e)[1:]) {
				t.Errorf("%s: %s and %s are the same", s.ID, before.Words(), e.Words())
			}
		}
		of := map[source.Span]bool{}
		for _, src := range e.Sources {
			if src.Option == "" && (of[src.Span] || src.Words == "" || len(src.Cites) == 0 || src.Span.File != s.Source) {
				t.Errorf("%s: source %+v", s.ID, src)
			}
			of[src.Span] = true
		}
		if !slices.IsSortedFunc(e.Claims, func(a, b inventory.Claim) int {
			return cmp.Or(strings.Compare(a.Listen, b.Listen), cmp.Compare(a.Proto, b.Proto), cmp.Compare(a.Ports.First, b.Ports.First))
		}) {
			t.Errorf("%s: %q is not in order", s.ID, summary(e))
		}
		for _, c := range e.Claims {
			if c.Origin != inventory.Default || c.Span.HasLine() || c.Span.File != s.Source || len(c.Because) == 0 {
				t.Errorf("%s: %s is at %s because of %+v", s.ID, c.Describe(), c.Span, c.Because)
			}
			for _, b := range c.Because {
				if b.Default == "" || !b.Span.HasLine() || !of[b.Span] && !strings.HasSuffix(b.Default, " by default") {
					t.Errorf("%s: %s because of %+v, and the sources are %+v", s.ID, c.Describe(), b, e.Sources)
				}
			}
		}
		for _, u := range e.Unknown {
			if u.Purpose == "" || u.Why == "" || u.Direction == "" {
				t.Errorf("%s: %+v", s.ID, u)
			}
		}
	}
}

// readBare reads a text as the main file of a service, whatever is asked of such files.
func readBare(t testing.TB, s *catalog.Service, text string) (*inventory.Inventory, diag.List) {
	t.Helper()
	bare := *s
	bare.Files = slices.Clone(s.Files)
	main := &bare.Files[0]
	main.Accept, main.Contains, main.Yields = nil, nil, nil
	inv, diags, err := inventory.ReadFiles(&bare, map[string]*source.File{main.Role: source.New("main", []byte(text))}, nil)
	if err != nil {
		t.Fatal(s.ID, err)
	}
	return inv, diags
}

func compareWithFile(t *testing.T, s *catalog.Service, e *inventory.Era, text string) {
	t.Helper()
	inv, diags := readBare(t, s, text)
	if got, want := lines(inv.Claims), lines(e.Claims); !slices.Equal(got, want) {
		t.Errorf("%s %s: a file with %q claims %q\nthe era %q\n%+v", s.ID, e.Words(), text, got, want, diags)
	}
	if status := inv.Files[0].Status; (status == inventory.Partial) != (len(e.Unknown) > 0) {
		t.Errorf("%s %s: a file with %q is %s, and not known are %+v", s.ID, e.Words(), text, status, e.Unknown)
	}
}

// TestEveryVersionIsInOneEra: what a file of any version says is what its era says.
func TestEveryVersionIsInOneEra(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		// Bounds that are near to each other, cross, repeat, and are spelled in two ways.
		var cases strings.Builder
		version := rapid.SampledFrom([]string{"0", "1", "1.0", "1.1", "1.10", "2", "2.0.1", "3"})
		for range rapid.IntRange(1, 4).Draw(rt, "cases") {
			cases.WriteString("case {\n")
			if rapid.Bool().Draw(rt, "has since") {
				fmt.Fprintf(&cases, "since = %q\n", version.Draw(rt, "since"))
			}
			if rapid.Bool().Draw(rt, "has before") {
				fmt.Fprintf(&cases, "before = %q\n", version.Draw(rt, "before"))
			}
			fmt.Fprintf(&cases, "value = %d\ncites = [\"https://acme.example\"]\n}\n", rapid.IntRange(1, 3).Draw(rt, "value"))
		}
		s := described(t, acme(`default "p" {
			setting = "port"
			`+cases.String()+`
		}`))
		eras, diags := inventory.Eras(s, "", nil)
		if len(diags) > 0 {
			rt.Fatal(diags)
		}
		checkEras(t, s, eras)
		v := rapid.SampledFrom([]string{"0", "0.1", "0.9", "1", "1.0.0", "1.0.5", "1.1", "1.2", "1.10.1", "1.99", "2", "2.0", "2.0.1", "2.5", "3", "4"}).Draw(rt, "version")
		in := 0
		for i := range eras {
			e := &eras[i]
			if e.Since != "" && less(v, e.Since) || e.Before != "" && !less(v, e.Before) {
				continue
			}
			in++
			compareWithFile(t, s, e, "version = "+v+"\n")
		}
		if in != 1 {
			rt.Errorf("%s is in %d eras of %+v", v, in, eras)
		}
	})
}

// less orders versions of up to three small numbers.
func less(a, b string) bool {
	rank := func(v string) (n int) {
		parts := append(strings.Split(v, "."), "0", "0")
		for _, p := range parts[:3] {
			var k int
			fmt.Sscan(p, &k)
			n = n*1000 + k
		}
		return n
	}
	return rank(a) < rank(b)
}

// acme is a description with the given blocks, beside a listener on default.p.
func acme(blocks string) string {
	return `service "acme" {
	title = "ACME"
	platforms = ["linux"]
	file "conf" {
		format = "keyword"
		paths = { linux = ["/etc/acme.conf"] }
	}
	version = value("version")
	` + blocks + `
	listen "p" {
		purpose = "ACME"
		protocol = ["tcp"]
		port = port(value("port"), default.p)
		exposure = "public"
	}
	}
	`
}

// described is the service of a description of the operator.
func described(t testing.TB, text string) *catalog.Service {
	t.Helper()
	cat, diags, err := catalog.Load(services.FS, fstest.MapFS{"acme.hcl": {Data: []byte(text)}})
	if err != nil || len(diags) > 0 {
		t.Fatal(err, diags, text)
	}
	return cat.Find("acme")
}

// TestErasOfOddDescriptions: systems, bounds that are no versions, lists that are not known, and
// more versions than anybody has.
func TestErasOfOddDescriptions(t *testing.T) {
	const one = `default "p" {
		setting = "port"
		case {
			value = 1
			cites = ["https://acme.example"]
		}
	}
	`
	const late = `default "late" {
		setting = "mode"
		case {
			since = "2"
			value = "a,b"
			cites = ["https://acme.example"]
		}
	}
	`
	const systems = `default "p" {
		setting = "port"
		case {
			os    = "windows"
			since = "2"
			value = 7
			cites = ["https://acme.example"]
		}
	}`
	for name, c := range map[string]struct {
		text, os string
		want     [][]string
		finding  string
	}{
		"a default of one system there":     {systems, "windows", [][]string{{"before 2", "? p [tcp]: the default of port is not documented"}, {"from 2", "p tcp * 7 default"}}, ""},
		"a default of one system elsewhere": {systems, "linux", [][]string{{"in every version", "? p [tcp]: the default of port is not known on linux"}}, ""},
		"a default of one system, anywhere": {systems, "", [][]string{{"in every version", "? p [tcp]: the default of port depends on the system, and which that is is not known"}}, ""},
		"a bound that is no version": {strings.Replace(one, "value", "since = \"1.x\"\nvalue", 1), "",
			[][]string{{"in every version", "? p [tcp]: the default of port is not documented"}}, `the default of port holds in no version: "1.x" is none`},
		"a list that is not known": {one + late + `listen "each" {
			purpose  = "ACME ${each.value}"
			for_each = items(default.late, ",")
			protocol = [each.value == "a" ? "udp" : "tcp"]
			port     = 9
			exposure = "public"
		}`, "", [][]string{
			{"before 2", "p tcp * 1 default", "? each []: the default of mode is not documented"},
			{"from 2", "each tcp * 9 default", "each udp * 9 default", "p tcp * 1 default"}}, ""},
		"a group that is not known": {one + late + `each "group" {
			for_each = [1]
			when     = default.late == "a,b"
			locals {
				of = "ACME"
			}
			listen "in" {
				purpose  = local.of
				protocol = ["udp"]
				port     = 9
				exposure = "public"
			}
			connect "to" {
				purpose  = "ACME"
				protocol = ["tcp"]
				peer     = "acme.example"
				port     = 10
			}
		}`, "", [][]string{
			{"before 2", "p tcp * 1 default", "? in [udp]: the default of mode is not documented", "? to [tcp]: the default of mode is not documented"},
			{"from 2", "in udp * 9 default", "p tcp * 1 default", "to tcp -> acme.example 10 default"}}, ""},
		"numbers that say nothing": {one + late + `listen "zero" {
			purpose  = "ACME"
			protocol = ["tcp"]
			port     = 0
			zero     = "unknown"
			exposure = "public"
		}
		listen "off" {
			purpose  = "ACME"
			protocol = ["tcp"]
			port     = 0
			exposure = "public"
		}
		listen "chosen" {
			purpose  = "ACME"
			protocol = ["udp", "tcp"]
			port     = 0
			zero     = "chosen"
			exposure = "public"
		}
		listen "backwards" {
			purpose  = "ACME"
			protocol = ["tcp"]
			first    = 9
			last     = 8
			exposure = "public"
		}
		listen "when" {
			purpose  = "ACME"
			when     = default.late == "x"
			protocol = ["tcp"]
			port     = 9
			exposure = "public"
		}
		listen "protocol" {
			purpose  = "ACME"
			protocol = ["tcp", default.late == "x" ? "tcp" : "udp"]
			port     = 9
			exposure = "public"
		}
		connect "peer" {
			purpose  = "ACME"
			protocol = ["tcp"]
			peer     = default.late
			port     = 10
		}`, "", [][]string{
			{"before 2", "p tcp * 1 default", "protocol tcp * 9 default",
				"? zero [tcp]: what 0 means is not documented", "? chosen [tcp udp]: the system chooses a port at every start", "? backwards [tcp]: it ends at 8, before it begins at 9",
				"? when [tcp]: the default of mode is not documented", "? protocol []: the default of mode is not documented", "? peer [tcp]: the default of mode is not documented"},
			{"from 2", "p tcp * 1 default", "peer tcp -> a,b 10 default", "protocol tcp * 9 default", "protocol udp * 9 default",
				"? zero [tcp]: what 0 means is not documented", "? chosen [tcp udp]: the system chooses a port at every start", "? backwards [tcp]: it ends at 8, before it begins at 9"}}, ""},
		"a list that nobody follows": {one + `listen "each" {
			purpose  = "ACME"
			for_each = [for i in [` + strings.Repeat("1, ", 501) + `] : i]
			protocol = ["tcp"]
			port     = 9
			exposure = "public"
		}`, "", [][]string{{"in every version", "each tcp * 9 default", "p tcp * 1 default", "? each [tcp]: a value it depends on is not known"}}, ""},
		"a version that changes nothing known": {`default "p" {
			setting = "port"
			case {
				since = "3"
				value = 1
				cites = ["https://acme.example"]
			}
		}
		` + late, "", [][]string{{"before 3", "? p [tcp]: the default of port is not documented"}, {"from 3", "p tcp * 1 default"}}, ""},
		"an expression that fails": {one + `listen "bad" {
			purpose  = "ACME"
			protocol = ["tcp"]
			port     = find("none")[0] == null ? 1 : 2
			exposure = "public"
		}`, "", nil, "the description of acme fails for services/acme.hcl: invalid index"},
		"more work than a description is worth": {one + "locals {\na0 = \"xxxxxxxxxxxxxxxx\"\n" + doublings(40) + "}\n", "", nil, "services/acme.hcl comes to more than is worked out for acme: some of its ports are not known"},
		"more versions than anybody has":        {manyCases(2000), "", nil, "services/acme.hcl comes to more than is worked out for acme: some of its ports are not known"},
	} {
		t.Run(name, func(t *testing.T) {
			eras, diags := inventory.Eras(described(t, acme(c.text)), c.os, nil)
			var got [][]string
			for i := range eras {
				got = append(got, summary(&eras[i]))
			}
			if c.want != nil && !slices.EqualFunc(got, c.want, slices.Equal) {
				t.Errorf("got %q\nwant %q", got, c.want)
			}
			if c.finding == "" && len(diags) > 0 || c.finding != "" && (len(diags) != 1 || diags[0].Message != c.finding) {
				t.Errorf("%+v", diags)
			}
		})
	}
}

// TestErasThatAreOne: a value that was documented anew is no new era, and has both sources.
func TestErasThatAreOne(t *testing.T) {
	eras, diags := inventory.Eras(described(t, acme(`default "p" {
		setting = "port"
		case {
			before = "2"
			value  = 1
			cites  = ["https://acme.example/1"]
		}
		case {
			since = "2"
			value = 1
			cites = ["https://acme.example/2"]
		}
	}`)), "", nil)
	if len(diags) > 0 || len(eras) != 1 || len(eras[0].Claims) != 1 || eras[0].Words() != "in every version" {
		t.Fatalf("%+v, %+v", eras, diags)
	}
	var got []string
	for _, src := range eras[0].Sources {
		got = append(got, src.Words+": "+strings.Join(src.Cites, " "))
	}
	if want := []string{"before 2: https://acme.example/1", "from 2: https://acme.example/2"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if because := eras[0].Claims[0].Because; len(because) != 1 || because[0].Default != "1 from 2" {
		t.Errorf("%+v is not of the newest versions", because)
	}
}

// BenchmarkEras: about a millisecond for the service with the most eras.
func BenchmarkEras(b *testing.B) {
	s := ours(b).Find("lumenvox-media-server")
	for b.Loop() {
		inventory.Eras(s, "", nil)
	}
}

// manyCases is a default that changes with every version.
func manyCases(n int) string {
	var b strings.Builder
	b.WriteString("default \"p\" {\nsetting = \"port\"\n")
	for i := range n {
		fmt.Fprintf(&b, "case {\nsince=\"1.%d\"\nbefore=\"1.%d\"\nvalue=%d\ncites=[]\n}\n", i, i+1, i+1)
	}
	return b.String() + "}\n"
}

// doublings are local values of which each is twice as long as the one before.
func doublings(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "a%d = \"${local.a%d}${local.a%d}\"\n", i+1, i, i)
	}
	return b.String()
}
