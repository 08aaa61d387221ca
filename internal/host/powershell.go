package host

import (
	"bytes"
	"encoding/json"
	"path"
	"slices"
	"strconv"
	"strings"

	"portolan/internal/diag"
	"portolan/internal/port"
	"portolan/internal/source"
)

// The properties of Get-NetTCPSetting and Get-NetUDPSetting that say something about
// ports. Their names are the same in every language. The range for auto-reuse is taken from
// when a TCP socket connects without a bind; 0 ports switch it off, and the dynamic ports
// are taken then (https://learn.microsoft.com/powershell/module/nettcpip/get-nettcpsetting).
const (
	psStart      = "DynamicPortRangeStartPort"
	psCount      = "DynamicPortRangeNumberOfPorts"
	psReuseStart = "AutoReusePortRangeStartPort"
	psReuseCount = "AutoReusePortRangeNumberOfPorts"
	psProfile    = "SettingName"
)

// psOfTCP are properties that only an object of Get-NetTCPSetting has, by their beginnings:
// a list has "MinRto(ms)" where JSON has "MinRto".
var psOfTCP = [...]string{"AutoReusePortRange", psProfile, "MinRto", "InitialRto", "CongestionProvider"}

// psObject is one object that PowerShell printed: a profile of TCP, or the one of UDP.
type psObject struct {
	seen    []string // properties, without their values
	proto   port.Proto
	profile string
	numbers map[string]number
	span    source.Span // of the first number
}

// psReader collects the objects of a file.
type psReader struct {
	findings
	out   Capture
	name  port.Proto // what the file's name says
	asked port.Proto // what the last command line says
}

// parsePowerShell reads the properties above wherever they stand: in JSON, as
// ConvertTo-Json writes it, one object or a list, with all that Windows PowerShell puts
// around; and in a list, "Name : value", as the commands print it by themselves. Neither
// tells the family.
func parsePowerShell(f *source.File) (Capture, diag.List) {
	r := psReader{findings: findings{file: f}}
	if !bytes.Contains(f.Text, []byte("PortRange")) {
		return r.out, nil
	}
	base := strings.ToLower(path.Base(f.Name))
	if r.name = protoOfCommand(base); r.name == 0 {
		r.name = protoWord(base)
	}
	var open psObject // of a list
	for start := 0; start < len(f.Text); {
		end := start
		for end < len(f.Text) && f.Text[end] != '\n' {
			end++
		}
		at := trim(f.Text, start, end)
		text := f.Text[at[0]:min(at[1], at[0]+maxHeader)]
		switch {
		case len(text) == 0:
			r.finish(&open)
		case text[0] == '{' || text[0] == '[':
			r.finish(&open)
			end = max(end, at[0]+r.json(at[0]))
			for end < len(f.Text) && f.Text[end] != '\n' {
				end++
			}
		case protoOfCommand(strings.ToLower(string(text))) != 0:
			r.finish(&open)
			r.asked = protoOfCommand(strings.ToLower(string(text)))
		default:
			r.property(&open, at[0], at[1])
		}
		start = end + 1
	}
	r.finish(&open)
	return r.out, r.all()
}

// protoOfCommand is the protocol whose settings a command in lower case asks for, 0 for
// other text.
func protoOfCommand(lower string) port.Proto {
	switch {
	case strings.Contains(lower, "nettcpsetting"):
		return port.TCP
	case strings.Contains(lower, "netudpsetting"):
		return port.UDP
	}
	return 0
}

// property takes a line "Name : value" of a list into o. A property that o has already
// begins the next object.
func (r *psReader) property(o *psObject, start, end int) {
	cut := bytes.IndexByte(r.file.Text[start:end], ':')
	if cut < 1 || cut > maxKey {
		return
	}
	name := strings.TrimSpace(string(r.file.Text[start : start+cut]))
	if slices.Contains(o.seen, name) {
		r.finish(o)
	}
	value := trim(r.file.Text, start+cut+1, end)
	o.set(name, r.file.Span(value[0], value[1]))
}

