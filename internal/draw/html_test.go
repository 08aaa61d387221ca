package draw

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"portolan/internal/chart"
	"portolan/internal/diag"
	"portolan/internal/port"
)

// crowd is a host with many services and claims, always the same ones; every twentieth claim
// meets something.
func crowd(services, claims int) *chart.Picture {
	r := rand.New(rand.NewPCG(1, uint64(claims)))
	ephemeral := port.Range{First: 32768, Last: 60999}
	p := chart.Panel{Bands: []chart.Band{
		{Kind: chart.System, Ports: port.Range{Last: 1023}, Words: "system ports", From: "RFC 6335 section 6"},
		{Kind: chart.Ephemeral, Ports: ephemeral, Words: "ephemeral ports of linux", From: "etc/sysctl.d/10-net.conf:3"},
		{Kind: chart.NodePorts, Ports: port.Range{First: 30000, Last: 32767}, Words: "node ports of Kubernetes", From: "etc/k3s.yaml:1"}}}
	p.Groups = append(p.Groups, chart.Group{Name: "linux", Title: "Linux 6.1", Lanes: []chart.Lane{{Bars: []chart.Bar{
		{Kind: chart.Ephemeral, Ports: ephemeral, Name: "ephemeral", Words: "ephemeral ports of linux", Place: "etc/sysctl.d/10-net.conf:3"}}}}})
	kinds := []chart.Kind{chart.Clients, chart.MRCP, chart.RTP, chart.Internal, chart.Admin, chart.Loopback, chart.Other}
	for s := range services {
		g := chart.Group{Name: fmt.Sprintf("service-%02d", s)}
		tcp, udp := chart.Lane{Proto: port.TCP}, chart.Lane{Proto: port.UDP}
		n := claims / services
		if s < claims%services {
			n++
		}
		at := make([]int, n)
		for i := range at {
			at[i] = 20 + r.IntN(60000)
		}
		slices.Sort(at)
		for i, first := range at {
			b := chart.Bar{Kind: kinds[r.IntN(len(kinds))], Proto: port.TCP, Ports: port.Single(uint16(first)), Name: fmt.Sprintf("listener%d", i), Words: "some purpose",
				Service: g.Name, Place: fmt.Sprintf("etc/%s.conf:%d", g.Name, i+1), Origin: "config", Bind: "*"}
			if b.Kind == chart.RTP {
				b.Proto, b.Ports.Last = port.UDP, uint16(first+r.IntN(800))
			}
			if shared := port.Of(ephemeral).Intersect(port.Of(b.Ports)); !shared.IsEmpty() && r.IntN(8) == 0 {
				b.Marks = []chart.Mark{{Ports: shared, Rule: "ephemeral-overlap", Severity: diag.Error, Finding: len(p.Findings)}}
				p.Findings = append(p.Findings, chart.Finding{Rule: "ephemeral-overlap", Severity: diag.Error, Quarrel: true, Place: b.Place, Help: "move it below 32768",
					Message: fmt.Sprintf("%s %s/%s of %s lies in the ephemeral ports", b.Name, b.Ports, b.Proto, b.Service)})
			}
			if b.Proto == port.UDP {
				udp.Bars = append(udp.Bars, b)
			} else {
				tcp.Bars = append(tcp.Bars, b)
			}
		}
		for _, l := range []chart.Lane{tcp, udp} {
			if len(l.Bars) > 0 {
				g.Lanes = append(g.Lanes, l)
			}
		}
		p.Groups = append(p.Groups, g)
	}
	return &chart.Picture{Title: fmt.Sprintf("ports of %d services", services), Lines: []string{fmt.Sprintf("%d claims", claims)}, Panels: []chart.Panel{p}}
}

