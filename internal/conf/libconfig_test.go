package conf

import (
	"strconv"
	"strings"
	"testing"
)

func TestLibconfigReads(t *testing.T) {
	tokenTable(t, parseLibconfig, map[string]tokenCase{
		"plain": {in: "general: {\n\tjson = \"compact\" # x\n\thttp = true\n\tport = 8088\n}\nadmin : { }\n",
			want: "general@1:1 {\n json@2:2 = compact@2:10\n http@3:2 = true@3:9\n port@4:2 = 8088@4:9\nadmin@6:1 {"},
		"ends":              {in: "a = 1; b = 2, c : 3", want: "a@1:1 = 1@1:5\nb@1:8 = 2@1:12\nc@1:15 = 3@1:19"},
		"tight":             {in: "a=1;b={c=\"d\";};", want: "a@1:1 = 1@1:3\nb@1:5 {\n c@1:8 = d@1:11"},
		"value below":       {in: "a =\n 1\nb =\n{\nc = 1 }", want: "a@1:1 = 1@2:2\nb@3:1 {\n c@5:1 = 1@5:5"},
		"list":              {in: "m = (\n { port = 1 },\n { port = 2 }, 3, ( \"x\" )\n)", want: "m@1:1 {\n @2:2 {\n  port@2:4 = 1@2:11\n @3:2 {\n  port@3:4 = 2@3:11\n @3:16 = 3@3:16\n @3:19 {\n  @3:21 = x@3:22"},
		"array":             {in: "a = [ 1, 2,\n 3 ];", want: "a@1:1 {\n @1:7 = 1@1:7\n @1:10 = 2@1:10\n @2:2 = 3@2:2"},
		"adjacent strings":  {in: "a = \"x\" \"y\"\n \"z\"\nb = 1", want: "a@1:1 = xyz@1:6\nb@3:1 = 1@3:5"},
		"escapes":           {in: `a = "b\"c\\d\x41\te\q"`, want: "a@1:1 = b\"c\\dA\te\\q@1:6"},
		"numbers":           {in: "a = 0x1F90; b = 8088L; c = 80LL; d = -5; e = 0xffL; f = 1.5; g = 0o17; h = 0b101; i = 1e3", want: "a@1:1 = 8080@1:5\nb@1:13 = 8088@1:17\nc@1:24 = 80@1:28\nd@1:34 = -5@1:38\ne@1:42 = 255@1:46\nf@1:53 = 1.5@1:57\ng@1:62 = 15@1:66\nh@1:72 = 5@1:76\ni@1:83 = 1e3@1:87"},
		"leading zero":      {in: "a = 05060", want: "a@1:1 = 05060@1:5", rules: "ambiguous-line@1:5"},
		"comments":          {in: "a = 1 // x\n/* b = 2 */ c = 3 # y\nd = 4//z", want: "a@1:1 = 1@1:5\nc@2:13 = 3@2:17\nd@3:1 = 4@3:5"},
		"url in quotes":     {in: "a = \"http://x/#y\"", want: "a@1:1 = http://x/#y@1:6"},
		"template":          {in: "a = {{ p }}\nb = ${P}\nc = @P@\nd = \"@x@\"", want: "a@1:1 = {{ p }}@1:5\nb@2:1 = ${P}@2:5\nc@3:1 = @P@@3:5\nd@4:1 = @x@@4:6"},
		"no quotes":         {in: "ip = 10.0.0.1\nb = eth0", want: "ip@1:1 = 10.0.0.1@1:6\nb@2:1 = eth0@2:5", rules: "broken-line@1:6 broken-line@2:5"},
		"no value":          {in: "a =\nb = 1\nc = }\nd\ne = 1", want: "b@2:1 = 1@2:5\ne@5:1 = 1@5:5", rules: "broken-line@1:1 broken-line@3:1 broken-line@3:5 broken-line@4:1"},
		"no colon":          {in: "a { b = 1 }", want: "a@1:1 {\n b@1:5 = 1@1:9", rules: "broken-line@1:1"},
		"no name":           {in: "=\n{ a = 1 }\n\"x\"\nb = 1", want: "b@4:1 = 1@4:5", rules: "broken-line@1:1 broken-line@2:1 broken-line@3:1"},
		"not closed":        {in: "a = { b = ( 1, 2", want: "a@1:1 {\n b@1:7 {\n  @1:13 = 1@1:13\n  @1:16 = 2@1:16", rules: "broken-line@1:7 broken-line@1:1"},
		"wrong bracket":     {in: "a = { b = ( 1 }\nc = 1", want: "a@1:1 {\n b@1:7 {\n  @1:13 = 1@1:13\nc@2:1 = 1@2:5", rules: "broken-line@1:15"},
		"quote not closed":  {in: "a = \"x\nb = \"y\"\nc = 1", want: "a@1:1 = x@1:6\nb@2:1 = y@2:6\nc@3:1 = 1@3:5", rules: "broken-line@1:5"},
		"string over lines": {in: "a = \"x\ny\"\nb = 1", want: "a@1:1 = x\ny@1:6\nb@3:1 = 1@3:5"},
		"@include alone":    {in: "@include x\na = 1", want: "a@2:1 = 1@2:5", rules: "broken-line@1:1 broken-line@1:10"},
	})
}

func TestLibconfigDepth(t *testing.T) {
	tokenTable(t, parseLibconfig, map[string]tokenCase{
		"too deep": {in: "a = " + strings.Repeat("[", maxTokenDepth+1) + "1" + strings.Repeat("]", maxTokenDepth+1) + "\nb = 1",
			want: tokenNested(maxTokenDepth) + "b@2:1 = 1@2:5", rules: "broken-line@1:69", gaps: 1},
	})
}

// tokenNested is the dump of "a = [[[…" of one more than depth levels.
func tokenNested(depth int) string {
	var b strings.Builder
	b.WriteString("a@1:1 {\n")
	for i := range depth {
		b.WriteString(strings.Repeat(" ", i+1) + "@1:" + strconv.Itoa(6+i) + " {\n")
	}
	return b.String()
}

func FuzzLibconfig(f *testing.F) {
	tokenFuzz(f, parseLibconfig, []string{"a = ( { b = [1,2] }, \"x\" \"y\" )", "@include \"a.conf\"\n@include \"d/b.conf\"\na:{", "a = 0x\\ 0b2 1L -0o7 \"\\x4\\\"", "}])a=(}"}, "janus/*")
}
