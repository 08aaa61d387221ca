package inventory

import (
	"bytes"
	"slices"
	"strings"

	"portolan/internal/catalog"
)

// instance is one running copy of a service: a main file and those of other kinds.
type instance struct {
	service *catalog.Service
	parts   []*candidate // the main file first, if there is one
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
		for _, c := range leads {
			out = append(out, instance{s, append([]*candidate{c}, beside(c, leads, sides)...)})
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
		all = append(all, instance{c.service, append(in.parts, c)})
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

// beside are the files of other kinds that belong to a leading file.
func beside(lead *candidate, leads, sides []*candidate) []*candidate {
	var out []*candidate
	for i := range lead.service.Files {
		spec := &lead.service.Files[i]
		var linked, free []*candidate
		for _, c := range sides {
			switch {
			case c.spec != spec:
			case linkedTo(c, lead):
				linked = append(linked, c)
			case len(leads) == 1 || !slices.ContainsFunc(leads, func(l *candidate) bool { return linkedTo(c, l) }):
				free = append(free, c)
			}
		}
		if len(linked) == 0 {
			linked = free
		}
		out = append(out, linked...)
	}
	return out
}

// linkedTo reports whether one of two files names the other by its path.
func linkedTo(a, b *candidate) bool {
	return names(a, b) || names(b, a)
}

func names(a, b *candidate) bool {
	for _, text := range a.texts() {
		for rest := text; ; {
			_, after, found := bytes.Cut(rest, []byte("/"+b.file.Path))
			if !found {
				break
			}
			// A longer path is another file.
			if len(after) == 0 || !strings.ContainsRune("-_./@%", rune(after[0])) && !letterOrDigit(after[0]) {
				return true
			}
			rest = after
		}
	}
	return false
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
