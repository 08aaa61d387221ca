package hclfile

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"portolan/internal/source"
)

// differ is where two bodies differ, "" when they do not. Lines and columns are
// compared, too: got is what parseQuick made.
func differ(got, want *hclsyntax.Body) string {
	for _, r := range [][2]hcl.Range{{got.SrcRange, want.SrcRange}, {got.EndRange, want.EndRange}} {
		if r[0] != r[1] {
			return fmt.Sprintf("body at %#v, want %#v", r[0], r[1])
		}
	}
	if len(got.Attributes) != len(want.Attributes) || len(got.Blocks) != len(want.Blocks) {
		return fmt.Sprintf("%d attributes and %d blocks, want %d and %d", len(got.Attributes), len(got.Blocks), len(want.Attributes), len(want.Blocks))
	}
	for name, w := range want.Attributes {
		g := got.Attributes[name]
		if g == nil || g.Name != w.Name {
			return "no attribute " + name
		}
		if g.SrcRange != w.SrcRange || g.NameRange != w.NameRange || g.EqualsRange != w.EqualsRange {
			return fmt.Sprintf("attribute %s at %#v, want %#v", name, g, w)
		}
		if d := differExpression(g.Expr, w.Expr); d != "" {
			return name + ": " + d
		}
	}
	for i, w := range want.Blocks {
		g := got.Blocks[i]
		if g.Type != w.Type || !reflect.DeepEqual(g.Labels, w.Labels) || !reflect.DeepEqual(g.LabelRanges, w.LabelRanges) ||
			g.TypeRange != w.TypeRange || g.OpenBraceRange != w.OpenBraceRange || g.CloseBraceRange != w.CloseBraceRange ||
			g.DefRange() != w.DefRange() || g.Range() != w.Range() {
			return fmt.Sprintf("block %#v, want %#v", g, w)
		}
		if d := differ(g.Body, w.Body); d != "" {
			return w.Type + ": " + d
		}
	}
	return ""
}

// differExpression compares the nodes of two expressions in the order of a walk, what
// they refer to, and what they are worth where nothing is defined.
func differExpression(got, want hclsyntax.Expression) string {
	g, w := nodes(got), nodes(want)
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return fmt.Sprintf("node %d is %s, want %s", i, g[i], w[i])
		}
	}
	if len(g) != len(w) {
		return fmt.Sprintf("%d nodes, want %d", len(g), len(w))
	}
	if !reflect.DeepEqual(got.Variables(), want.Variables()) {
		return fmt.Sprintf("variables %v, want %v", got.Variables(), want.Variables())
	}
	gv, gd := got.Value(nil)
	wv, wd := want.Value(nil)
	said := func(d hcl.Diagnostics) string { // of a remainder of infinity the library says where it was in itself
		text, _, _ := strings.Cut(d.Error(), "\ngoroutine ")
		return text
	}
	if said(gd) != said(wd) {
		return fmt.Sprintf("says %q, want %q", gd.Error(), wd.Error())
	}
	if !gv.RawEquals(wv) {
		return fmt.Sprintf("is %#v, want %#v", gv, wv)
	}
	return ""
}

// nodes are the nodes of an expression as text: the type, the places it has, and what it
// says itself.
func nodes(e hclsyntax.Expression) []string {
	var out []string
	// The visitor returns no diagnostics.
	_ = hclsyntax.VisitAll(e, func(n hclsyntax.Node) hcl.Diagnostics {
		text := fmt.Sprintf("%T at %#v", n, n.Range())
		switch n := n.(type) {
		case *hclsyntax.LiteralValueExpr:
			text += fmt.Sprintf(" = %#v", n.Val)
		case *hclsyntax.TupleConsExpr:
			text += fmt.Sprintf(" opens at %#v", n.OpenRange)
		case *hclsyntax.ObjectConsExpr:
			text += fmt.Sprintf(" opens at %#v", n.OpenRange)
		case *hclsyntax.ObjectConsKeyExpr:
			// A key that is a name is not walked into.
			text += fmt.Sprintf(" %v keyword %q: %T at %#v", n.ForceNonLiteral, hcl.ExprAsKeyword(n), n.Wrapped, n.Wrapped.Range())
		case *hclsyntax.ScopeTraversalExpr:
			text += fmt.Sprintf(" %#v", n.Traversal)
		case *hclsyntax.FunctionCallExpr:
			text += fmt.Sprintf(" %s %v %#v %#v %#v", n.Name, n.ExpandFinal, n.NameRange, n.OpenParenRange, n.CloseParenRange)
		case *hclsyntax.RelativeTraversalExpr:
			text += fmt.Sprintf(" %#v", n.Traversal)
		case *hclsyntax.IndexExpr:
			text += fmt.Sprintf(" opens at %#v, brackets at %#v", n.OpenRange, n.BracketRange)
		case *hclsyntax.BinaryOpExpr:
			text += fmt.Sprintf(" %p", n.Op)
		case *hclsyntax.UnaryOpExpr:
			text += fmt.Sprintf(" %p at %#v", n.Op, n.SymbolRange)
		case *hclsyntax.ForExpr:
			text += fmt.Sprintf(" %q %q %v opens at %#v, closes at %#v, key %v, condition %v", n.KeyVar, n.ValVar, n.Group, n.OpenRange, n.CloseRange, n.KeyExpr != nil, n.CondExpr != nil)
		}
		out = append(out, text)
		return nil
	})
	return out
}

