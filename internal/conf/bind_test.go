package conf

import "testing"

func TestBindReads(t *testing.T) {
	tokenTable(t, parseBind, map[string]tokenCase{
		"plain": {in: "options {\n\tlisten-on port 53 { 10.0.0.1; !any; };\n\tport 666;\n};\n",
			want: "options@1:1 {\n listen-on@2:2(port|53) { = port 53@2:12\n  10.0.0.1@2:22 = @2:30\n  !any@2:32 = @2:36\n port@3:2 = 666@3:7"},
		"comments":             {in: "a 1; // b 2;\n# c 3;\n/* d\n4; */ e 5;\nf g#h\n;", want: "a@1:1 = 1@1:3\ne@4:7 = 5@4:9\nf@5:1 = g@5:3"},
		"comment inside":       {in: "a 10/*x*/;", want: "a@1:1 = 10@1:3"},
		"prefix":               {in: "a { 10/8; ::1/128; };", want: "a@1:1 {\n 10/8@1:5 = @1:9\n ::1/128@1:11 = @1:18"},
		"strings":              {in: "a \"b;{ // \\\"c\\\\\";", want: "a@1:1 = b;{ // \"c\\\\@1:4"},
		"string over lines":    {in: "a \"b\nc\";\nd 1;", want: "a@1:1 = b\nc@1:4\nd@3:1 = 1@3:3"},
		"string ends a word":   {in: "zone\"x\"{ a 1; };", want: "zone@1:1 { = x@1:6\n a@1:10 = 1@1:12"},
		"list in a list":       {in: "acl x { { !10/8; any; }; };", want: "acl@1:1 { = x@1:5\n @1:9 {\n  !10/8@1:11 = @1:16\n  any@1:18 = @1:21"},
		"members with words":   {in: "primaries { 1.2.3.4 port 10 key \"k\"; };", want: "primaries@1:1 {\n 1.2.3.4@1:13(port|10|key|k) = port 10 key \"k\"@1:21"},
		"behind a block":       {in: "controls { inet * port 953 allow { any; } keys { \"k\"; }; };", want: "controls@1:1 {\n inet@1:12(*|port|953|allow) { = * port 953 allow@1:17\n  any@1:36 = @1:39\n keys@1:43 {\n  k@1:51 = @1:53"},
		"dhcpd":                {in: "subnet 10.0.0.0 netmask 255.0.0.0 {\n range 10.0.0.1 10.0.0.9;\n}\nomapi-port 7911;", want: "subnet@1:1(10.0.0.0|netmask|255.0.0.0) { = 10.0.0.0 netmask 255.0.0.0@1:8\n range@2:2(10.0.0.1|10.0.0.9) = 10.0.0.1 10.0.0.9@2:8\nomapi-port@4:1 = 7911@4:12"},
		"keys":                 {in: "server 10.0.0.1 { keys { k }; };\nb { c };", want: "server@1:1 { = 10.0.0.1@1:8\n keys@1:19 {\n  k@1:26 = @1:27\nb@2:1 {\n c@2:5 = @2:6", rules: "broken-line@2:5"},
		"no end":               {in: "a 1", want: "a@1:1 = 1@1:3", rules: "broken-line@1:3"},
		"quote not closed":     {in: "a \"b;\nc 1;", want: "a@1:1 = b@1:4\nc@2:1 = 1@2:3", rules: "broken-line@1:3"},
		"comment not closed":   {in: "a 1; /* b\nc 1;", want: "a@1:1 = 1@1:3\nc@2:1 = 1@2:3", rules: "broken-line@1:6"},
		"block not closed":     {in: "a { b; };\nc { d;", want: "a@1:1 {\n b@1:5 = @1:6\nc@2:1 {\n d@2:5 = @2:6", rules: "broken-line@2:1"},
		"brace too many":       {in: "a 1;\n};\nb 2;", want: "a@1:1 = 1@1:3\nb@3:1 = 2@3:3", rules: "broken-line@2:1"},
		"template, not a list": {in: "port {{ p }};\nacl x {{ any; }; };", want: "port@1:1 = {{ p }}@1:6\nacl@2:1 { = x@2:5\n @2:8 {\n  any@2:10 = @2:13"},
	})
}

// TestBindDirectory looks relative includes up where "directory" says, from there on.
func TestBindDirectory(t *testing.T) {
	doc, diags := tokenTree(t, parseBind, "etc/bind/named.conf", map[string]string{
		"etc/bind/named.conf": "include \"a\";\noptions { directory \"/var/named\"; };\ninclude \"a\";\ninclude \"/etc/bind/a\";\n",
		"etc/bind/a":          "beside;", "var/named/a": "below;",
	})
	want := "beside@etc/bind/a@1:1 = @etc/bind/a@1:7\noptions@2:1 {\n directory@2:11 = /var/named@2:22\nbelow@var/named/a@1:1 = @var/named/a@1:6\nbeside@etc/bind/a@1:1 = @etc/bind/a@1:7\n"
	if got := tokenDump(doc); got != want || len(diags) > 0 {
		t.Errorf("%v\ngot\n%s\nwant\n%s", diags, got, want)
	}
}

func FuzzBind(f *testing.F) {
	tokenFuzz(f, parseBind, []string{"a /* { \"\n} b\\\"c; // \n#", "options { directory \"/d\"; }; include \"b.conf\"; include \"a.conf\";"}, "bind/*.conf")
}
