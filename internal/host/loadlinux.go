package host

import (
	"bytes"
	"fmt"
	"path"
	"slices"
	"strings"

	"portolan/internal/diag"
	"portolan/internal/port"
	"portolan/internal/source"
)

// sysctlDirs are the folders with settings for the boot. A file in one of them hides
// those of the same name in the folders after it (sysctl.d(5); lib/sysctl.d stands in
// the list of procps only, see sysctl(8)).
var sysctlDirs = [...]string{"etc/sysctl.d", "run/sysctl.d", "usr/local/lib/sysctl.d", "usr/lib/sysctl.d", "lib/sysctl.d"}

// lastConf is read after all files of sysctlDirs (sysctl(8)).
const lastConf = "etc/sysctl.conf"

// linux puts into facts what the files say: live values before captured ones, and
// these before the settings for the boot.
func (l *loader) linux(facts *Facts, captured []Setting) {
	facts.NodePorts, facts.NomadPorts = l.nodePorts(), l.nomadPorts()
	before := len(l.diags)
	boot, names := l.boot()
	whole := len(l.diags) == before
	facts.Shadowed = shadowed(boot)
	facts.Helpers = l.helpers(captured, boot)
	s := settler{l, []func() []Setting{
		l.live,
		func() []Setting { return captured },
		func() []Setting { return boot },
	}}
	if start, _, ok := settle(s, unprivilegedPortHead, ParseUnprivilegedPortStart, "the built-in default"); ok {
		facts.UnprivilegedStart, facts.From = start, fromFiles
	}
	ports, at, ok := settle(s, localReservedPorts, ParseLocalReservedPorts, "an empty list")
	if whole {
		facts.ReservedAt = l.reservedAt(boot, names, at)
	}
	if ok {
		facts.From = fromFiles
		if !ports.IsEmpty() {
			facts.Reserved = []Reserved{{0, ports, localReservedPorts, at.Place()}}
		}
	}
	fallback := "nothing"
	if len(facts.Ephemeral) > 0 {
		fallback = fmt.Sprintf("%s, the %s,", facts.Ephemeral[0].Ports, facts.Ephemeral[0].From)
	}
	r, at, ok := settle(s, localPortRange, ParseLocalPortRange, fallback)
	if !ok {
		return
	}
	facts.From = fromFiles
	span := at
	if w, written := last(boot, localPortRange); written {
		if tuned, err := ParseLocalPortRange(w.Value.Text()); err == nil && tuned == r {
			span = w.Value
		}
	}
	for _, proto := range port.Protos {
		for _, family := range []Family{V4, V6} { // the name says ipv4, but both use the range
			facts.replace(proto, family, found{r, at, span})
		}
	}
	if int(r.First) < facts.UnprivilegedStart { // EINVAL on Linux 6.18; the kernel's text demands it too
		l.diags = append(l.diags, diag.Diagnostic{
			Rule: RuleBroken, Severity: diag.Warning, Span: at,
			Message: fmt.Sprintf("%s begins below %s, which is %d: current kernels refuse it and keep the range they had",
				localPortRange, unprivilegedPortHead, facts.UnprivilegedStart),
			Notes: []string{"ports are judged by the range as it is written"},
			Help:  fmt.Sprintf("begin the range at %d or above", facts.UnprivilegedStart),
		})
	}
}

// settler finds values among several levels of settings, the most trusted first.
type settler struct {
	*loader
	levels []func() []Setting
}

// settle is the first value of key that makes sense, and where it stands. Values that
// make none are reported together with what is used instead; fallback is that in words
// when nothing else is left.
func settle[T any](s settler, key string, parse func(string) (T, error), fallback string) (value T, at source.Span, ok bool) {
	var broken diag.List
	for _, level := range s.levels {
		setting, written := last(level(), key)
		if !written {
			continue
		}
		v, err := parse(setting.Value.Text())
		if err == nil {
			value, at, ok, fallback = v, setting.Value, true, "the value from "+setting.Value.Place()
			break
		}
		broken = append(broken, diag.Diagnostic{
			Rule: RuleBroken, Severity: diag.Warning, Span: setting.Value, Message: fmt.Sprintf("%s: %v", key, err),
		})
	}
	for _, d := range broken {
		d.Message += "; " + fallback + " is used instead"
		s.diags = append(s.diags, d)
	}
	return value, at, ok
}

// live are the values of the running kernel.
func (l *loader) live() []Setting {
	var out []Setting
	for _, key := range linuxKeys {
		f := l.read("proc/sys/" + strings.ReplaceAll(key, ".", "/"))
		if f == nil {
			continue
		}
		start := len(f.Text) - len(bytes.TrimLeft(f.Text, " \t\n"))
		out = append(out, Setting{key, f.Span(start, len(bytes.TrimRight(f.Text, " \t\n")))})
	}
	return out
}

