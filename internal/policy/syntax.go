package policy

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"portolan/internal/diag"
	"portolan/internal/hclfile"
)

// parse turns the text into blocks and attributes; nil when that cannot be done.
func (l *loader) parse() *hclsyntax.Body {
	if len(l.file.Text) > MaxSize {
		l.wrong(l.file.Span(0, 0), "is this the right file?", "larger than %d KiB, the most that a policy may have", MaxSize>>10)
		return nil
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
	return parsed.Body.(*hclsyntax.Body)
}

// plain complains about tokens that the policy language does not have. Refusing
// operators and parentheses before parsing also keeps the parser, which calls itself
// for each of them, from running out of stack on a hostile text.
func (l *loader) plain(tokens hclsyntax.Tokens) {
	depth, line, quote := 0, 0, hcl.Range{}
	for _, t := range tokens {
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
			msg, help = "this text does not end on its line", `close it with "`
		case hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl:
			msg, help = "a policy has no templates", "write the value itself"
		case hclsyntax.TokenOHeredoc:
			msg, help = "a policy has no text of several lines", `write it in quotes, "..."`
		case hclsyntax.TokenApostrophe, hclsyntax.TokenBacktick:
			msg, help = "text stands in double quotes", `write "..."`
		case hclsyntax.TokenSemicolon:
			msg, help = "attributes end with their line", "leave the semicolon out"
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

// convert makes a finding of a diagnostic of the HCL library.
func (l *loader) convert(d *hcl.Diagnostic) diag.Diagnostic {
	out := diag.Diagnostic{Message: hclfile.Sentence(d.Summary), Span: l.file.Span(0, 0)}
	if d.Subject != nil {
		out.Span = l.span(*d.Subject)
	}
	if detail := hclfile.Sentence(d.Detail); detail != "" {
		out.Notes = []string{detail}
	}
	return out
}
