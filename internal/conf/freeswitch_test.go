package conf

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"portolan/internal/source"
)

func freeswitchRead(name, text string, files map[string]string) (*Document, string) {
	tree := (*source.Tree)(nil)
	if files != nil {
		tree = xmlTree(files)
	}
	doc, diags := xmlRead(parseFreeswitch, source.New(name, []byte(text)), tree)
	return doc, xmlFindings(doc, diags)
}

func TestFreeswitchReads(t *testing.T) {
	const set = `<X-PRE-PROCESS cmd="set" data="v=5060"/>` + "\n"
	for name, c := range map[string]struct{ in, want, findings string }{
		"plain":                {"<document>\n <p n='1'/>\n</document>\n", "document@1:2\n p@2:3\n  @n@2:5 = \"1\"@2:8\n", ""},
		"variable":             {set + "<document><p v=\"$${v}\"/></document>", "document@2:2\n p@2:12\n  @v@2:14 = \"5060\"@2:17 from \"$${v}\"\n", ""},
		"part of a value":      {set + "<document><p v=\"a:$${v};b\" w='1'/></document>", "document@2:2\n p@2:12\n  @v@2:14 = \"a:5060;b\"@2:17 from \"a:$${v};b\"\n  @w@2:28 = \"1\"@2:31\n", ""},
		"text":                 {set + "<document>\n$${v}\n</document>", "document@2:2 = \"5060\"@3:1 from \"$${v}\"\n", ""},
		"any case":             {`<x-pre-process CMD="SET" Data="V=1"/>` + "\n<document v='$${v}'/>", "document@2:2\n @v@2:11 = \"1\"@2:14 from \"$${v}\"\n", ""},
		"blanks":               {`<X-PRE-PROCESS cmd = "set" data= "v = 1 "/>` + "\n<document v='$${v}'/>", "document@2:2\n @v@2:11 = \"1 \"@2:14 from \"$${v}\"\n", ""},
		"last one wins":        {set + strings.Replace(set, "5060", "5070", 1) + "<document v='$${v}'/>", "document@3:2\n @v@3:11 = \"5070\"@3:14 from \"$${v}\"\n", ""},
		"order matters":        {"<document v='$${v}'/>\n" + set, "document@1:2\n @v@1:11 = \"\"@1:14 from \"$${v}\"\n", ""},
		"variable of variable": {set + strings.Replace(set, "v=5060", "w=1$${v}", 1) + "<document v='$${w}'/>", "document@3:2\n @v@3:11 = \"15060\"@3:14 from \"$${w}\"\n", ""},
		"not set is empty":     {"<document v='$${none}' w='a$${none}b'>$${none}</document>", "document@1:2\n @v@1:11 = \"\"@1:14 from \"$${none}\"\n @w@1:24 = \"ab\"@1:27 from \"a$${none}b\"\n", ""},
		"name in a variable":   {set + "<document><$${v}x/></document>", "document@2:2 = \"<5060x/>\"@2:11 from \"<$${v}x/>\"\n", "broken-line@2:11"},
		"host's own address":   {"<document v='$${local_ip_v4}:81' w='[$${local_ip_v6}]'/>", "document@1:2\n @v@1:11 = \"local_ip_v4:81\"@1:14 from \"$${local_ip_v4}:81\"\n @w@1:34 = \"[local_ip_v6]\"@1:37 from \"[$${local_ip_v6}]\"\n", ""},
		"host's own facts":     {"<document v='$${hostname}'/>", "document@1:2\n @v@1:11 = \"$${hostname}\"@1:14\n", ""},
		"values from outside": {`<X-PRE-PROCESS cmd="env-set" data="v=PORT"/>` + "\n" + `<X-PRE-PROCESS cmd="stun-set" data="w=stun:x"/>` + "\n<document v='$${v}' w='$${w}'/>",
			"document@3:2\n @v@3:11 = \"$${v}\"@3:14\n @w@3:21 = \"$${w}\"@3:24\n", ""},
		"exec-set":              {`<X-PRE-PROCESS cmd="exec-set" data="v= date"/>` + "\n<document v='$${v}'/>", "document@2:2\n @v@2:11 = \"$${v}\"@2:14\n", ""},
		"fragment":              {"<p v='$${v}'/>\n<p w='$${local_ip_v4}'/>", "p@1:2\n @v@1:4 = \"$${v}\"@1:7\np@2:2\n @w@2:4 = \"local_ip_v4\"@2:7 from \"$${local_ip_v4}\"\n", ""},
		"fragment that sets":    {set + "<p v='$${v}'/>", "p@2:2\n @v@2:4 = \"5060\"@2:7 from \"$${v}\"\n", ""},
		"channel variable":      {"<document v='${v}'/>", "document@1:2\n @v@1:11 = \"${v}\"@1:14\n", ""},
		"nested braces":         {"<document v='$${a{b}c}d'/>", "document@1:2\n @v@1:11 = \"d\"@1:14 from \"$${a{b}c}d\"\n", ""},
		"include lines":         {"<include>\n<document/>\n</include>\n<?xml version='1.0'?>\n", "document@2:2\n", ""},
		"include and a comment": {"<include><!-- for the validator -->\n<document/>\n</include>", "document@2:2\n", ""},
		"include and more":      {"<include><document>\n</document></include>\n", "", "broken-line@1:1 broken-line@2:1"},
		"old set":               {"<!--#set \"v=1\"-->\n<!--#set w=2-->\n<document v='$${v}' w='$${w}'/>", "document@3:2\n @v@3:11 = \"1\"@3:14 from \"$${v}\"\n @w@3:21 = \"2\"@3:24 from \"$${w}\"\n", ""},
		"old comment":           {"<document><!--#comment\n  set <p>\n $${x} -- <b/>\n end--><q/></document>", "document@1:2\n q@4:9\n", ""},
		"old form, other words": {"<!--# a b--><!--#env-set v=1-->\n<document/>", "document@2:2\n", ""},
		"comment":               {"<document><!-- $${v} <p> -->\n</document>", "document@1:2\n", ""},
		"renamed":               {`<document v='$${v}'><X-NO-PRE-PROCESS cmd="set" data="v=1"/></document>`, "document@1:2\n @v@1:11 = \"\"@1:14 from \"$${v}\"\n X-NO-PRE-PROCESS@1:22\n  @cmd@1:39 = \"set\"@1:44\n  @data@1:49 = \"v=1\"@1:55\n", ""},
		"bare ampersand":        {"<document v='a&b'>1 & 2</document>", "document@1:2 = \"1 & 2\"@1:19\n @v@1:11 = \"a&b\"@1:14\n", ""},
		"less than in a value":  {"<document v='<1>'/>", "document@1:2\n @v@1:11 = \"<1>\"@1:14\n", ""},
		"sections":              {"<document>\n<section name=\"dialplan\">\n<a/></section>\n<section name=\"configuration\">\n<b/></section></document>", "document@1:2\n section@2:2\n  @name@2:10 = \"dialplan\"@2:16\n section@4:2\n  @name@4:10 = \"configuration\"@4:16\n  b@5:2\n", ""},
		"crlf":                  {strings.ReplaceAll(set, "\n", "\r\n") + "<document v='$${v}'/>\r\n", "document@2:2\n @v@2:11 = \"5060\"@2:14 from \"$${v}\"\n", ""},

		"words about it":        {"<document><!--\nYOU CAN NOT COMMENT OUT AN X-PRE-PROCESS line -->\n--></document>", "document@1:2\n", ""},
		"in a comment":          {"<!-- " + strings.TrimSpace(set) + " -->\n<document v='$${v}'/>", "document@2:2\n @v@2:11 = \"5060\"@2:14 from \"$${v}\"\n", "ambiguous-line@1:6"},
		"in a longer comment":   {"<!--\n" + set + "-->\n<document v='$${v}'/>", "document@4:2\n @v@4:11 = \"5060\"@4:14 from \"$${v}\"\n", "ambiguous-line@2:1"},
		"more on the line":      {"<document>\n<b>" + strings.TrimSpace(set) + "</b>\n</document>", "document@1:2\n", "broken-line@2:4"},
		"single quotes":         {"<X-PRE-PROCESS cmd='set' data='v=1'/>\n<document v='$${v}'/>", "document@2:2\n @v@2:11 = \"\"@2:14 from \"$${v}\"\n", "broken-line@1:1"},
		"over two lines":        {"<document>\n<X-PRE-PROCESS cmd=\"set\"\n data=\"v=1\"/>\n</document>", "document@1:2 = \"data=\\\"v=1\\\"/>\"@3:2\n", "broken-line@2:1"},
		"no value":              {`<X-PRE-PROCESS cmd="set" data="v"/>` + "\n<document/>", "document@2:2\n", "broken-line@1:32"},
		"unknown command":       {`<X-PRE-PROCESS cmd="sett" data="v=1"/>` + "\n<document/>", "document@2:2\n", "broken-line@1:33"},
		"unterminated variable": {"<document v='$${v' w='$${x}'/>", "document@1:2\n @v@1:11 = \"$${v\"@1:14\n @w@1:20 = \"\"@1:23 from \"$${x}\"\n", "broken-line@1:14"},
		"second document":       {"<document/>\n<document/>", "document@1:2\ndocument@2:2\n", "broken-line@2:2"},
		"two hyphens":           {"<document><!-- a -- b --></document>", "document@1:2\n", "ambiguous-line@1:18"},
	} {
		t.Run(name, func(t *testing.T) {
			doc, findings := freeswitchRead("f.xml", c.in, nil)
			if got := xmlDump(doc); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
			if findings != c.findings {
				t.Errorf("findings %q, want %q", findings, c.findings)
			}
			if len(doc.Gaps) > 0 {
				t.Errorf("gaps %v", doc.Gaps)
			}
		})
	}
}

