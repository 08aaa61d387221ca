package metrics

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// family is a metric as a reader gets it.
type family struct {
	name, help, kind string
	samples          map[string]float64 // by their labels, sorted and unescaped, as %q
}

// parse reads the text format after its specification, more strictly than readers must: a
// HELP and a TYPE before each metric and nowhere else, one space between words, no comment, no
// empty line, no time, and no metric in two places.
func parse(text string) ([]family, error) {
	var out []family
	if !utf8.ValidString(text) {
		return nil, errors.New("not UTF-8")
	}
	if text == "" {
		return nil, nil
	}
	lines := strings.Split(text, "\n")
	if lines[len(lines)-1] != "" {
		return nil, errors.New("the last line has no end")
	}
	lines = lines[:len(lines)-1]
	for n := 0; n < len(lines); {
		help, ok := strings.CutPrefix(lines[n], "# HELP ")
		if !ok || n+2 >= len(lines) {
			return nil, fmt.Errorf("line %d: %q where a metric should begin", n+1, lines[n])
		}
		name, help, _ := strings.Cut(help, " ")
		help, err := unescape(help, false)
		if err != nil {
			return nil, fmt.Errorf("line %d: %v", n+1, err)
		}
		kind, ok := strings.CutPrefix(lines[n+1], "# TYPE "+name+" ")
		if !ok || !slices.Contains([]string{"counter", "gauge", "histogram", "summary", "untyped"}, kind) {
			return nil, fmt.Errorf("line %d: %q is no type of %s", n+2, lines[n+1], name)
		}
		if slices.ContainsFunc(out, func(f family) bool { return f.name == name }) {
			return nil, fmt.Errorf("line %d: %s again", n+1, name)
		}
		f := family{name, help, kind, map[string]float64{}}
		for n += 2; n < len(lines) && !strings.HasPrefix(lines[n], "#"); n++ {
			labels, value, err := parseSample(lines[n], name)
			if err != nil {
				return nil, fmt.Errorf("line %d: %q: %v", n+1, lines[n], err)
			}
			if _, twice := f.samples[labels]; twice {
				return nil, fmt.Errorf("line %d: %q again", n+1, lines[n])
			}
			f.samples[labels] = value
		}
		if len(f.samples) == 0 {
			return nil, fmt.Errorf("%s has no sample", name)
		}
		out = append(out, f)
	}
	return out, nil
}

func parseSample(text, name string) (string, float64, error) {
	rest, ok := strings.CutPrefix(text, name)
	if !ok {
		return "", 0, fmt.Errorf("not of %s", name)
	}
	labels := map[string]string{}
	if rest, ok = strings.CutPrefix(rest, "{"); ok {
		for {
			label, after, ok := strings.Cut(rest, `="`)
			if !ok || strings.Trim(label, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != "" || label == "" || label[0] <= '9' {
				return "", 0, fmt.Errorf("%q is no label", label)
			}
			end := 0
			for end < len(after) && after[end] != '"' {
				if after[end] == '\\' {
					end++
				}
				end++
			}
			if end >= len(after) {
				return "", 0, errors.New("a value without its end")
			}
			value, err := unescape(after[:end], true)
			if err != nil {
				return "", 0, err
			}
			if _, twice := labels[label]; twice {
				return "", 0, fmt.Errorf("the label %s again", label)
			}
			labels[label] = value
			rest = after[end+1:]
			if after, more := strings.CutPrefix(rest, ","); more {
				rest = after
				continue
			}
			if rest, ok = strings.CutPrefix(rest, "}"); !ok {
				return "", 0, errors.New("labels without their end")
			}
			break
		}
	}
	rest, ok = strings.CutPrefix(rest, " ")
	if !ok || strings.ContainsAny(rest, " \t_xX") { // Go would take 1_000 and 0x1p4 as well
		return "", 0, errors.New("no number, or more than one")
	}
	v, err := strconv.ParseFloat(rest, 64)
	return key(labels), v, err
}

func key(labels map[string]string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		fmt.Fprintf(&b, "%s=%q ", name, labels[name])
	}
	return b.String()
}