// check compares what parseQuick makes of a text with the library, and says whether it
// took it.
func check(t *testing.T, name string, text []byte) bool {
	t.Helper()
	got, ok := parseQuick(text, name)
	if body, plain := Plain(text, 500, 8); plain && (!ok || !reflect.DeepEqual(body, BodyOf(got))) {
		t.Errorf("%s: %q is plain and not the same", name, text)
	}
	if !ok {
		return false
	}
	want, diags := hclsyntax.ParseConfig(text, name, hcl.InitialPos)
	if len(diags) > 0 {
		t.Errorf("%s: accepted %q, which is wrong: %v", name, text, diags)
	} else if d := differ(got, want.Body.(*hclsyntax.Body)); d != "" {
		t.Errorf("%s: %q: %s", name, text, d)
	}
	return true
}

// files are the HCL files of the repository and the example in the documentation.
func files(t testing.TB) map[string][]byte {
	out := map[string][]byte{}
	for _, pattern := range []string{"services/*.hcl", "policies/*.hcl", "policies/examples/*.hcl"} {
		names, err := filepath.Glob("../../" + pattern)
		if err != nil || len(names) == 0 {
			t.Fatalf("%s: %d files, %v", pattern, len(names), err)
		}
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			out[strings.TrimPrefix(filepath.ToSlash(name), "../../")] = text
		}
	}
	text, err := os.ReadFile("../../docs/services.md")
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(text), "```hcl\n")
	example, _, found := strings.Cut(example, "```")
	if !found {
		t.Fatal("docs/services.md has no example")
	}
	out["docs/services.md"] = []byte(example)
	return out
}

func TestQuickFiles(t *testing.T) {
	for name, text := range files(t) {
		if !check(t, name, text) {
			t.Errorf("%s is left to the library, which is slow: see quick for what it does not read", name)
		}
	}
}