func TestFreeswitchIncludes(t *testing.T) {
	const top = `<document>
<X-PRE-PROCESS cmd="include" data="vars.xml"/>
<section name="configuration">
 <X-PRE-PROCESS cmd="include" data="auto/*.xml"/>
 <!--#include "$${conf_dir}/old.xml"-->
</section>
<section name="dialplan">
 <X-PRE-PROCESS cmd="include" data="dialplan/*.xml"/>
</section>
</document>
`
	files := map[string]string{
		"etc/fs/vars.xml":       "<include>\n<X-PRE-PROCESS cmd=\"set\" data=\"port=5070\"/>\n</include>\n",
		"etc/fs/auto/b.xml":     "<configuration name=\"b\">\n <X-PRE-PROCESS cmd=\"include\" data=\"../profiles/*.xml\"/>\n</configuration>\n",
		"etc/fs/auto/a.xml":     "<configuration name=\"a\">text\n",
		"etc/fs/auto/c.xml.off": "<no/>",
		"etc/fs/profiles/p.xml": "<include>\n  <param v=\"$${port}\"/>\n</include>",
		"etc/fs/old.xml":        "more</configuration>\n<old/>\n",
		"etc/fs/dialplan/d.xml": "<no/>\n",
	}
	doc, findings := freeswitchRead("etc/fs/freeswitch.xml", top, files)
	want := `document@1:2
 section@3:2
  @name@3:10 = "configuration"@3:16
  configuration@etc/fs/auto/a.xml:1:2 = "text\n\n \nmore"@etc/fs/auto/a.xml:1:25 from "text\n"
   @name@etc/fs/auto/a.xml:1:16 = "a"@etc/fs/auto/a.xml:1:22
   configuration@etc/fs/auto/b.xml:1:2
    @name@etc/fs/auto/b.xml:1:16 = "b"@etc/fs/auto/b.xml:1:22
    param@etc/fs/profiles/p.xml:2:4
     @v@etc/fs/profiles/p.xml:2:10 = "5070"@etc/fs/profiles/p.xml:2:13 from "$${port}"
  old@etc/fs/old.xml:2:2
 section@7:2
  @name@7:10 = "dialplan"@7:16
`
	if got := xmlDump(doc); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if findings != "" || len(doc.Gaps) != 0 {
		t.Errorf("findings %q, gaps %v", findings, doc.Gaps)
	}

	doc, _ = freeswitchRead("freeswitch.xml", "<document>\n"+`<X-PRE-PROCESS cmd="include" data="vars.xml"/>`+"\n<p v='$${port}'/></document>", nil)
	if got := xmlPlain(doc.Root); got != `document=""{p=""{@v="$${port}"{}}}` || len(doc.Gaps) != 1 || doc.Gaps[0].Text() != "vars.xml" {
		t.Errorf("without a tree: %s, gaps %v", got, doc.Gaps)
	}

	for name, c := range map[string]struct {
		include, findings string
		gaps              int
	}{
		"missing":              {"none.xml", "unreadable-file@2:36", 0},
		"nothing matches":      {"none/*.xml", "", 0},
		"above the top":        {"../../../../../none.xml", "unreadable-file@2:36", 0},
		"itself":               {"f.xml", "unreadable-file@2:36", 1},
		"each other":           {"loop.xml", "unreadable-file@loop.xml:1:36", 1},
		"folder":               {"dir", "unreadable-file@2:36", 1},
		"not known where":      {"$${base_dir}/x.xml", "", 1},
		"malformed":            {"[", "unreadable-file@2:36", 1},
		"more than one finds":  {"*", "unreadable-file@loop.xml:1:36 unreadable-file@2:36", 2},
		"outside, by absolute": {"/etc/passwd", "unreadable-file@2:36", 0},
	} {
		files := map[string]string{"f.xml": "", "loop.xml": `<X-PRE-PROCESS cmd="include" data="loop.xml"/>`, "dir/x": ""}
		doc, findings := freeswitchRead("f.xml", "<document>\n<X-PRE-PROCESS cmd=\"include\" data=\""+c.include+"\"/>\n<p/></document>", files)
		if findings != c.findings || len(doc.Gaps) != c.gaps || len(doc.Root.Children) != 1 || len(doc.Root.Children[0].Children) != 1 {
			t.Errorf("%s: findings %q, %d gaps, %s", name, findings, len(doc.Gaps), xmlPlain(doc.Root))
		}
	}
	if _, findings := freeswitchRead("f.xml", `<X-PRE-PROCESS cmd="exec" data="cat x"/>`+"\n<document/>", nil); findings != "unreadable-file@1:33" {
		t.Errorf("exec: %q", findings)
	}
}

