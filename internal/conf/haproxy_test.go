package conf

import "testing"

func TestHaproxyReads(t *testing.T) {
	tokenTable(t, parseHaproxy, map[string]tokenCase{
		"plain": {in: "global\n\tmaxconn 10\n\nfrontend web\n\tbind :80 name clear # x\n\tdaemon\n",
			want: "global@1:1 {\n maxconn@2:2 = 10@2:10\nfrontend@4:1 { = web@4:10\n bind@5:2(:80|name|clear) = :80 name clear@5:7\n daemon@6:2 = @6:8"},
		"sections by keyword":    {in: "global\nmaxconn 1\n  listen a\nbind :80\n", want: "global@1:1 {\n maxconn@2:1 = 1@2:9\nlisten@3:3 { = a@3:10\n bind@4:1 = :80@4:6"},
		"from":                   {in: "frontend a from d\n", want: "frontend@1:1(a|from|d) { = a from d@1:10"},
		"double quotes":          {in: "global\n a \"b # c\" d\n", want: "global@1:1 {\n a@2:2(b # c|d) = \"b # c\" d@2:4"},
		"single quotes":          {in: "global\n a 'b\\ \"$c'\n", want: "global@1:1 {\n a@2:2 = b\\ \"$c@2:5"},
		"quotes inside a word":   {in: "global\n a b\"c d\"'e'f\n", want: "global@1:1 {\n a@2:2 = bc def@2:4"},
		"escapes":                {in: "global\n a b\\ c\\#d\\\\e\\.f\\tg\\x41\\\"\n", want: "global@1:1 {\n a@2:2 = b c#d\\e\\.f\tgA\"@2:4"},
		"escapes in quotes":      {in: "global\n a \"b\\\"c\\$d\"\n", want: "global@1:1 {\n a@2:2 = b\"c$d@2:5"},
		"environment":            {in: "global\n a \"${B}:80\" \"*:$P\" $Q\n", want: "global@1:1 {\n a@2:2(${B}:80|*:${P}|$Q) = \"${B}:80\" \"*:$P\" $Q@2:4"},
		"comment inside a word":  {in: "global\n a b#c\n#d\n", want: "global@1:1 {\n a@2:2 = b@2:4"},
		"conditional":            {in: "frontend a\n.if feature(QUIC)\n bind quic4@:443\n.endif\n bind :80", want: "frontend@1:1 { = a@1:10\n .if@2:1 = feature(QUIC)@2:5\n bind@3:2 = quic4@:443@3:7\n .endif@4:1 = @4:7\n bind@5:2 = :80@5:7"},
		"before any section":     {in: ".notice x\nbind :80\nglobal\n", want: ".notice@1:1 = x@1:9\nbind@2:1 = :80@2:6\nglobal@3:1 {", rules: "broken-line@2:1"},
		"quote not closed":       {in: "global\n a \"b c\n d 1\n", want: "global@1:1 {\n a@2:2 = b c@2:4\n d@3:2 = 1@3:4", rules: "broken-line@2:4"},
		"empty in quotes":        {in: "global\n a \"\" 'b'\n \"\" c", want: "global@1:1 {\n a@2:2(|b) = \"\" 'b'@2:4\n @3:3 = c@3:5"},
		"crlf, no final newline": {in: "global\r\n a 1\r\n b \"2\"", want: "global@1:1 {\n a@2:2 = 1@2:4\n b@3:2 = 2@3:5"},
		"nul":                    {in: "global\n a \x00b", want: "global@1:1 {\n a@2:2 = \x00b@2:4"},
	})
}

func FuzzHaproxy(f *testing.F) {
	tokenFuzz(f, parseHaproxy, []string{"global\n a \"$b\\x4\\\"'c'\" '\\' #", ".if\nfrontend \"a\n bind"}, "haproxy/*.cfg")
}