// plain are texts that are read without the library, but for single values.
var plain = []string{
	"\n", " \t\n", "# a comment\n", "// é\n# é\n", "\n\n\na = 1\n", "a = 1\n\n  \t",
	"a=1\nb\t=\t\"x\"  # y\nc = true // z\nd = null # é\n", "a = false /* x */\n", "a = /* x */ 7 /* y\n */ # z\n",
	"a = \"\"\n", "a = \"x\"\nb = 007\nc = 123456789012345678901234567890\n", "_a-b-1 = 1\n", "a = \"\x01\x7f\t'\"\n",
	"a = []\nb = [ ]\nc = [1]\nd = [1,]\ne = [\n  1, # one\n  \"two\",\n\n  true // three\n  ,\n null /* four */ ]\n",
	"a = [[1, [2]], [], {}, {a = [{}]}]\n",
	"a = {}\nb = { }\nc = {\n}\nd = {x = 1}\ne = { x = 1, \"y\" : 2, }\nf = { # c\n x = 1 # c\n\n y: [\n1\n] /* c */\n z = 3, // c\n u = \"\"\n}\n",
	"b {}\n", "b {\n}\n", "b \"l\" {\n}\n", "b \"l\" \"\" \"m\"{ # c\n  a = 1\n  b \"x\" {\n    a = 2\n  }\n\n  b {\n  }\n}\n",
	"b /* c */ \"l\" /* c */ { /* c */ }\n", "\tb {}\n\tb {}",
	"b { a = 1 }\n", "b { a = x }\n", "b { /* c */ a /* c */ = f(\"}\") /* c */ } # c\nc=2\n", "b { a = { x = [1, y] } }\n",
	"b { a = [\n1\n] }\n",
	"a = x\n", "a = x # c\n", "a = 1 + 2\n", "a = -1\n", "a = \"x\" == \"y\"\n", "a = [1, 2][0]\n",
	"a = [1, x]\nb = 2\n", "a = {\n x = y\n}\nb = 2\n", "a = !true\n",
	"a = f(\n  1, # c\n  g.h-i.j,)\nb = [f(),]\n",
	"a = [for k, v in x : v if v > 1]\nb = {for k, v in x : k => v}\n", "a = (1)\n",
	"a = { f(x) = 1, 2 = 3 }\n", "a = { (x) = 1 }\n", "a = { true = 1 }\n", "a = { x.y = 1 }\n",
	"a = \"${x}\"\n", "a = \"b ${f(\"]\", { y = \"}\" })} c\"\nb = 2\n",
	"a = \"\\\"\"\nb = \"\\\\\"\n", "a = \"$x 5%\"\n", "a = \"$${x}%%\"\n",

	"a = <<EOT\nx\n  y = [\nEOT\nb = 2\n", "a = <<-EOT\n    x\n      # y\n  EOT\n\nb = 2\n", "a = <<-EOT\nEOT\n",
	"a = [\n1 + 2]\n", "a = (\n1)\n", "a = [\n1 + \"${x}\"]\n", "a = f(\n  x && y, # c\n  !g(\"(\"),\n)\nb = 2\n", "a = x ? [\n  1,\n] : [\n  2 + 3\n]\nb {}\n",
	"a = [for k, v in x : {\n  y = v + 1\n  \"z\" = k\n} if v > 1]\nb = 1\n", "b {\n  a = (x ||\n    y)\n}\n",
	"a = <<EOT\n$\n%\n EOT \t\nb = 2\n", "a = {\n  x = <<-E\n    1 {\n  E\n  y = 2\n}\nb = 3\n", "a = { x = <<E\n1\nE\n}\n", "a = <<-E-1\n\tx\n\tE-1\n",
	"a = f(\n1 + 2 # )\n)\n", "a = 1 + 2 /*\n*/\n", "b = 1\na = 1 + 2", "b { a = 1 + 2 }\n", "a = [<<A\n]\nA\n]\n",
	"a = x || y && z == 1 != true\n", "a = 1 - 2 - 3 * -4 / 5 % 6 + 7\n", "a = 1 < 2 || 3 <= 4 || 5 > 6 && 7 >= 8\n", "a = !x && !(!y)\n", "a = (x ? y : z) ? 1 : x ? 2 : 3\n", "a = x-1 -1\n",
	"a = x.y[0].z[\"k\"][w][-1][(1)]\n", "a = f(x).y.z[0]\n", "a = [1][0]\nb = {c = 1}.c\nd = \"x\".y\n", "a = true.x\n", "a = !x.y\n", "a = -f(x)[0]\n", "a = x[\n 1 # c\n]\n",
	"a = f(x...)\nb = f(x, [for y in z : y]...\n)\n", "a = [for x in y : x]\n", "a = [\n for\n x\n ,\n y in z : x == y ? 1 : 2 if\n y != null\n ]\n",
	"a = { for k, v in x : k => v... if v }\n", "a = {\n for k in x :\n k => k }\nb = {for-x = 1, for_ = 2}\n", "a = [for in in in : in]\n", "a = [for x in [for y in z : y] : (x)]\n",
	"a = \"\\n\\r\\t\\\"\\\\\"\n", "a = \"${x}${y}\"\n", "a = \"$\"\nb = \"%\"\nc = \"$$\"\nd = \"$$$${x}$\"\ne = \"$\\n$\"\n", "a = \"b${ x }%%{ c\"\n", "a = \"${\"${x}y\"}\"\n", "a = [\"${x /* } */}\"]\n",
	"a = f(<<E\n  x\nE\n, 1)\n", "a = <<-E\n  x\n \n\n   $${y} %%{ $5%\n  E\n", "a = <<E\n$$${x}\n$E\nE\n", "a = [x, (<<-E\n\t\v x\nE\n), y]\n", "a = { (x) = 1, (y).z : 2 }\n", "a = {x=y==z?1:2}\n",
}

