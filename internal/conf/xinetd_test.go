package conf

import "testing"

func TestXinetdReads(t *testing.T) {
	tokenTable(t, parseXinetd, map[string]tokenCase{
		"entry": {in: "# a\nservice time\n{\n\ttype\t= INTERNAL UNLISTED\n port = 37\n}\n",
			want: "service@2:1 { = time@2:9\n type@4:2(INTERNAL|UNLISTED) = INTERNAL UNLISTED@4:9\n port@5:2 = 37@5:9"},
		"defaults":           {in: "defaults\n{\n disabled = a b\n disabled += c\n disabled -= a\n}\n", want: "defaults@1:1 {\n disabled@3:2(a|b) = a b@3:13\n disabled@4:2 + = c@4:14"},
		"no blank behind =":  {in: "service x\n{\n port =37\n bind +=10.0.0.1\n}", want: "service@1:1 { = x@1:9\n port@3:2 = 37@3:8\n bind@4:2 + = 10.0.0.1@4:9"},
		"no blank before =":  {in: "service x\n{\n port=37\n}", want: "service@1:1 { = x@1:9", rules: "broken-line@3:2"},
		"no operator":        {in: "service x\n{\n port 37\n}", want: "service@1:1 { = x@1:9", rules: "broken-line@3:2"},
		"brace elsewhere":    {in: "service x {\n port = 1\n}\nservice y\n{\n}", want: "service@4:1 { = y@4:9", rules: "broken-line@2:2"},
		"not closed":         {in: "service x\n{\n port = 1\n", want: "", rules: "broken-line@4:1"},
		"neither":            {in: "port = 1\n}\nservice y\n{\n}", want: "service@3:1 { = y@3:9", rules: "broken-line@1:1"},
		"comment in a value": {in: "service x\n{\n port = 1 # 2\n}", want: "service@1:1 { = x@1:9\n port@3:2(1|#|2) = 1 # 2@3:9"},
	})
}

// TestXinetdFolders reads the files of a folder but those with a dot or "~", and folders.
func TestXinetdFolders(t *testing.T) {
	entry := func(name string) string { return "service " + name + "\n{\n}\n" }
	doc, diags := tokenTree(t, parseXinetd, "etc/xinetd.conf", map[string]string{
		"etc/xinetd.conf": "include /etc/one.conf\nincludedir /etc/xinetd.d\n", "etc/one.conf": entry("one"),
		"etc/xinetd.d/b": entry("b"), "etc/xinetd.d/a": entry("a"), "etc/xinetd.d/a.rpmsave": entry("old"), "etc/xinetd.d/a~": entry("older"), "etc/xinetd.d/off/c": entry("c"),
	})
	want := "service@etc/one.conf@1:1 { = one@etc/one.conf@1:9\nservice@etc/xinetd.d/a@1:1 { = a@etc/xinetd.d/a@1:9\nservice@etc/xinetd.d/b@1:1 { = b@etc/xinetd.d/b@1:9\n"
	if got := tokenDump(doc); got != want || len(diags) > 0 {
		t.Errorf("%v\ngot\n%s\nwant\n%s", diags, got, want)
	}
}

func FuzzXinetd(f *testing.F) {
	tokenFuzz(f, parseXinetd, []string{"service a\n{\nb = c\n}\n}\n{\n", "include a.conf\nincludedir d\ndefaults\n{\nx -= \n"}, "xinetd/*.conf", "xinetd/xinetd.d/*")
}
