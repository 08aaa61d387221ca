package conf

import "testing"

func TestRsyslogReads(t *testing.T) {
	tokenTable(t, parseRsyslog, map[string]tokenCase{
		"legacy":       {in: "# $A 1\n$ModLoad imudp # x\n$UDPServerRun 1514\n", want: "$ModLoad@2:1 = imudp@2:10\n$UDPServerRun@3:1 = 1514@3:15"},
		"address":      {in: "$UDPServerRun 1513\n$UDPServerAddress 10.0.0.5\n$UDPServerRun 1514\n$InputTCPServerRun 1515", want: "$UDPServerRun@1:1 = 1513@1:15\n$UDPServerAddress@2:1 = 10.0.0.5@2:19\n$UDPServerRun@3:1(1514|10.0.0.5) = 1514@3:15\n$InputTCPServerRun@4:1 = 1515@4:20"},
		"object":       {in: "module(load=\"imtcp\" MaxSessions=\"5\")\ninput(type = \"imtcp\"\n  port=1514)", want: "module@1:1 {\n load@1:8 = imtcp@1:14\n MaxSessions@1:21 = 5@1:34\ninput@2:1 {\n type@2:7 = imtcp@2:15\n port@3:3 = 1514@3:8"},
		"list":         {in: "input(type=\"imudp\" port=[\"1514\", \"1515\"])", want: "input@1:1 {\n type@1:7 = imudp@1:13\n port@1:20 = 1514@1:27\n port@1:20 = 1515@1:35"},
		"comments":     {in: "/* input(type=\"x\")\n*/ input( # a )\n /* b) */ port=\"1\" )", want: "input@2:4 {\n port@3:11 = 1@3:17"},
		"forwarding":   {in: "*.* @@log.example:1514;RSYSLOG_X\nmail.*;*.=err @(z9)[2001:db8::1]:514\n& @192.0.2.1\n*.* :omrelp:192.0.2.2:2514;T\n", want: "@@@1:5 = log.example:1514@1:7\n@@2:15 = [2001:db8::1]:514@2:20\n@@3:3 = 192.0.2.1@3:4\n:omrelp:@4:5 = 192.0.2.2:2514@4:13"},
		"other action": {in: "*.* /var/log/a@b:1\nmail.* -/var/log/@@c:2\n*.emerg :omusrmsg:*\n*.* root,@@d\nkern.* |/dev/x\n!prog\n+@@host\n", want: ":omusrmsg:@3:9 = *@3:19"},
		"filter":       {in: ":msg, contains, \"a @@b:1\" @@log.example:1514\n", want: "@@@1:27 = log.example:1514@1:29"},
		"script":       {in: "if $msg contains 'input(type=\"a\")' and f($x) then {\n action(type=\"omfwd\" target=\"t\")\n} else stop\nset $!a = \"action(b=1)\";\nforeach ($.a in $!b) do { call c }\n", want: "action@2:2 {\n type@2:9 = omfwd@2:15\n target@2:22 = t@2:30"},
		"ruleset":      {in: "ruleset(name=\"r\") {\n *.* action(type=\"omfwd\" port=\"1514\")\n}", want: "ruleset@1:1 {\n name@1:9 = r@1:15\naction@2:6 {\n type@2:13 = omfwd@2:19\n port@2:26 = 1514@2:32"},
		"environment":  {in: "input(type=\"imtcp\" port=`echo $PORT`)", want: "input@1:1 {\n type@1:7 = imtcp@1:13\n port@1:20 = $(echo $PORT)@1:25"},
		"escapes":      {in: "input(a=\"x\\\"y)\" b=\"2\")", want: "input@1:1 {\n a@1:7 = x\"y)@1:10\n b@1:17 = 2@1:20"},
		"joined lines": {in: "*.* /var/log/a \\\n@@not:1\n*.* @@yes:1", want: "@@@3:5 = yes:1@3:7"},
		"not closed":   {in: "input(port=\"1\"\n", want: "input@1:1 {\n port@1:7 = 1@1:13", rules: "broken-line@1:1"},
		"no end":       {in: "/* input()\n", want: "", rules: "broken-line@1:1"},
		"quote":        {in: "input(port=\"1)\n", want: "input@1:1 {\n port@1:7 = @1:12", rules: "broken-line@1:12 broken-line@1:1"},
	})
}

func TestRsyslogIncludes(t *testing.T) {
	doc, diags := tokenTree(t, parseRsyslog, "etc/rsyslog.conf", map[string]string{
		"etc/rsyslog.conf":     "$IncludeConfig /etc/rsyslog.d/*.conf\ninclude(file=\"/etc/more.conf\")\ninclude(file=\"/etc/none.conf\" mode=\"optional\")\n$Z 1\n",
		"etc/rsyslog.d/a.conf": "$A 1\n", "etc/rsyslog.d/b.conf": "$B 1", "etc/more.conf": "$C 1\n",
	})
	want := "$A@etc/rsyslog.d/a.conf@1:1 = 1@etc/rsyslog.d/a.conf@1:4\n$B@etc/rsyslog.d/b.conf@1:1 = 1@etc/rsyslog.d/b.conf@1:4\n$C@etc/more.conf@1:1 = 1@etc/more.conf@1:4\n$Z@4:1 = 1@4:4\n"
	if got := tokenDump(doc); got != want || len(diags) > 0 {
		t.Errorf("%v\ngot\n%s\nwant\n%s", diags, got, want)
	}
}

func FuzzRsyslog(f *testing.F) {
	tokenFuzz(f, parseRsyslog, []string{"a.* @@(o)b:1;c\n& d(e=[\"f\",'g'] h=`i`)\n/*", "$IncludeConfig a.conf\ninclude(file=\"b.conf\")\nif \"a\" then {:b, c, \"d\" :e:f", "set a = \"\\\nforeach ("}, "rsyslog/*.conf")
}