// pageOf is the page of a picture.
func pageOf(t testing.TB, p *chart.Picture, o Options) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := HTML(&b, p, o); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// told is a picture in which all words that can come from files are text.
func told(text string) *chart.Picture {
	ports := port.Range{First: 5000, Last: 5009}
	b := chart.Bar{Kind: chart.RTP, Proto: port.UDP, Ports: ports, Name: text, Words: text, Service: text, Place: text, Origin: text, Nominal: text, Bind: text,
		Because: []chart.Reason{{Place: text, Text: text}}, Moved: port.Of(port.Single(7000)),
		Marks: []chart.Mark{{Ports: port.Of(port.Single(5001)), Rule: text, Severity: diag.Error}}}
	one := chart.Panel{Title: text, Note: text, Bands: []chart.Band{{Kind: chart.Ephemeral, Ports: ports, Words: text, From: text}},
		Groups: []chart.Group{
			{Name: text + " 1", Title: text, Note: text, Sources: []chart.Source{{Words: text, Note: text, Cites: []string{"x" + text}}}, Lanes: []chart.Lane{{Bars: []chart.Bar{{Kind: chart.Ephemeral, Ports: ports, Name: text, Words: text, Place: text}}}}},
			{Name: text + " 2", Lanes: []chart.Lane{{Bars: []chart.Bar{{Kind: chart.System, Ports: ports, Name: text}}}}},
			{Name: text + " 3", Lanes: []chart.Lane{{Proto: port.UDP, Bars: []chart.Bar{b}}}}},
		Findings: []chart.Finding{{Rule: text, Severity: diag.Error, Message: text, Place: text, Notes: []string{text}, Help: text, Quarrel: true}},
		Peers:    []chart.Bar{b}}
	return &chart.Picture{Title: text, Lines: []string{text}, Panels: []chart.Panel{one, {Title: text + " 4"}}}
}

// A shape is what a browser sees of a page besides its text: elements and names of attributes,
// one a line; and apart from it the text of elements of which the text is code.
type shape struct {
	elements string
	code     map[string]string
}

// layout are attributes that follow from how wide words are.
var layout = regexp.MustCompile(`^(textLength|lengthAdjust)$`)

func shapeOf(t testing.TB, page []byte) shape {
	t.Helper()
	root, err := html.Parse(bytes.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	s := shape{code: map[string]string{}}
	for n := range root.Descendants() {
		if n.Type == html.CommentNode {
			b.WriteString("comment\n")
		}
		if n.Type != html.ElementNode {
			continue
		}
		b.WriteString(n.Data)
		name := n.Data
		for _, a := range n.Attr {
			if layout.MatchString(a.Key) {
				continue
			}
			b.WriteString(" " + a.Key)
			if a.Key == "style" || strings.HasPrefix(a.Key, "on") {
				t.Errorf("<%s> has an attribute %s", n.Data, a.Key)
			}
			if a.Key == "href" && !strings.HasPrefix(a.Val, "#") && !strings.HasPrefix(a.Val, "https://") {
				t.Errorf("a link to %q", a.Val)
			}
			if a.Key == "type" {
				name += " " + a.Val
			}
		}
		if n.Data == "script" || n.Data == "style" {
			if s.code[name] != "" {
				t.Errorf("a second <%s>", name)
			}
			s.code[name] = n.FirstChild.Data
		}
		b.WriteByte('\n')
	}
	s.elements = b.String()
	return s
}

// checkTold proves of a page with hostile words that they are nothing but words in it.
func checkTold(t testing.TB, text string) {
	t.Helper()
	page := pageOf(t, told(text), Options{Version: text})
	got, want := shapeOf(t, page), shapeOf(t, pageOf(t, told("x"), Options{Version: "x"}))
	if got.elements != want.elements {
		t.Errorf("%q changes the elements of a page", text)
	}
	for _, name := range []string{"script module", "style"} {
		if got.code[name] == "" || got.code[name] != want.code[name] {
			t.Errorf("%q changes the %s of a page", text, name)
		}
	}
	var d sheetData
	if err := json.Unmarshal([]byte(got.code["script application/json"]), &d); err != nil {
		t.Fatal(err)
	}
	if s := d.Panels[0].Groups[2].Lanes[0].Bars[0].Service; s != string([]rune(text)) { // JSON has no other bytes
		t.Errorf("%q came to the script as %q", text, s)
	}
}

// hostileWords are something else in some part of a page.
var hostileWords = []string{"</script><script>window.hacked=1</script>", `"><img src=x onerror=window.hacked=1>`, "<!--<script>", "]]><![CDATA[", "javascript:window.hacked=1", "&lt;b&gt;&amp;",
	"</title></style></svg></textarea><b>", "{{.Title}}${window.hacked=1}`'\\", "a\u2028\u2029b", "a\u202eb\u0000\x1b[31m\ufeff", "' onload='window.hacked=1", "\xff\xfe", "x\n\r\ty"}

func TestWordsOfAPageAreWords(t *testing.T) {
	for _, text := range hostileWords {
		checkTold(t, text)
	}
}

func FuzzHTML(f *testing.F) {
	for _, text := range hostileWords {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.TrimSpace(text) == "" || len(text) > 1000 {
			t.Skip()
		}
		checkTold(t, text)
	})
}

