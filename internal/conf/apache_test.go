package conf

import (
	"strings"
	"testing"
)

func TestApacheReads(t *testing.T) {
	tokenTable(t, parseApache, map[string]tokenCase{
		"plain": {in: "Listen 80\n<IfModule ssl_module>\n  Listen [::]:443 https\n</IfModule>\nUser www\n",
			want: "Listen@1:1 = 80@1:8\nIfModule@2:2 { = ssl_module@2:11\n Listen@3:3([::]:443|https) = [::]:443 https@3:10\nUser@5:1 = www@5:6"},
		"nested":                     {in: "<VirtualHost *:80 [::]:80>\n<Directory \"/a b\">\nX 1\n</Directory>\n</virtualhost>\nY 2", want: "VirtualHost@1:2(*:80|[::]:80) { = *:80 [::]:80@1:14\n Directory@2:2 { = /a b@2:13\n  X@3:1 = 1@3:3\nY@6:1 = 2@6:3"},
		"comments":                   {in: "# Listen 1\n  # x\nListen 2 # y\n", want: "Listen@3:1(2|#|y) = 2 # y@3:8"},
		"continuation":               {in: "Listen \\\n  80 \\\r\n https\nUser a\\\nb\n", want: "Listen@1:1(80|https) = 80 \\\r\n https@2:3\nUser@4:1 = ab@4:6"},
		"continuation at the end":    {in: "Listen 80 \\", want: "Listen@1:1(80|\\) = 80 \\@1:8"},
		"joins the end of the file":  {in: "Listen 80 \\\n", want: "Listen@1:1 = 80@1:8"},
		"comment takes a line":       {in: "# x \\\nListen 80\n# y \\\n# z\nListen 81", want: "Listen@5:1 = 81@5:8", rules: "ambiguous-line@2:1"},
		"quotes":                     {in: "A \"b \\\"c\\\" \\\\ \\d\" 'e \"f\"' g\\\\h\n", want: "A@1:1(b \"c\" \\ \\d|e \"f\"|g\\h) = \"b \\\"c\\\" \\\\ \\d\" 'e \"f\"' g\\\\h@1:3"},
		"variables":                  {in: "Define P 8080\nDefine Q ${P}\nListen ${Q}\nListen *:${P} x\nListen ${R}\nUnDefine P\nListen ${P}\n", want: "Define@1:1(P|8080) = P 8080@1:8\nDefine@2:1(Q|8080) = Q 8080@2:8\nListen@3:1 = 8080@3:8\nListen@4:1(*:8080|x) = *:8080 x@4:8\nListen@5:1 = ${R}@5:8\nUnDefine@6:1 = P@6:10\nListen@7:1 = ${P}@7:8"},
		"not closed":                 {in: "<A b>\nC 1\n", want: "A@1:2 { = b@1:4\n C@2:1 = 1@2:3", rules: "broken-line@1:2"},
		"inner not closed":           {in: "<A>\n<B>\nC 1\n</A>\nD 2\n", want: "A@1:2 {\n B@2:2 {\n  C@3:1 = 1@3:3\nD@5:1 = 2@5:3", rules: "broken-line@2:2"},
		"closes nothing":             {in: "A 1\n</B>\nC 2\n", want: "A@1:1 = 1@1:3\nC@3:1 = 2@3:3", rules: "broken-line@2:1"},
		"no bracket":                 {in: "<A b\nC 1\n</A\nD 2", want: "A@1:2 { = b@1:4\n C@2:1 = 1@2:3\nD@4:1 = 2@4:3", rules: "broken-line@1:1"},
		"no name":                    {in: "<>\nA 1\n< >\n", want: "A@2:1 = 1@2:3", rules: "broken-line@1:1 broken-line@3:1"},
		"quote not closed":           {in: "A \"b c\nD 1\n", want: "A@1:1 = b c@1:4\nD@2:1 = 1@2:3", rules: "broken-line@1:3"},
		"a bracket inside arguments": {in: "<If \"%{X} -ge 1 && a > b\">\nA 1\n</If>\n", want: "If@1:2 { = %{X} -ge 1 && a > b@1:6\n A@2:1 = 1@2:3"},
		"template":                   {in: "Listen @@Port@@\n<VirtualHost *:@@Port@@>\n</VirtualHost>", want: "Listen@1:1 = @@Port@@@1:8\nVirtualHost@2:2 { = *:@@Port@@@2:14"},
	})
}