// unusual are texts that are left to the library, most of them because they are wrong.
var unusual = []string{
	"a = 1.5\n", "a = 1e5\n", "a = for(true(x))\nb = x.true\n", "a = x ? y.y[0] : z.*.w\nb = 2\n", "a = x[*].y\nb = x.0\n", "a = \"%{ if x }y%{ endif }\"\n", "a = x::y(1)\n", "a = \"éé\" /* c */ # é\nb = x.é\n", "b {\n}\na = \"é\" # c\n", "a = <<EOT\n${x}\né\nEOT\n", "a = [\"é\",\n1]\n",
	"a = x ? y\n", "a = x ? y :: z\n", "a = x ? y : \n", "a = x ?\n y : z\n", "a = (x\n", "a = !\n", "a = x +\n 1\n", "a = x[\n", "a = x[]\n", "a = x[1\n", "a = x ...\n", "a = [x...]\n",
	"a = [for x in y : x => 1]\n", "a = {for x in y : x}\n", "a = [for x in y : x...]\n", "a = [for x y : x]\n", "a = [for x in y, x]\n", "a = [for , x in y : x]\n", "a = [for x in y : x unless z]\n",
	"a = \"\\q\"\n", "a = \"\\", "a = \"${x\"\n", "a = \"${~x~}\"\n", "a = \"\\u00e9\"\n", "a = < 1\n", "a = <<E\n${x}\nE\n", "a = <<E\n%{x}\nE\n", "a = <<1\n1\n", "a = x.\ny\n", "a = x !y\n", "a = x << y\n",
	"", "#", "# x", "/* x */ a = 1\n", "a", "a = 1", "a\n", "a =\n", "a = \n", "= 1\n", "1 = 1\n", "\"a\" = 1\n", "a == 1\n",
	"a => 1\n", "a = 1 b = 2\n", "a = 1, b = 2\n", "a = 1\na = 2\n", "a = 1 }\n", "}\n",
	"a = [1\n", "a = [1 2]\n", "a = [,]\n", "a = {x = 1\n", "a = {x = 1,, y = 2}\n", "a = {x = 1\n, y = 2}\n", "a = {x 1}\n",
	"a = {x == 1}\n", "a = {x => 1}\n", "a = {x :: 1}\n", "a = {for = 1}\n", "a = {x\n= 1}\n", "a = {x =\n1}\n",
	"a = {x = 1 y = 2}\n",
	"a = \"x\n\"\n", "a = \"x", "a = 1 /* é */\n", "b \"é\" {}\n", "é = 1\n", "\xef\xbb\xbfa = 1\n",
	"a = \xef\xbb\xbfx\n", "a = 1\r\n", "# \xeb\n", "a = 1 # \r\n", "a = 'x'\n", "a = 1;\n", "a = `x`\n", "a = x & y\n", "a = \x00\n",
	"a = x \x00\n",
	"b\n", "b {\n", "b { a = 1\n", "b { a = 1 \n}\n", "b { a = 1, b = 2 }\n", "b { a = 1 # c }\n", "b { c {} }\n", "b { a }\n",
	"b {} c {}\n", "b {} }\n", "b {\n} }\n", "b \"x\n\" {}\n", "b \"\\n\" {}\n", "b \"$x\" {}\n", "b x {}\n", "b = {\n",
	"b \"x\"\n{}\n", "b \"x\" = 1\n", "b {\na = 1\na = 1\n}\n", "b {\n a = 1 }\n",
	"a = [for]\n", "a = (0?0\n",
	"a = [for.x]\n", "a = f(x...,)\n", "a = f(x y)\n", "a = f(,)\n", "a = x.\n",
	"a = <<EOT\n${<<EOT\nEOT\n}\nEOT\n",
	"a = <<\n", "a = <<EOT\n", "a = <<EOT\nx", "a = <<EOT\nx\nEOT", "a = <<EOT x\nEOT\n", "a = /* x\n", "a = x /* x\n",
	"a = x /* é */\n", "a = /", "a = 1 / \n", "a = f(1]\n", "a = f(\n", "a = \"${x\n}\"\n", "a = \"${ ( }\"\n", "a = x y\n",
	"a = 1\n + 2\n",
}