// boot are the settings that are made at the next boot, in their order: all files by
// their base names whatever their folder, etc/sysctl.conf last. The names are those in
// sysctlDirs that are taken.
func (l *loader) boot() (out []Setting, names []string) {
	chosen := map[string]string{}
	for _, dir := range sysctlDirs {
		for _, base := range l.list(dir) {
			if chosen[base] == "" && strings.HasSuffix(base, ".conf") {
				chosen[base] = path.Join(dir, base)
				names = append(names, base)
			}
		}
	}
	slices.Sort(names)
	for _, base := range names {
		// Distributions link 99-sysctl.conf to a file that procps reads once more at the end.
		if target, err := l.tree.Resolve(chosen[base]); err == nil && target == lastConf {
			continue
		}
		out = append(out, l.conf(chosen[base])...)
	}
	return append(out, l.conf(lastConf)...), names
}

// newConfs are names for a file that is not there, the first one free being the best:
// sysctl.d(5) advises numbers from 60 to 90 for files in etc.
var newConfs = [...]string{"60-portolan-reserved-ports.conf", "99-portolan-reserved-ports.conf", "zz-portolan-reserved-ports.conf"}

// reservedAt is where the list of reserved ports stands or belongs. Names are those of the
// files in sysctlDirs, and at is the value by which ports are judged, zero when there is
// none. It is nil where the last list is not one that the kernel takes, or no name is free.
func (l *loader) reservedAt(boot []Setting, names []string, at source.Span) *ReservedList {
	winner, ok := last(boot, localReservedPorts)
	list := &ReservedList{Counts: at.IsZero() || ok && at == winner.Value}
	behind := ""
	if ok {
		var err error
		if list.Ports, err = ParseLocalReservedPorts(winner.Value.Text()); err != nil {
			return nil
		}
		target, err := l.tree.Resolve(winner.Value.File.Path)
		if err != nil {
			return nil
		}
		if strings.HasPrefix(target, "etc/") && strings.HasPrefix(winner.Value.File.Path, "etc/") {
			list.Value = winner.Value
			return list
		}
		behind = path.Base(winner.Value.File.Path)
	}
	for _, name := range newConfs {
		if name > behind && !slices.Contains(names, name) {
			list.New = source.New(path.Join(sysctlDirs[0], name), nil)
			return list
		}
	}
	return nil
}

// conf are the settings of one file. A link to /dev/null is how a file of a lower
// folder is switched off (sysctl.d(5)).
func (l *loader) conf(name string) []Setting {
	if target, err := l.tree.Resolve(name); err == nil && target == "dev/null" {
		return nil
	}
	f := l.read(name)
	if f == nil {
		return nil
	}
	return ParseSysctlConf(f)
}

// shadowed finds what somebody wrote into etc and a later line takes back at boot: each
// assignment replaces the one before, lists too. A file of a package that etc overrides
// is how it should be, and a list that the later one holds loses nothing.
func shadowed(boot []Setting) []Shadowed {
	const most = 100 // that anybody reads
	var out []Shadowed
	for _, key := range linuxKeys {
		winner, ok := last(boot, key)
		if !ok || !valid(winner) { // the kernel refuses it, which is reported where it is used
			continue
		}
		theirs, _ := ParseLocalReservedPorts(winner.Value.Text())
		for _, s := range boot {
			if len(out) == most {
				return out
			}
			if s.Key != key || s.Value == winner.Value || !strings.HasPrefix(s.Value.File.Name, "etc/") || !valid(s) ||
				slices.Equal(strings.Fields(s.Value.Text()), strings.Fields(winner.Value.Text())) {
				continue
			}
			x := Shadowed{Setting: key, Span: s.Value, By: winner.Value}
			if key == localReservedPorts {
				mine, _ := ParseLocalReservedPorts(s.Value.Text())
				if x.Lost = mine.Minus(theirs); x.Lost.IsEmpty() {
					continue
				}
			}
			out = append(out, x)
		}
	}
	return out
}

// valid reports whether the kernel takes the value of a setting of Linux.
func valid(s Setting) bool {
	var err error
	switch value := s.Value.Text(); s.Key {
	case localPortRange:
		_, err = ParseLocalPortRange(value)
	case localReservedPorts:
		_, err = ParseLocalReservedPorts(value)
	case unprivilegedPortHead:
		_, err = ParseUnprivilegedPortStart(value)
	}
	return err == nil
}
