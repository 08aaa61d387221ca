package conf

import (
	"strings"
	"testing"
)

func TestNatsReads(t *testing.T) {
	tokenTable(t, parseNats, map[string]tokenCase{
		"signs": {in: "port: 4223\nhost = \"::\"\nhttp 8223\ncluster {\n  port:6223, name: a\n}\nmqtt: { port=1884 }\nleafnodes = {}\n",
			want: "port@1:1 = 4223@1:7\nhost@2:1 = ::@2:9\nhttp@3:1 = 8223@3:6\ncluster@4:1 {\n port@5:3 = 6223@5:8\n name@5:14 = a@5:20\nmqtt@7:1 {\n port@7:9 = 1884@7:14\nleafnodes@8:1 {"},
		"addresses": {in: "listen: 10.0.0.5:4223\nhttp: :8223\na: \"[::1]:1\"\nb=10.0.0.5:1;c 'x y'", want: "listen@1:1 = 10.0.0.5:4223@1:9\nhttp@2:1 = :8223@2:7\na@3:1 = [::1]:1@3:5\nb@4:1 = 10.0.0.5:1@4:3\nc@4:14 = x y@4:17"},
		"lists":     {in: "routes = [\n nats://a:6222, // one\n nats://b:6222\n # none\n \"nats://c:6222\"\n]\nurls: [{url: x}, {url: y}]", want: "routes@1:1 {\n @2:2 = nats://a:6222@2:2\n @3:2 = nats://b:6222@3:2\n @5:2 = nats://c:6222@5:3\nurls@7:1 {\n @7:8 {\n  url@7:9 = x@7:14\n @7:18 {\n  url@7:19 = y@7:24"},
		"comments":  {in: "# port: 1\nport: 4223 # x\n// port: 2\nuser: a#b // c", want: "port@2:1 = 4223@2:7\nuser@4:1 = a#b@4:7"},
		"braces":    {in: "{\n port: 4223\n}\nhttp: 1", want: "port@2:2 = 4223@2:8\nhttp@4:1 = 1@4:7"},
		"JSON":      {in: "{\"port\": 4223, \"cluster\": {\"port\": 6223}}", want: "port@1:3 = 4223@1:10\ncluster@1:17 {\n port@1:29 = 6223@1:36"},
		"variables": {in: "P: 4223\nport: $P\ncluster { P = 6223; port: $P }\nhttp: $P\nmqtt { port: $Q }\nleaf { port: $P }\npass: $2a$11$x",
			want: "P@1:1 = 4223@1:4\nport@2:1 = 4223@2:7\ncluster@3:1 {\n P@3:11 = 6223@3:15\n port@3:21 = 6223@3:27\nhttp@4:1 = 4223@4:7\nmqtt@5:1 {\n port@5:8 = ${Q}@5:14\nleaf@6:1 {\n port@6:8 = 4223@6:14\npass@7:1 = $2a$11$x@7:7"},
		"no section":       {in: "a { b: 1 }\nc: $a", want: "a@1:1 {\n b@1:5 = 1@1:8\nc@2:1 = ${a}@2:4"},
		"block":            {in: "key: (\n x } y\n)\nport: 1", want: "key@1:1 = \n x } y@1:7\nport@4:1 = 1@4:7"},
		"block open":       {in: "key: (x\nport: 1", want: "key@1:1 = (x@1:6\nport@2:1 = 1@2:7", rules: "broken-line@1:6"},
		"escapes":          {in: "a: \"x\\\"y\\\\\"", want: "a@1:1 = x\"y\\@1:5"},
		"no value":         {in: "a:\nb: 1\nc }\nd", want: "b@2:1 = 1@2:4", rules: "broken-line@1:1 broken-line@3:1 broken-line@3:3 broken-line@4:1"},
		"more behind it":   {in: "a: 1 2 3\nb: 1", want: "a@1:1 = 1@1:4\nb@2:1 = 1@2:4", rules: "broken-line@1:6"},
		"no name":          {in: ": 1\n[ 2 ]\nb: 1", want: "1@1:3 {\n @2:3 = 2@2:3\nb@3:1 = 1@3:4", rules: "broken-line@1:1"},
		"not closed":       {in: "a { b [ 1", want: "a@1:1 {\n b@1:5 {\n  @1:9 = 1@1:9", rules: "broken-line@1:5 broken-line@1:1"},
		"quote not closed": {in: "a: \"x\nb: 'y'\nc: 1", want: "a@1:1 = x@1:5\nb@2:1 = y@2:5\nc@3:1 = 1@3:4", rules: "broken-line@1:4"},
		"include alone":    {in: "include 'x.conf'\na { include ./y.conf }\nb: 1\ninclude: 2", want: "a@2:1 {\nb@3:1 = 1@3:4\ninclude@4:1 = 2@4:10", gaps: 2},
		"template":         {in: "port: {{ p }}\nhttp: ${P}\nhost: @H@", want: "port@1:1 = {{ p }}@1:7\nhttp@2:1 = ${P}@2:7\nhost@3:1 = @H@@3:7"},
	})
}

func TestNatsRealFiles(t *testing.T) {
	tokenRealFiles(t, parseNats, nil, "nats/*")
}

func TestNatsDepth(t *testing.T) {
	tokenTable(t, parseNats, map[string]tokenCase{
		"too deep": {in: "a : " + strings.Repeat("[", maxTokenDepth+1) + "1" + strings.Repeat("]", maxTokenDepth+1) + "\nb : 1",
			want: tokenNested(maxTokenDepth) + "b@2:1 = 1@2:5", rules: "broken-line@1:69", gaps: 1},
	})
}

func FuzzNats(f *testing.F) {
	tokenFuzz(f, parseNats, []string{"a:$a\nb{a:$a,c:$a}", "include a.conf\nx{include 'd/b.conf'", "a (\nx\n)\nb:(", "}]a:[:1,{=", "a::=:1 $2a$ $"}, "nats/*")
}