// set takes a property and the place of its value, without quotes.
func (o *psObject) set(name string, at source.Span) {
	ofTCP := slices.ContainsFunc(psOfTCP[:], func(p string) bool { return strings.HasPrefix(name, p) })
	switch {
	case name == psStart, name == psCount, name == psReuseStart, name == psReuseCount:
		if o.span.IsZero() {
			o.span = at
		}
		if o.numbers == nil {
			o.numbers = map[string]number{}
		}
		if digits := at.Text(); digits != "" && strings.Trim(digits, "0123456789") == "" {
			n, err := strconv.ParseUint(digits, 10, 16)
			if err != nil {
				o.numbers[name] = number{-1, at}
			} else {
				o.numbers[name] = number{int(n), at}
			}
		}
	case name == psProfile:
		o.profile = at.Text()
	case name == "ClassName", name == "CimClassName", name == "CreationClassName":
		if p := protoOfCommand(strings.ToLower(at.Text())); p != 0 {
			o.proto = p
		}
	case !ofTCP:
		return
	}
	if ofTCP {
		o.proto = port.TCP
	}
	o.seen = append(o.seen, name)
}

// json reads the JSON that begins at an offset and reports how many bytes it took, with
// what it could not understand. An object without ports inside another, such as the class
// that Windows PowerShell writes along, says what the other is.
func (r *psReader) json(start int) int {
	dec := json.NewDecoder(bytes.NewReader(r.file.Text[start:]))
	dec.UseNumber()
	type frame struct {
		psObject
		object bool
		key    string // "" before a key
	}
	var stack []*frame
	for {
		token, err := dec.Token()
		if err != nil { // the text is no JSON from here on
			return int(dec.InputOffset()) + 1
		}
		end := int(dec.InputOffset())
		delim, _ := token.(json.Delim)
		switch {
		case delim == '{' || delim == '[':
			if len(stack) == maxDepth {
				return end
			}
			stack = append(stack, &frame{object: delim == '{'})
			continue
		case delim != 0:
			top := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			if top.span.IsZero() && len(stack) > 0 && stack[len(stack)-1].proto == 0 {
				stack[len(stack)-1].proto = top.proto
			}
			r.finish(&top.psObject)
		default:
			top := stack[len(stack)-1]
			if top.object && top.key == "" {
				top.key, _ = token.(string)
				continue
			}
			if top.object {
				top.set(top.key, r.valueAt(start, end, token))
			}
		}
		if len(stack) == 0 {
			return end
		}
		stack[len(stack)-1].key = ""
	}
}

// maxDepth bounds brackets inside each other; ConvertTo-Json stops at 100.
const maxDepth = 200

// valueAt is the place of a value of JSON that ends at an offset from start; that of null,
// true and false is empty.
func (r *psReader) valueAt(start, end int, token json.Token) source.Span {
	end += start
	switch v := token.(type) {
	case json.Number:
		return r.file.Span(end-len(v), end)
	case string: // as it is written, which for our values is as it is meant
		from := end - 1
		for from > start && r.file.Text[from-1] != '"' {
			from--
		}
		return r.file.Span(from, end-1)
	}
	return r.file.Span(end, end)
}

// finish takes what o says and empties it. An object without the properties is none of
// ours.
func (r *psReader) finish(o *psObject) {
	done := *o
	*o = psObject{}
	if done.span.IsZero() {
		return
	}
	r.out.PowerShell = true
	proto, known := firstProto(done.proto, r.asked, r.name)
	start, count := done.numbers[psStart], done.numbers[psCount]
	if start.value != 0 || count.value != 0 { // a profile that takes another's has none
		if !known {
			r.add(diag.Warning, done.span, "put tcp or udp into the name of the file",
				"nothing says whether these ports are of tcp or of udp, so they are ignored")
		} else if d, ok := r.ports(proto, done, start, count); ok {
			r.out.Dynamic = append(r.out.Dynamic, d)
		}
	}
	if reuse := done.numbers[psReuseCount]; reuse.value != 0 {
		if d, ok := r.ports(port.TCP, done, done.numbers[psReuseStart], reuse); ok {
			r.out.Reuse = append(r.out.Reuse, d)
		}
	}
}

// ports is a first port and how many there are as a range.
func (r *psReader) ports(proto port.Proto, o psObject, start, count number) (DynamicRange, bool) {
	first, ok := rangeOf(start, count)
	at := start.span
	if at.IsZero() {
		at = o.span
	}
	if !ok {
		r.add(diag.Warning, at, captureAgain, "%s ports from port %s on are not a range within 1 to %d", count, start, port.Max)
		return DynamicRange{}, false
	}
	if len(r.out.Dynamic)+len(r.out.Reuse) >= maxRanges {
		return DynamicRange{}, false
	}
	return DynamicRange{Proto: proto, Ports: first, Profile: o.profile, Span: at}, true
}