// TestFreeswitchIsBounded gives texts that grow, and such that cost the most for their
// size.
func TestFreeswitchIsBounded(t *testing.T) {
	const size = 1 << 18
	set := func(name, value string) string {
		return `<X-PRE-PROCESS cmd="set" data="` + name + "=" + value + "\"/>\n"
	}
	double := set("a", strings.Repeat("x", 100))
	for range 40 {
		double += set("a", "$${a}$${a}")
	}
	texts := map[string]string{"doubling": double + "<document>$${a}$${a}</document>", "long variable": set("a", strings.Repeat("x", 1<<19)) + strings.Repeat("$${a}\n", 1<<16),
		"many variables": strings.Repeat(set("a", strings.Repeat("$${a}x", 20)), 1000)}
	for name, unit := range map[string]string{
		"unset": "$${}", "unset lines": "$${a}\n", "unterminated": "$${", "instructions": "<??>", "comments": "<!---->", "directive": "<!--#", "directives": "<!--#set a=b-->",
		"tag": "<X-PRE-PROCESS ", "tags": "<X-PRE-PROCESS\n", "words": "x-pre-proces", "include tags": "<include>", "elements": "<a>\n", "braces": "$${{",
		"sections": "<section name=\"a\">\n", "dropped": "<include>x\n", "includes": "<X-PRE-PROCESS cmd=\"include\" data=\"*\"/>\n",
	} {
		texts[name] = strings.Repeat(unit, size/len(unit))
	}
	for name, text := range texts {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		doc, _ := freeswitchRead("f.xml", text, map[string]string{"f.xml": text, "g.xml": text})
		runtime.ReadMemStats(&after)
		if got := after.TotalAlloc - before.TotalAlloc; got > 16*xmlBytes {
			t.Errorf("%s: %d MB allocated", name, got>>20)
		}
		if n := xmlCheck(t, doc); n > MaxNodes {
			t.Errorf("%s: %d nodes", name, n)
		}
	}
}