func TestApacheDepth(t *testing.T) {
	doc, diags := tokenTree(t, parseApache, "a.conf", map[string]string{"a.conf": strings.Repeat("<A>\n", 100) + "B 1\n" + strings.Repeat("</A>\n", 100) + "C 1\n"})
	depth := 0
	for n := doc.Root; len(n.Children) > 0; n = n.Children[0] {
		depth++
	}
	if last := doc.Root.Children[len(doc.Root.Children)-1]; depth != maxTokenDepth || last.Name != "C" || len(doc.Gaps) != 1 || len(diags) != 1 {
		t.Errorf("depth %d, last %s, gaps %v, findings %v", depth, last.Name, doc.Gaps, diags)
	}
}

// TestApacheIncludes looks relative names up below ServerRoot, which the folder of the
// document tells when no line does.
func TestApacheIncludes(t *testing.T) {
	files := map[string]string{
		"etc/apache2/apache2.conf":            "Include ports.conf\nIncludeOptional sites-enabled/*.conf none.conf\nInclude conf.d\n",
		"etc/apache2/ports.conf":              "Listen 80\n",
		"etc/apache2/sites-enabled/a.conf":    "<VirtualHost *:80>\nInclude /etc/apache2/ports.conf\n</VirtualHost>\n",
		"etc/apache2/conf.d/x":                "X 1\n",
		"etc/apache2/conf.d/sub/y":            "Y 1\n",
		"etc/httpd/conf/httpd.conf":           "Include conf.d/*.conf\n",
		"etc/httpd/conf.d/ssl.conf":           "Listen 443\n",
		"usr/local/etc/apache24/httpd.conf":   "ServerRoot \"/usr/local\"\nInclude etc/apache24/extra.conf\n",
		"usr/local/etc/apache24/extra.conf":   "Listen 8080\n",
		"usr/local/etc/apache24/another.conf": "Include missing.conf\nListen 1\n",
	}
	for main, want := range map[string]string{
		"etc/apache2/apache2.conf":          "Listen = 80\nVirtualHost { = *:80\n Listen = 80\nY = 1\nX = 1\n",
		"etc/httpd/conf/httpd.conf":         "Listen = 443\n",
		"usr/local/etc/apache24/httpd.conf": "ServerRoot = /usr/local\nListen = 8080\n",
	} {
		doc, diags := tokenTree(t, parseApache, main, files)
		got := tokenDump(doc)
		for name := range files {
			got = strings.ReplaceAll(got, "@"+name, "")
		}
		if got = tokenPlaces.ReplaceAllString(got, ""); got != want || len(diags)+len(doc.Gaps) > 0 {
			t.Errorf("%s: %v\ngot\n%s\nwant\n%s", main, diags, got, want)
		}
	}
	if doc, diags := tokenTree(t, parseApache, "usr/local/etc/apache24/another.conf", files); len(doc.Gaps) != 1 || tokenRulesOf(diags) != "unreadable-file@1:9" || len(doc.Root.Children) != 1 {
		t.Errorf("a missing include: %v", diags)
	}
}

// TestApacheVariables does not let variables grow without bound.
func TestApacheVariables(t *testing.T) {
	doc, _ := tokenTree(t, parseApache, "a.conf", map[string]string{"a.conf": "Define A 0123456789\n" + strings.Repeat("Define A ${A}${A}\n", 40) + "Listen ${A}\n"})
	last := doc.Root.Children[len(doc.Root.Children)-1]
	if len(last.Value) > 3*maxTokenExpands || last.ValueSpan.Text() != "${A}" {
		t.Errorf("a value of %d bytes at %q", len(last.Value), last.ValueSpan.Text())
	}
}

func FuzzApache(f *testing.F) {
	tokenFuzz(f, parseApache, []string{"<A \"b\\\n>\n</A", "Define a ${a}\nDefine b ${a}${a}\nX ${b}", "Include a.conf\nInclude d\n", "# \\\n\\\r\n<\n"}, "httpd/*.in", "httpd/extra/*.in", "proftpd/*.conf")
}
