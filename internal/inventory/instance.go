package inventory

import (
	"bytes"
	"slices"
	"strings"
	"unicode"

	"portolan/internal/catalog"
)

// instance is one running copy of a service: a main file and those of other kinds.
type instance struct {
	service *catalog.Service
	parts   []*candidate // the main file first, if there is one
	cut     bool         // there are more parts than are looked at
	// published are the ports that lead into it, when it is a container with a network of its
	// own.
	published []Published
}

func (in *instance) main() *candidate { return in.parts[0] }

// group puts the files that were read together into instances, in order of services. Each
// main file is one. Without a main file, each file of the kind that there are most of is
// one: two units without a configuration file are two programs.
//
// An instance has the files of the other kinds too: those that name one of its files, as
// the command line of a unit names the configuration, or that are named by one of them;
// and when there are none of a kind, all those of it that name no other instance. A
// container is an instance of its own, unless it has a main file as a volume: it sees no
// other file of the host.
func group(found []candidate) []instance {
	var order []*catalog.Service
	of := map[*catalog.Service][]*candidate{}
	for i := range found {
		c := &found[i]
		if c.doc == nil {
			continue
		}
		if of[c.service] == nil {
			order = append(order, c.service)
		}
		of[c.service] = append(of[c.service], c)
	}
	var out []instance
	for _, s := range order {
		var inside []*candidate
		of[s] = slices.DeleteFunc(of[s], func(c *candidate) bool {
			if c.container != "" {
				inside = append(inside, c)
			}
			return c.container != ""
		})
		lead := leading(s, of[s])
		var leads, sides []*candidate
		for _, c := range of[s] {
			if c.spec == lead {
				leads = append(leads, c)
			} else {
				sides = append(sides, c)
			}
		}
		linked := links(leads, sides)
		free := sides
		if len(leads) > 1 {
			taken := map[*candidate]bool{}
			for p := range linked {
				taken[p.side] = true
			}
			free = slices.DeleteFunc(slices.Clone(sides), func(c *candidate) bool { return taken[c] })
		}
		for _, c := range leads {
			in := instance{service: s, parts: append([]*candidate{c}, beside(c, linked, sides, free)...)}
			if in.cut = len(in.parts) > maxItems; in.cut {
				in.parts = in.parts[:maxItems]
			}
			out = append(out, in)
		}
		out = contained(out, out[len(out)-len(leads):], inside)
	}
	return out
}

// contained adds the containers of a service and their volumes to its instances: to the one
// of a main file that a container has as a volume, or as one more.
func contained(all, own []instance, inside []*candidate) []instance {
	for _, c := range inside {
		if len(c.spec.Images) == 0 {
			continue
		}
		if i := slices.IndexFunc(own, func(in instance) bool { return c.mounts(in.main()) }); i >= 0 {
			own[i].parts = append(own[i].parts, c)
			continue
		}
		in := instance{service: c.service}
		for _, v := range inside {
			if v != c && v.container == c.container {
				in.parts = append(in.parts, v)
			}
		}
		all = append(all, instance{service: c.service, parts: append(in.parts, c)})
	}
	return all
}

// leading is the kind of file that each instance of a service has one of.
func leading(s *catalog.Service, files []*candidate) *catalog.FileSpec {
	count := map[*catalog.FileSpec]int{}
	for _, c := range files {
		count[c.spec]++
	}
	lead := &s.Files[0]
	if count[lead] > 0 {
		return lead
	}
	for i := range s.Files {
		if count[&s.Files[i]] > count[lead] {
			lead = &s.Files[i]
		}
	}
	return lead
}

// beside are the files of other kinds that belong to a leading file. Free are those that no
// leading file has to do with.
func beside(lead *candidate, linked map[pair]bool, sides, free []*candidate) []*candidate {
	var out []*candidate
	for i := range lead.service.Files {
		spec := &lead.service.Files[i]
		own := false
		for _, c := range sides {
			if c.spec == spec && linked[pair{lead, c}] {
				out, own = append(out, c), true
			}
		}
		if own {
			continue
		}
		for _, c := range free {
			if c.spec == spec {
				out = append(out, c)
			}
		}
	}
	return out
}

// pair is a leading file and one of another kind.
type pair struct{ lead, side *candidate }

// links are the pairs of files of which one names the other by its path. Each text is read
// once, however many files there are.
func links(leads, sides []*candidate) map[pair]bool {
	out := map[pair]bool{}
	for side, named := range named(sides, leads) {
		for _, lead := range named {
			out[pair{lead, side}] = true
		}
	}
	for lead, named := range named(leads, sides) {
		for _, side := range named {
			out[pair{lead, side}] = true
		}
	}
	return out
}

// named are the files of others whose paths stand in the text of each file.
func named(files, others []*candidate) map[*candidate][]*candidate {
	at, odd := map[string][]*candidate{}, []*candidate(nil)
	sizes := map[int]bool{}
	for _, o := range others {
		name := "/" + o.file.Path
		if strings.ContainsFunc(name, func(r rune) bool { return r > unicode.MaxASCII || !partOfPath(byte(r)) }) {
			odd = append(odd, o)
			continue
		}
		at[name] = append(at[name], o)
		sizes[len(name)] = true
	}
	out := map[*candidate][]*candidate{}
	for _, f := range files {
		seen := map[*candidate]bool{}
		add := func(os []*candidate) {
			for _, o := range os {
				if !seen[o] {
					seen[o] = true
					out[f] = append(out[f], o)
				}
			}
		}
		for _, text := range f.texts() {
			end := len(text) // of the row of bytes that may be in a path
			for i := len(text) - 1; i >= 0; i-- {
				switch {
				case !partOfPath(text[i]):
					end = i
				case text[i] == '/' && sizes[end-i]:
					add(at[string(text[i:end])])
				}
			}
			for _, o := range odd {
				if says(text, "/"+o.file.Path) {
					add([]*candidate{o})
				}
			}
		}
	}
	return out
}

// says reports whether a path stands in a text, and not only as the beginning of a longer
// one.
func says(text []byte, name string) bool {
	for rest := text; ; {
		_, after, found := bytes.Cut(rest, []byte(name))
		if !found {
			return false
		}
		if len(after) == 0 || !partOfPath(after[0]) {
			return true
		}
		rest = after
	}
}

// partOfPath reports whether a path goes on with a byte. With others, such as a comma, it
// may end.
func partOfPath(c byte) bool {
	return letterOrDigit(c) || strings.IndexByte("-_./@%", c) >= 0
}

func letterOrDigit(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
}

// texts are the bytes of a file and of those that were read into its document.
func (c *candidate) texts() [][]byte {
	out := [][]byte{c.file.Text}
	for _, f := range c.layers {
		out = append(out, f.Text)
	}
	return out
}