// TestFreeswitchIncludingIsPasting holds that a file which is included says the same as
// one that stands there, and comments and blank lines change nothing.
func TestFreeswitchIncludingIsPasting(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		files := map[string]string{}
		var build func(depth int) (parts, pasted string)
		build = func(depth int) (parts, pasted string) {
			for range rapid.IntRange(0, 5).Draw(t, "lines") {
				line := rapid.SampledFrom([]string{`<p n="a" v="$${x}"/>`, `<p n="b" v="1$${y}2"/>`, "$${x}", `<X-PRE-PROCESS cmd="set" data="x=5060"/>`, `<X-PRE-PROCESS cmd="set" data="y=$${x}$${x}"/>`,
					"<!-- a -->", "", "<include>"}).Draw(t, "line") + "\n"
				if depth < 3 && rapid.IntRange(0, 3).Draw(t, "include") == 0 {
					name := "inc" + string(rune('a'+len(files))) + ".xml"
					files[name] = ""
					inner, flat := build(depth + 1)
					files[name] = inner
					parts += `<X-PRE-PROCESS cmd="include" data="` + name + `"/>` + "\n"
					pasted += flat
				}
				parts += line
				if !strings.HasPrefix(line, "<!--") && line != "\n" && !strings.HasPrefix(line, "<include>") {
					pasted += line
				}
			}
			return parts, pasted
		}
		parts, pasted := build(0)
		a, findings := freeswitchRead("f.xml", "<document>\n"+parts+"</document>", files)
		b, _ := freeswitchRead("f.xml", "<document>\n"+pasted+"</document>", files)
		blanks := strings.NewReplacer(`\n`, "")
		if x, y := blanks.Replace(xmlPlain(a.Root)), blanks.Replace(xmlPlain(b.Root)); x != y {
			t.Fatalf("included\n%s\npasted\n%s\n%s", x, y, parts)
		}
		if findings != "" {
			t.Fatalf("findings %s for\n%s", findings, parts)
		}
	})
}

