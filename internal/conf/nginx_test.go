package conf

import "testing"

func TestNginxReads(t *testing.T) {
	tokenTable(t, parseNginx, map[string]tokenCase{
		"plain": {in: "http {\n    server {\n        listen 80 default_server;\n        listen [::]:443 ssl;\n    }\n}\n",
			want: "http@1:1 {\n server@2:5 {\n  listen@3:9(80|default_server) = 80 default_server@3:16\n  listen@4:9([::]:443|ssl) = [::]:443 ssl@4:16\n"},
		"one argument":          {in: "user nginx;", want: "user@1:1 = nginx@1:6"},
		"no argument":           {in: "ip_hash;", want: "ip_hash@1:1 = @1:8"},
		"block arguments":       {in: "location ~ \\.php$ { a 1; }", want: "location@1:1(~|\\.php$) { = ~ \\.php$@1:10\n a@1:21 = 1@1:23"},
		"quotes":                {in: `a "b ; { } # c" 'd "e"';`, want: `a@1:1(b ; { } # c|d "e") = "b ; { } # c" 'd "e"'@1:3`},
		"a quoted argument":     {in: `a "80";`, want: "a@1:1 = 80@1:4"},
		"empty in quotes":       {in: `a "";`, want: "a@1:1 = @1:4"},
		"escapes":               {in: `a "b\"c\\d\te\q" f\;g;`, want: "a@1:1(b\"c\\d\te\\q|f\\;g) = \"b\\\"c\\\\d\\te\\q\" f\\;g@1:3"},
		"comment":               {in: "# { ;\na 1; # b 2;\nc d#e;", want: "a@2:1 = 1@2:3\nc@3:1 = d#e@3:3"},
		"brace in a word":       {in: "a b}c;", want: "a@1:1 = b}c@1:3"},
		"variable in braces":    {in: "a http://${h}:80/;\nb 1;", want: "a@1:1 = http://${h}:80/@1:3\nb@2:1 = 1@2:3"},
		"template":              {in: "listen {{ port }} ssl;\nlisten {{p}};", want: "listen@1:1({{ port }}|ssl) = {{ port }} ssl@1:8\nlisten@2:1 = {{p}}@2:8"},
		"bracket behind quotes": {in: `if ($a = "b{2}") { c 1; }`, want: "if@1:1(($a|=|b{2}|)) { = ($a = \"b{2}\")@1:4\n c@1:20 = 1@1:22"},
		"several lines":         {in: "log_format main 'a'\n   'b';\nc 1;", want: "log_format@1:1(main|a|b) = main 'a'\n   'b'@1:12\nc@3:1 = 1@3:3"},
		"crlf":                  {in: "a 1;\r\nb 2;\r\n", want: "a@1:1 = 1@1:3\nb@2:1 = 2@2:3"},
		"map":                   {in: "map $a $b {\n default 0;\n \"~^a{2};\" 1;\n}\nc 1;", want: "map@1:1($a|$b) { = $a $b@1:5\n default@2:2 = 0@2:10\n ~^a{2};@3:3 = 1@3:12\nc@5:1 = 1@5:3"},
		"lua": {in: "location / {\n content_by_lua_block {\n  local t = { a = \"}\" } -- }\n  --[[ } ]] x = '\\'}' y = [=[ }]] ]=]\n }\n}\nlisten 1;",
			want: "location@1:1 { = /@1:10\n content_by_lua_block@2:2 {\nlisten@7:1 = 1@7:8"},
		"lua without end":                 {in: "a 1;\nx_by_lua_block { {\nb 2; }", want: "a@1:1 = 1@1:3\nx_by_lua_block@2:1 {", rules: "broken-line@2:1", gaps: 1},
		"no end":                          {in: "a 1", want: "a@1:1 = 1@1:3", rules: "broken-line@1:3"},
		"no end in block":                 {in: "a { b 1 }\nc 1;", want: "a@1:1 {\n b@1:5 = 1@1:7\nc@2:1 = 1@2:3", rules: "broken-line@1:7"},
		"block not closed":                {in: "a {\nb 1;\n", want: "a@1:1 {\n b@2:1 = 1@2:3", rules: "broken-line@1:1"},
		"brace too many":                  {in: "a 1;\n}\nb 2;", want: "a@1:1 = 1@1:3\nb@3:1 = 2@3:3", rules: "broken-line@2:1"},
		"no statement":                    {in: "a 1;;\n", want: "a@1:1 = 1@1:3", rules: "broken-line@1:5"},
		"no name":                         {in: "{ a 1; }", want: "@1:1 {\n a@1:3 = 1@1:5", rules: "broken-line@1:1"},
		"quote not closed":                {in: "a \"80;\nb 2;\n", want: "a@1:1 = 80@1:4\nb@2:1 = 2@2:3", rules: "broken-line@1:3"},
		"quote not closed, others follow": {in: "a \"80;\nb \"2\";\n", want: "a@1:1 = 80@1:4\nb@2:1 = 2@2:4", rules: "broken-line@1:3"},
		"nul and latin-1":                 {in: "a \x00\xfc;", want: "a@1:1 = \x00\xfc@1:3"},
		"empty":                           {},
	})
}

// TestNginxIncludes looks names up beside the document and not beside the including file.
func TestNginxIncludes(t *testing.T) {
	doc, diags := tokenTree(t, parseNginx, "etc/nginx/nginx.conf", map[string]string{
		"etc/nginx/nginx.conf":    "http {\n include conf.d/*.conf;\n include none/*.conf;\n}\n",
		"etc/nginx/conf.d/b.conf": "server { include listen.conf; }\n",
		"etc/nginx/conf.d/a.conf": "server { listen 1; }\n",
		"etc/nginx/listen.conf":   "listen 2;\n",
	})
	want := "http@1:1 {\n server@etc/nginx/conf.d/a.conf@1:1 {\n  listen@etc/nginx/conf.d/a.conf@1:10 = 1@etc/nginx/conf.d/a.conf@1:17\n" +
		" server@etc/nginx/conf.d/b.conf@1:1 {\n  listen@etc/nginx/listen.conf@1:1 = 2@etc/nginx/listen.conf@1:8\n"
	if got := tokenDump(doc); got != want || len(diags)+len(doc.Gaps) > 0 {
		t.Errorf("%v\ngot\n%s\nwant\n%s", diags, got, want)
	}
}

func FuzzNginx(f *testing.F) {
	tokenFuzz(f, parseNginx, []string{"a \"\n{} b' c;", "x_by_lua_block { [==[ ]==] -- \n}", "include a.conf; include d/*.conf;", "a ${b}{{c}}\\\"d;"}, "nginx/*.conf", "srs/*.conf")
}