// unescape is the way back; a quote is escaped in values and nowhere else.
func unescape(s string, value bool) (string, error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			b.WriteByte(s[i])
			continue
		}
		i++
		switch {
		case i < len(s) && s[i] == '\\':
			b.WriteByte('\\')
		case i < len(s) && s[i] == 'n':
			b.WriteByte('\n')
		case i < len(s) && s[i] == '"' && value:
			b.WriteByte('"')
		default:
			return "", fmt.Errorf("%q ends in a backslash or escapes what needs none", s[:i])
		}
	}
	return b.String(), nil
}

func written(t *testing.T, list ...Metric) string {
	t.Helper()
	var b strings.Builder
	if err := Write(&b, list); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestWrite(t *testing.T) {
	list := []Metric{
		{"portolan_packets_total", "New connections\nof a service, with a \\ in its help.", Counter, []Sample{
			{[]Label{{"service", `we"b\n`}, {"verdict", "drop"}}, 1 << 40},
			{[]Label{{"verdict", "accept"}, {"service", "ssh"}, {"allow", ""}}, 12},
		}},
		{"portolan_drift", "1 when the kernel is not as applied.", Gauge, []Sample{{nil, 0}}},
		{"portolan_pending_seconds", "Not there: nothing is pending.", Gauge, nil},
		{"portolan_ratio", "Numbers.", Gauge, []Sample{
			{[]Label{{"n", "1"}}, 0.1}, {[]Label{{"n", "2"}}, math.NaN()}, {[]Label{{"n", "3"}}, math.Inf(1)}, {[]Label{{"n", "4"}}, math.Inf(-1)},
			{[]Label{{"n", "5"}}, 1e300}, {[]Label{{"n", "6"}}, -5}, {[]Label{{"n", "7"}}, 1767225600}, {[]Label{{"n", "8"}}, 1 << 53},
		}},
	}
	want := `# HELP portolan_drift 1 when the kernel is not as applied.
# TYPE portolan_drift gauge
portolan_drift 0
# HELP portolan_packets_total New connections\nof a service, with a \\ in its help.
# TYPE portolan_packets_total counter
portolan_packets_total{service="ssh",verdict="accept"} 12
portolan_packets_total{service="we\"b\\n",verdict="drop"} 1099511627776
# HELP portolan_ratio Numbers.
# TYPE portolan_ratio gauge
portolan_ratio{n="1"} 0.1
portolan_ratio{n="2"} NaN
portolan_ratio{n="3"} +Inf
portolan_ratio{n="4"} -Inf
portolan_ratio{n="5"} 1e+300
portolan_ratio{n="6"} -5
portolan_ratio{n="7"} 1767225600
portolan_ratio{n="8"} 9.007199254740992e+15
`
	got := written(t, list...)
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if list[0].Name != "portolan_packets_total" || list[0].Samples[1].Labels[0].Name != "verdict" {
		t.Error("what was given was sorted in its place")
	}
	slices.Reverse(list)
	slices.Reverse(list[3].Samples)
	if again := written(t, list...); again != got {
		t.Errorf("in another order other bytes:\n%s", again)
	}
	if _, err := parse(got); err != nil {
		t.Error(err)
	}
	if got := written(t); got != "" {
		t.Errorf("nothing is %q", got)
	}
}

func TestWriteRefuses(t *testing.T) {
	one := []Sample{{nil, 1}}
	for want, list := range map[string][]Metric{
		`"a b" is no name of a metric`:                                                 {{"a b", "h", Gauge, one}},
		`"" is no name of a metric`:                                                    {{"", "h", Gauge, one}},
		`"1a" is no name of a metric`:                                                  {{"1a", "h", Gauge, one}},
		`"ä" is no name of a metric`:                                                   {{"ä", "h", Gauge, one}},
		`the metric a has the type "histogram", which is not counter or gauge`:         {{"a", "h", "histogram", one}},
		`the metric a has the type "", which is not counter or gauge`:                  {{"a", "h", "", one}},
		`the metric a is a counter: counters end in _total, and nothing else does`:     {{"a", "h", Counter, one}},
		`the metric a_total is a gauge: counters end in _total, and nothing else does`: {{"a_total", "h", Gauge, one}},
		`the metric a does not say what it is`:                                         {{"a", "", Gauge, one}},
		`the metric "a" is there twice`:                                                {{"a", "h", Gauge, one}, {"b", "h", Gauge, one}, {"a", "h", Gauge, nil}},
		`the sample a is there twice`:                                                  {{"a", "h", Gauge, []Sample{{nil, 1}, {nil, 2}}}},
		`the sample a{l="x"} is there twice`:                                           {{"a", "h", Gauge, []Sample{{[]Label{{"l", "x"}, {"m", ""}}, 1}, {[]Label{{"l", "x"}}, 1}}}},
		`the sample a{l="�"} is there twice`:                                           {{"a", "h", Gauge, []Sample{{[]Label{{"l", "\xff"}}, 1}, {[]Label{{"l", "\xfe"}}, 1}}}},
		`a sample of a has the label l twice`:                                          {{"a", "h", Gauge, []Sample{{[]Label{{"l", "x"}, {"l", "y"}}, 1}}}},
		`"__l" is no name of a label of a`:                                             {{"a", "h", Gauge, []Sample{{[]Label{{"__l", "x"}}, 1}}}},
		`"l:l" is no name of a label of a`:                                             {{"a", "h", Gauge, []Sample{{[]Label{{"l:l", "x"}}, 1}}}},
		`"" is no name of a label of a`:                                                {{"a", "h", Gauge, []Sample{{[]Label{{"", "x"}}, 1}}}},
		`the counter a_total is -1, and counters begin with 0 and grow`:                {{"a_total", "h", Counter, []Sample{{nil, -1}}}},
		`the counter a_total is NaN, and counters begin with 0 and grow`:               {{"a_total", "h", Counter, []Sample{{nil, math.NaN()}}}},
	} {
		var b strings.Builder
		err := Write(&b, append([]Metric{{"Zed", "first of all.", Gauge, one}}, list...))
		if err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
		if b.Len() > 0 {
			t.Errorf("%s: %q was written all the same", want, b.String())
		}
	}
	broken := errors.New("no space left on device")
	if err := Write(full{broken}, []Metric{{"a", "h", Gauge, one}}); !errors.Is(err, broken) {
		t.Errorf("a full disk: %v", err)
	}
}

type full struct{ err error }

func (f full) Write([]byte) (int, error) { return 0, f.err }

// TestWhatIsWrittenIsRead: a reader gets the numbers that were given, whatever they are.
func TestWhatIsWrittenIsRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", `\`, `"`, "\n", `\n`, `"} 1`, "\r\n# HELP", "}", ",", "\u2028"}))
		names := rapid.StringMatching(`[a-zA-Z_:][a-zA-Z0-9_:]{0,3}`)
		want := map[string]map[string]float64{}
		var list []Metric
		for _, name := range rapid.SliceOfNDistinct(names, 0, 4, rapid.ID).Draw(t, "names") {
			m := Metric{Name: name, Help: "h" + text.Draw(t, "help"), Type: Gauge}
			if rapid.Bool().Draw(t, "counter") {
				m.Type, m.Name = Counter, m.Name+"_total"
			}
			if _, twice := want[m.Name]; twice || strings.HasSuffix(name, "_total") {
				continue
			}
			samples := map[string]float64{}
			for range rapid.IntRange(0, 3).Draw(t, "samples") {
				labels := rapid.MapOfN(rapid.StringMatching(`[a-zA-Z][a-zA-Z0-9_]{0,2}`), text, 0, 3).Draw(t, "labels")
				v := rapid.OneOf(rapid.Float64(), rapid.Map(rapid.Uint64(), func(n uint64) float64 { return float64(n) })).Draw(t, "value")
				if m.Type == Counter {
					v = math.Abs(v)
				}
				s := Sample{Value: v}
				for name, value := range labels {
					s.Labels = append(s.Labels, Label{name, value})
				}
				maps.DeleteFunc(labels, func(_, value string) bool { return value == "" })
				if _, twice := samples[key(labels)]; twice {
					continue
				}
				samples[key(labels)] = v
				m.Samples = append(m.Samples, s)
			}
			list = append(list, m)
			if len(samples) > 0 {
				want[m.Name] = samples
			}
		}
		var b strings.Builder
		if err := Write(&b, list); err != nil {
			t.Fatal(err)
		}
		families, err := parse(b.String())
		if err != nil {
			t.Fatalf("%v\n%s", err, b.String())
		}
		got := map[string]map[string]float64{}
		for _, f := range families {
			got[f.name] = f.samples
			i := slices.IndexFunc(list, func(m Metric) bool { return m.Name == f.name })
			if f.help != list[i].Help || f.kind != string(list[i].Type) {
				t.Fatalf("%s: %q %q", f.name, f.kind, f.help)
			}
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Fatal(d)
		}
		if !slices.IsSortedFunc(families, func(a, b family) int { return strings.Compare(a.name, b.name) }) {
			t.Fatal("not sorted")
		}
	})
}

