package inventory

import (
	"errors"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"portolan/internal/conf"
)

// options are the values of the named options of a command line: the word behind
// "--name", or what follows "--name=". A short option may have its value attached, -p5060.
func options(args []cty.Value, each func(value cty.Value)) {
	list, _ := args[0].Unmark()
	if list.IsNull() || !list.IsKnown() {
		return
	}
	words := list.AsValueSlice()
	for i, w := range words {
		text, ok := textOf(w)
		if !ok { // a variable: as it is written it may still name an option
			unknownOption(w, args[1:], each)
			continue
		}
		for _, n := range args[1:] {
			name, _ := textOf(n)
			rest, found := strings.CutPrefix(text, name)
			switch {
			case name == "" || !found:
			case rest == "" && i+1 < len(words):
				each(words[i+1])
			case rest == "":
				each(sub(w, len(text), ""))
			case rest[0] == '=':
				each(sub(w, len(name)+1, rest[1:]))
			case len(name) == 2 && name[0] == '-' && name[1] != '-':
				each(sub(w, len(name), rest))
			}
		}
	}
}

// unknownOption gives the value of "--name=${X}", which is there and not known.
func unknownOption(w cty.Value, names []cty.Value, each func(value cty.Value)) {
	for _, o := range origins(w) {
		for _, n := range names {
			if name, _ := textOf(n); o.kind == unknown && name != "" && strings.HasPrefix(o.text, name+"=") {
				each(w)
			}
		}
	}
}

func (e *evaluator) flag(args []cty.Value) (cty.Value, error) {
	if plain, marks := args[0].Unmark(); !plain.IsKnown() { // the line may have the option
		return cty.UnknownVal(cty.String).WithMarks(marks), nil
	}
	name, _ := textOf(args[min(1, len(args)-1)])
	out := cty.NullVal(cty.String).Mark(e.absence(name))
	options(args, func(v cty.Value) { out = v })
	return out, nil
}

func flags(args []cty.Value) (cty.Value, error) {
	if plain, marks := args[0].Unmark(); !plain.IsKnown() {
		return cty.UnknownVal(cty.List(cty.String)).WithMarks(marks), nil
	}
	var out []cty.Value
	options(args, func(v cty.Value) { out = append(out, v) })
	return textList(out), nil
}

func hasFlag(args []cty.Value) (cty.Value, error) {
	if plain, marks := args[0].Unmark(); !plain.IsKnown() {
		return cty.UnknownVal(cty.Bool).WithMarks(marks), nil
	}
	found := cty.False
	options(args, func(v cty.Value) { found = withMarks(cty.True, v) })
	return found, nil
}

// command are the words of the command lines of units, ExecStart, and of containers.
func (e *evaluator) command(args []cty.Value) (cty.Value, error) {
	var out []cty.Value
	for _, a := range args {
		n := nodeOf(a)
		if n == nil {
			continue
		}
		line, _, err := e.selected([]cty.Value{a, cty.StringVal("Service/ExecStart")})
		if err != nil {
			return cty.NilVal, err
		}
		if len(line) > 0 {
			cut, err := words([]cty.Value{e.textValue(line[len(line)-1], "ExecStart"), cty.StringVal("systemd")})
			if err != nil || !cut.IsKnown() {
				return cut, err
			}
			plain, _ := cut.Unmark()
			out = append(out, plain.AsValueSlice()...)
		}
		for _, w := range below(n, "argv") {
			out = append(out, wordValue(conf.Arg{Text: w.Value, Span: w.ValueSpan}, origin{setting: "command", kind: written}))
		}
	}
	return textList(out), nil
}

// wordValue is a word of a command line. One that is a variable is not known.
func wordValue(w conf.Arg, o origin) cty.Value {
	o.text, o.span = w.Text, w.Span
	if conf.IsPlaceholder(w.Text) {
		o.kind, o.words = unknown, "a word of the command line is a variable"
		return cty.UnknownVal(cty.String).Mark(&o)
	}
	return cty.StringVal(w.Text).Mark(&o)
}

// words are the words of a command line, each with its own place.
func words(args []cty.Value) (cty.Value, error) {
	style := conf.Shell
	switch name, _ := textOf(args[1]); name {
	case "systemd":
		style = conf.Systemd
	case "shell":
	default:
		return cty.NilVal, errors.New(`the style must be "shell" or "systemd"`)
	}
	plain, marks := args[0].Unmark()
	if plain.IsNull() {
		return cty.ListValEmpty(cty.String), nil
	}
	if !plain.IsKnown() {
		return cty.UnknownVal(cty.List(cty.String)).WithMarks(marks), nil
	}
	var from origin
	for m := range marks {
		if o, ok := originOf(m); ok {
			from = o
		}
	}
	var out []cty.Value
	for _, w := range conf.Words(plain.AsString(), from.span, style) {
		out = append(out, wordValue(w, from))
	}
	return textList(out), nil
}