func TestQuick(t *testing.T) {
	for _, text := range plain {
		if !check(t, "plain.hcl", []byte(text)) {
			t.Errorf("%q is left to the library", text)
		}
	}
	for _, text := range unusual {
		if check(t, "unusual.hcl", []byte(text)) {
			t.Errorf("%q is not left to the library", text)
		}
	}
}

// A plain text has no calls, objects, templates and operators, and is no longer and no deeper
// than it may be.
func TestPlain(t *testing.T) {
	for text, want := range map[string]bool{
		"a = \"12345\"\nb = [[1, x.y], true] # c\n": true, "b \"12345\" {\n a = [[1]]\n}\n": true, "abcde = 12345\n": true, "b {\n b {\n a = []\n}\n}\n": true,
		"a = \"123456\"\n": false, "b \"123456\" {\n}\n": false, "abcdef = 1\n": false, "a = 123456\n": false, "a = bcdefg\n": false, "a = x.bcdefg\n": false,
		"a = [[[[]]]]\n": false, "a = {b = 1}\n": false, "b {\n b {\n b {\n b {\n}\n}\n}\n}\n": false,
		"a = f(1)\n": false, "a = [for.x]\n": false, "a = true.x\n": false, "a = [1,, 2]\n": false, "a = 1\na = 2\n": false, "a = \"$x\"\n": false, "a = 1 + 2\n": false, "a = -1\n": false, "a = <<E\nE\n": false, "a = \"\\n\"\n": false,
	} {
		if _, got := Plain([]byte(text), 5, 3); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// What the library has to say is still said.
func TestQuickLeavesErrorsToTheLibrary(t *testing.T) {
	r := Reader{File: source.New("x.hcl", []byte("a = 1\nb = [1 2]\n")), Rule: "syntax"}
	r.Parse()
	if len(r.Diags) != 1 || r.Diags[0].Message != "missing item separator" || r.Diags[0].Span.Start != 13 {
		t.Errorf("%v", r.Diags)
	}
}

// Mutations of bytes seldom meet the grammar, so pieces of it are put together at random.
func TestQuickPieces(t *testing.T) {
	pieces := strings.Split("a|b|for|in|if|true|null|x.y|.z|f(|1|07|1.5|\"\"|\"s\"|\"l\" {|\"${x}\"|\"$${\\n${x} y\"|\"é\"|=|==|!=|=>|<=|<|>|&&|;|!|%|/|:|,|...|.|+|-|?|*|(|)|[|]|{|}|{\n|}\n|\n|\n|\n| |\t|"+
		"# c\n|// é\n|/* c */|/*\n*/|/* é */|/|<<E\n|E\n|<<-E\n  x\n y\n  E\n|a = |\na = [|\nb = {|]\n|b {|b \"l\" {\n|\nb { a = |1 }\n|, |for x in y : |[for |$|%|\r|\x00", "|")
	random, accepted := rand.New(rand.NewPCG(1, 2)), 0
	for range 30_000 {
		text := "a = "
		for range random.IntN(12) {
			text += pieces[random.IntN(len(pieces))]
		}
		if check(t, "pieces.hcl", []byte(text+"\n")) {
			accepted++
		}
	}
	if accepted < 500 {
		t.Errorf("%d texts were accepted", accepted)
	}
}

func FuzzQuick(f *testing.F) {
	for _, list := range [][]string{plain, unusual} {
		for _, text := range list {
			f.Add([]byte(text))
		}
	}
	for _, text := range files(f) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if tooDeep(text) < 0 {
			check(t, "fuzz.hcl", text)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	for _, name := range []string{"services/lumenvox-media-server.hcl", "services/sshd.hcl", "policies/platforms.hcl"} {
		text := files(b)[name]
		b.Run(filepath.Base(name)+"/quick", func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if _, ok := parseQuick(text, name); !ok {
					b.Fatal("left to the library")
				}
			}
		})
		b.Run(filepath.Base(name)+"/library", func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if _, diags := hclsyntax.ParseConfig(text, name, hcl.InitialPos); len(diags) > 0 {
					b.Fatal(diags)
				}
			}
		})
	}
}
