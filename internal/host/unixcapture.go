package host

import (
	"path"
	"slices"
	"strings"

	"portolan/internal/port"
	"portolan/internal/source"
)

// parseAnonPorts reads the anonymous ports of Solaris and HP-UX. Of ipadm show-prop these
// are the rows of its table, and of its parsable form with names in it (-c -o all):
//
//	tcp   smallest_anon_port    rw   32768        --           32768        1024-65535
//	tcp:smallest_anon_port:rw:32768::32768:1024-65535
//
// ipadm of Solaris 11 prints hyphens where it is asked with underscores. Of ndd they are the
// numbers behind the command line that asks for them, one a line:
//
//	# ndd /dev/tcp tcp_smallest_anon_port tcp_largest_anon_port
//	32768
//	65535
//
// The keys are those of ndd, such as "tcp_smallest_anon_port".
func parseAnonPorts(f *source.File) []Setting {
	var out []Setting
	var asked []string // of ndd, and not yet answered
	proto := protoWord(strings.ToLower(path.Base(f.Name)))
	for start, end := range lines(f.Text) {
		text := f.Text[start:min(end, start+maxHeader)]
		if len(asked) > 0 && strings.Trim(string(text), "0123456789") == "" {
			out = append(out, Setting{asked[0], f.Span(start, end)})
			asked = asked[1:]
			continue
		}
		if asked = nddAsks(string(text)); len(asked) > 0 {
			continue
		}
		if key, at := ipadmRow(f, start, end, proto); key != "" {
			out = append(out, Setting{key, at})
		}
	}
	return out
}

// nddAsks are the names of anonymous ports that a command line of ndd asks for, in order.
func nddAsks(line string) []string {
	if !strings.Contains(line, "ndd ") || !strings.Contains(line, "/dev/") || strings.Contains(line, "-set") {
		return nil
	}
	return slices.DeleteFunc(strings.Fields(line), func(word string) bool {
		return !strings.Contains(word, "_anon_port") || systemsOf(word) == nil
	})
}

// ipadmRow is the setting in one row of ipadm, and the place of its current value; the
// key is "" for any other line. proto stands in where the row has none.
func ipadmRow(f *source.File, start, end int, proto port.Proto) (string, source.Span) {
	words := words(f, start, end)
	for i, w := range words[:min(len(words), 2)] {
		name := strings.ReplaceAll(w.Text(), "-", "_")
		if name != "smallest_anon_port" && name != "largest_anon_port" {
			continue
		}
		if i > 0 {
			proto, _ = port.ParseProto(words[0].Text())
		}
		value := words[i+1:]
		if len(value) > 0 && strings.Trim(value[0].Text(), "rw-") == "" { // what one may do with it
			value = value[1:]
		}
		if proto == 0 || len(value) == 0 {
			break
		}
		return proto.String() + "_" + name, value[0]
	}
	return "", source.Span{}
}

// words are the first words of a line, between blanks and colons.
func words(f *source.File, start, end int) []source.Span {
	const most = 4
	var out []source.Span
	for at := start; at < end && len(out) < most; {
		to := at
		for to < end && !blank(f.Text[to]) && f.Text[to] != ':' {
			to++
		}
		if to > at {
			out = append(out, f.Span(at, to))
		}
		at = to + 1
	}
	return out
}