// TestPolicyNamesTheCode proves that the policy of a page lets its one script and its one style
// sheet be, byte for byte, and nothing else.
func TestPolicyNamesTheCode(t *testing.T) {
	page := pageOf(t, crowd(2, 9), Options{})
	s := shapeOf(t, page)
	root, err := html.Parse(bytes.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	policy := ""
	for n := range root.Descendants() {
		if n.Data == "meta" && slices.Contains(n.Attr, html.Attribute{Key: "http-equiv", Val: "Content-Security-Policy"}) {
			policy = n.Attr[1].Val
		}
	}
	want := "default-src 'none'; script-src " + hash(s.code["script module"]) + "; style-src " + hash(s.code["style"]) + "; base-uri 'none'; form-action 'none'"
	if policy != want {
		t.Errorf("the policy is %s\nwant %s", policy, want)
	}
	// These end a script early, or change how its end is found.
	for _, forbidden := range []string{"</", "<!--", "innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval(", "\r"} {
		if strings.Contains(s.code["script module"], forbidden) {
			t.Errorf("the script has %q", forbidden)
		}
	}
	if n := len(s.code["script module"]); n > 48<<10 {
		t.Errorf("the script has %d bytes", n)
	}
}

// TestLinksToSources proves that only addresses of the web become links.
func TestLinksToSources(t *testing.T) {
	cites := []string{"https://a.example/x?y=1&z=2", `https://b.example/"onclick="x`, "https://c.example/ d", "javascript:alert(1)", "the manual", "HTTPS://e.example"}
	p := &chart.Picture{Panels: []chart.Panel{{Groups: []chart.Group{{Name: "linux", Sources: []chart.Source{{Words: "linux", Cites: cites}}}}}}}
	page := pageOf(t, p, Options{})
	shapeOf(t, page)
	var got []string
	for _, m := range regexp.MustCompile(`<dd><a href="([^"]*)"`).FindAllSubmatch(page, -1) {
		got = append(got, html.UnescapeString(string(m[1])))
	}
	if want := []string{cites[0], "https://b.example/%22onclick=%22x"}; !slices.Equal(got, want) {
		t.Errorf("links to %q, want %q", got, want)
	}
	for _, c := range cites {
		if !strings.Contains(html.UnescapeString(string(page)), ">"+c+"<") {
			t.Errorf("%q is not told", c)
		}
	}
}

// TestTablesOfAPage holds the tables, which are there for those who do not see the picture,
// against the picture.
func TestTablesOfAPage(t *testing.T) {
	p := crowd(7, 40)
	p.Panels[0].Peers = []chart.Bar{{Proto: port.TCP, Ports: port.Single(389), Name: "ldap", Service: "service-00", Bind: "ldap.example", Place: "etc/x:1"}}
	var v page
	v.fill(p)
	if len(v.Claims) != 40 || len(v.Findings) != len(p.Panels[0].Findings) || len(v.Peers) != 1 || len(v.Services) != 7 || len(v.Links) != 0 || len(v.Platforms) != 0 {
		t.Errorf("%d claims, %d findings, %d connections, %d services, %d links, %d platforms", len(v.Claims), len(v.Findings), len(v.Peers), len(v.Services), len(v.Links), len(v.Platforms))
	}
	marked := 0
	for _, c := range v.Claims {
		if c.Severity > 0 {
			marked++
			if len(c.Rules) != 1 || c.Rules[0] != (rule{"error", "ephemeral-overlap"}) {
				t.Errorf("%s: %v", c.ID, c.Rules)
			}
		}
	}
	if marked != len(v.Findings) || marked == 0 {
		t.Errorf("%d claims have findings, and there are %d", marked, len(v.Findings))
	}

	// An overview shows what the panels of its hosts have, and the table has it once.
	bar := chart.Bar{Kind: chart.RTP, Proto: port.UDP, Ports: port.Single(5000), Name: "rtp", Service: "x"}
	lanes := []chart.Lane{{Proto: port.UDP, Bars: []chart.Bar{bar}}}
	fleet := &chart.Picture{Panels: []chart.Panel{
		{Title: "overview", Groups: []chart.Group{{Name: "a", Lanes: lanes}, {Name: "b", Lanes: lanes}}},
		{Title: "a", Groups: []chart.Group{{Name: "x", Lanes: lanes}}}}}
	v = page{}
	v.fill(fleet)
	if len(v.Claims) != 2 || v.Claims[0].Panel != "overview" || v.Claims[1].Panel != "a" || len(v.Links) != 2 {
		t.Errorf("%+v", v.Claims)
	}
}