func TestFreeswitchCorpus(t *testing.T) {
	root, names := xmlCorpus(t, "freeswitch", "freeswitch-sbc", "freeswitch-unimrcp")
	if len(names) == 0 {
		t.Skip("no corpus: set PORTOLAN_CORPUS to the folder with the real configuration files")
	}
	tree, err := source.OpenTree(root)
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	for _, name := range names {
		f, err := tree.Read(name)
		if err != nil {
			t.Fatal(err)
		}
		doc, diags := xmlRead(parseFreeswitch, f, tree)
		// Each dialplan and language that the corpus has not is named by a pattern or in a
		// section without ports, so nothing is missing.
		if len(diags) > 0 {
			t.Errorf("%s: %s: %s", name, xmlFindings(doc, diags), diags[0].Message)
		}
		if xmlCheck(t, doc) == 0 && !strings.HasSuffix(name, "/vars.xml") { // that has nothing but variables
			t.Errorf("%s: no nodes", name)
		}
		xmlExact(t, doc)
		if len(doc.Gaps) > 0 {
			t.Errorf("%s: gaps %v", name, doc.Gaps)
		}
	}
	f, err := tree.Read("freeswitch/freeswitch.xml")
	if err != nil {
		t.Fatal(err)
	}
	doc, _ := xmlRead(parseFreeswitch, f, tree)
	var found []string
	var walk func(n *Node)
	walk = func(n *Node) {
		if len(n.Children) > 1 && n.Name == "param" && (n.Children[0].Value == "sip-port" || n.Children[0].Value == "bind-local") {
			v := n.Children[1]
			found = append(found, v.Value+" "+strings.TrimPrefix(v.ValueSpan.String(), "freeswitch/")+" "+v.ValueSpan.Text())
		}
		for _, c := range n.Children {
			walk(c)
		}
	}
	walk(doc.Root)
	if got, want := strings.Join(found, "\n"), `5080 sip_profiles/external-ipv6.xml:28:35 $${external_sip_port}
5080 sip_profiles/external.xml:28:35 $${external_sip_port}
5060 sip_profiles/internal-ipv6.xml:15:35 $${internal_sip_port}
5060 sip_profiles/internal.xml:90:35 $${internal_sip_port}
local_ip_v4:8081 autoload_configs/verto.conf.xml:16:39 $${local_ip_v4}:8081
local_ip_v4:8082 autoload_configs/verto.conf.xml:17:39 $${local_ip_v4}:8082
[local_ip_v6]:8081 autoload_configs/verto.conf.xml:41:39 [$${local_ip_v6}]:8081
[local_ip_v6]:8082 autoload_configs/verto.conf.xml:42:39 [$${local_ip_v6}]:8082`; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func FuzzFreeswitch(f *testing.F) {
	root, names := xmlCorpus(f, "freeswitch", "freeswitch-sbc", "freeswitch-unimrcp")
	for _, name := range names {
		if text, err := os.ReadFile(filepath.Join(root, name)); err == nil && len(text) < 20_000 {
			f.Add(text, []byte(""))
		}
	}
	for _, seed := range []string{`<X-PRE-PROCESS cmd="include" data="g.xml"/>` + "\n<document v='$${v}$${w}'/>", "<!--#include g.xml--><a", "<!--#include \"*\"", "$${v}<document>$${v}</$${x}document>"} {
		f.Add([]byte(seed), []byte(`<X-PRE-PROCESS cmd="set" data="v=1"/>`+"\n<b c='$${v}"))
	}
	f.Fuzz(func(t *testing.T, raw, included []byte) {
		tree := xmlTree(map[string]string{"f.xml": string(raw), "g.xml": string(included)})
		doc, diags := xmlRead(parseFreeswitch, source.New("f.xml", raw), tree)
		if xmlCheck(t, doc) > MaxNodes {
			t.Fatal("too many nodes")
		}
		xmlFinished(t, diags)
		if !bytes.ContainsAny(raw, "$#\r") && !bytes.ContainsAny(included, "$#\r") {
			xmlExact(t, doc)
		}
		again, _ := xmlRead(parseFreeswitch, source.New("f.xml", raw), tree)
		if xmlPlain(again.Root) != xmlPlain(doc.Root) {
			t.Fatal("reading twice differs")
		}
	})
}