// TestParseIsStrict: a reader that takes everything would prove nothing.
func TestParseIsStrict(t *testing.T) {
	const head = "# HELP a h\n# TYPE a gauge\n"
	for _, text := range []string{
		"a 1\n", head + "a 1", head, head + "a 1\n\n", head + "a 1\n" + head + "a{l=\"x\"} 1\n", head + "a 1\na 2\n",
		head + "b 1\n", head + "a  1\n", head + "a 1 2\n", head + "a x\n", head + "a 0x1p2\n", head + `a{l="x} 1` + "\n", head + `a{l="\x"} 1` + "\n",
		head + `a{l="x",l="y"} 1` + "\n", head + `a{l="x",} 1` + "\n", head + `a{1l="x"} 1` + "\n", head + "a{} 1\n", head + "a{l=\"\xff\"} 1\n",
		"# HELP a \\q\n# TYPE a gauge\na 1\n", "# HELP a h\n# TYPE a thing\na 1\n", "# TYPE a gauge\n# HELP a h\na 1\n",
	} {
		if got, err := parse(text); err == nil {
			t.Errorf("%q was read as %+v", text, got)
		}
	}
}

// FuzzEscapes: no text can end its value or its line.
func FuzzEscapes(f *testing.F) {
	for _, s := range []string{"", "ssh", `\`, `\\"`, "\n", "a\"} 1\nb 2", "\xff\xfe", "\r", "\x1b[2J", "ä\u202e"} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, help, value string) {
		var b strings.Builder
		if err := Write(&b, []Metric{{"a", "h" + help, Gauge, []Sample{{[]Label{{"l", "v" + value}}, 1}}}}); err != nil {
			t.Fatal(err)
		}
		got, err := parse(b.String())
		if err != nil || len(got) != 1 || len(got[0].samples) != 1 {
			t.Fatalf("%v\n%s", err, b.String())
		}
		labels := map[string]string{"l": strings.ToValidUTF8("v"+value, "\ufffd")}
		if got[0].samples[key(labels)] != 1 || got[0].help != strings.ToValidUTF8("h"+help, "\ufffd") {
			t.Fatalf("%q and %q became %+v", help, value, got[0])
		}
	})
}
