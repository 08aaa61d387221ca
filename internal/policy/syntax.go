package policy

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"portolan/internal/diag"
	"portolan/internal/hclfile"
)

// parse turns the text into blocks and attributes; nil when that cannot be done.
func (l *loader) parse() *hclfile.Body {
	if len(l.file.Text) > MaxSize {
		l.wrong(l.file.Span(0, 0), "is this the right file?", "larger than %d KiB, the most that a policy may have", MaxSize>>10)
		return nil
	}
	// Nearly every policy that is right is read so, in a tenth of the time.
	if !l.slow {
		if body, ok := hclfile.Plain(l.file.Text, maxText, maxDepth); ok {
			return body
		}
	}
	start := hcl.Pos{Line: 1, Column: 1}
	tokens, _ := hclsyntax.LexConfig(l.file.Text, l.file.Name, start)
	l.plain(tokens)
	if len(l.list) > 0 {
		return nil
	}
	parsed, diags := hclsyntax.ParseConfig(l.file.Text, l.file.Name, start)
	for _, d := range diags {
		l.add(l.convert(d))
	}
	if diags.HasErrors() {
		return nil
	}
	return hclfile.BodyOf(parsed.Body.(*hclsyntax.Body))
}

// plain complains about tokens that the policy language does not have. Refusing
// operators and parentheses before parsing also keeps the parser, which calls itself
// for each of them, from running out of stack on a hostile text.
func (l *loader) plain(tokens hclsyntax.Tokens) {
	depth, line, quote := 0, 0, hcl.Range{}
	for i, t := range tokens {
		msg, help := "", ""
		switch t.Type {
		case hclsyntax.TokenEqual, hclsyntax.TokenComma, hclsyntax.TokenDot, hclsyntax.TokenNewline, hclsyntax.TokenComment, hclsyntax.TokenEOF,
			hclsyntax.TokenQuotedLit, hclsyntax.TokenStringLit, hclsyntax.TokenCHeredoc: // what opened these two was looked at
		case hclsyntax.TokenIdent, hclsyntax.TokenNumberLit:
			if len(t.Bytes) > maxText {
				msg = fmt.Sprintf("longer than %d bytes", maxText)
			}
		case hclsyntax.TokenOQuote:
			quote = t.Range
		case hclsyntax.TokenCQuote:
			if t.Range.Start.Byte-quote.End.Byte > maxText {
				msg, t.Range = fmt.Sprintf("this text is longer than %d bytes", maxText), hcl.RangeBetween(quote, t.Range)
			}
		case hclsyntax.TokenOBrace, hclsyntax.TokenOBrack:
			if depth++; depth > maxDepth {
				msg = "too many brackets inside each other"
			}
		case hclsyntax.TokenCBrace, hclsyntax.TokenCBrack:
			depth--
		case hclsyntax.TokenQuotedNewline:
			// All quotes behind it would be taken the wrong way round.
			l.wrong(l.span(t.Range), `close it with "`, "this text does not end on its line")
			return
		case hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl:
			msg, help = "a policy has no templates", "write the value itself"
		case hclsyntax.TokenOHeredoc:
			msg, help = "a policy has no text of several lines", `write it in quotes, "..."`
		case hclsyntax.TokenApostrophe, hclsyntax.TokenBacktick:
			msg, help = "text stands in double quotes", `write "..."`
		case hclsyntax.TokenSemicolon:
			msg, help = "attributes end with their line", "leave the semicolon out"
		case hclsyntax.TokenColon:
			msg, help = "a policy has no colons", `write NAME = "value", and blocks as in `+shape("allow")
		case hclsyntax.TokenSlash:
			msg, help = "a policy has no expressions", "write the value itself"
			if i+1 < len(tokens) && tokens[i+1].Type == hclsyntax.TokenStar && tokens[i+1].Range.Start.Byte == t.Range.End.Byte {
				l.wrong(l.span(hcl.RangeBetween(t.Range, tokens[i+1].Range)), "close it with */, or begin each line with #", "this comment does not end")
				return
			}
		case hclsyntax.TokenBadUTF8:
			msg, help = "this is not UTF-8 text", "save the policy as UTF-8"
		case hclsyntax.TokenInvalid:
			msg = "this character has no meaning in a policy"
			if s := string(t.Bytes); s == "“" || s == "”" {
				msg, help = "text stands in straight double quotes", `write "..."`
			}
		default:
			msg, help = "a policy has no expressions", "write the value itself"
		}
		if msg != "" && t.Range.Start.Line > line { // what follows on the line rarely says more
			line = t.Range.Start.Line
			l.wrong(l.span(t.Range), help, "%s", msg)
		}
		if depth > maxDepth || l.full() {
			return
		}
	}
}

// syntaxErrors are the mistakes that people make most, in words that need no knowledge of
// the library: by the summary of its diagnostic and the beginning of the detail.
var syntaxErrors = []struct{ summary, detail, message, help string }{
	{"Invalid single-argument block definition", "An argument definition on the same line", "this block does not end on its line",
		"close it with }, or write { at the end of the line, each attribute on a line of its own, and } below"},
	{"Invalid single-argument block definition", "A single-line block definition must end", "a second attribute on the line of the block",
		"a block on one line has one attribute: write { at the end of the line, each attribute on a line of its own, and } below"},
	{"Invalid single-argument block definition", "Single-line block syntax", "a second attribute on the line of the block",
		"a block on one line has one attribute: write { at the end of the line, each attribute on a line of its own, and } below"},
	{"Missing item separator", "", "a comma is missing before this", "separate what a list holds by commas"},
	{"Invalid block definition", "The equals sign", "a block has no equals sign", "leave the = out: " + `allow "ssh" { ports = ["22/tcp"] }`},
	{"Unclosed configuration block", "", "this block does not end", "close it with }"},
	{"Missing newline after argument", "", "two attributes on one line", "write each attribute on a line of its own"},
	{"Argument or block definition required", "", "this is neither an attribute nor a block", `write NAME = "value", or a block as in ` + `allow "ssh" { ports = ["22/tcp"] }`},
	{"Attribute redefined", "", "this attribute stands twice in its block", "keep one of them"},
}

// convert makes a finding of a diagnostic of the HCL library.
func (l *loader) convert(d *hcl.Diagnostic) diag.Diagnostic {
	out := diag.Diagnostic{Message: hclfile.Sentence(d.Summary), Span: l.file.Span(0, 0)}
	if d.Subject != nil {
		out.Span = l.span(*d.Subject)
	}
	if d.Summary == "Argument or block definition required" && out.Span.Text() == "}" {
		out.Message, out.Help = "there is no block to close here", "leave the } out, or look for one too many above"
		return out
	}
	for _, known := range syntaxErrors {
		if d.Summary == known.summary && strings.HasPrefix(d.Detail, known.detail) {
			out.Message, out.Help = known.message, known.help
			return out
		}
	}
	if detail := hclfile.Sentence(d.Detail); detail != "" {
		out.Notes = []string{detail}
	}
	return out
}
