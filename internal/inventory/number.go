package inventory

import (
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/zclconf/go-cty/cty"

	"portolan/internal/diag"
	"portolan/internal/hclfile"
	"portolan/internal/port"
	"portolan/internal/source"
)

// noNumber is an unknown value in the place of a text that is no decimal number of at least
// 0, and says what is wrong with the text.
func (e *evaluator) noNumber(text, name string, at source.Span, v cty.Value, limit int) cty.Value {
	bare := strings.TrimSpace(text)
	help := numbers(limit)
	if len(e.spec.DefaultWords) > 0 {
		help += ", or " + strconv.Quote(e.spec.DefaultWords[0])
	}
	switch n, meant := meantNumber(bare); {
	case text == "":
		return e.impossible(at, v, name+" is empty: whether that means off or the default is not documented", help)
	case numberPlaceholder().MatchString(bare):
		e.placeholder(at, name)
		_, marks := v.Unmark()
		return cty.UnknownVal(cty.Number).WithMarks(marks).Mark(&origin{span: at, kind: reported})
	case meant && n <= limit:
		return e.impossible(at, v, name+" is not written in digits alone: programs read a part of it, or refuse it", "write "+strconv.Itoa(n)+", if that is meant")
	case strings.HasPrefix(bare, "-") && allDigits(bare[1:]):
		return e.impossible(at, v, name+" is below 0", help)
	}
	return e.impossible(at, v, name+" is not a number"+hclfile.Suggest(bare, e.spec.DefaultWords), help)
}

// placeholder reports a value that is still a template.
func (e *evaluator) placeholder(at source.Span, name string) {
	e.say(at, diag.Diagnostic{Rule: "template-value", Severity: diag.Warning,
		Message: name + " is still a template: what it will be is not known", Label: "placeholder",
		Help: "lint the file that the template produces"})
}

// numberPlaceholder matches what stands for a number that is to be filled in, beside
// conf.IsPlaceholder: in a text such things may mean something to the service.
var numberPlaceholder = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(?:<[A-Za-z][\w .-]*>|\$[A-Za-z]\w*|%[A-Za-z]\w*%|__[A-Za-z]\w*__|\[\[.*\]\])$`)
})

// meantNumber is the number that people mean by a text that is no decimal number to a
// program: 0x61a8, 25,000, 25_000, '5060', +5060 and 5060.0.
func meantNumber(text string) (n int, ok bool) {
	text = strings.TrimPrefix(strings.Trim(text, "'\"`"), "+")
	if hex, found := strings.CutPrefix(strings.ToLower(text), "0x"); found {
		u, err := strconv.ParseUint(hex, 16, 31)
		return int(u), err == nil
	}
	whole, fraction, _ := strings.Cut(strings.NewReplacer(",", "", "'", "", "_", "").Replace(text), ".")
	n, err := strconv.Atoi(whole)
	return n, err == nil && n >= 0 && allDigits(whole) && strings.Trim(fraction, "0") == ""
}

// numbers says which numbers there are up to limit.
func numbers(limit int) string {
	if limit == port.Max {
		return "write a port from 1 to 65535"
	}
	return "write a number of at least 0"
}
