package host

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"syscall"

	"portolan/internal/diag"
	"portolan/internal/source"
)

// captureDir is where captured command output lies in a host's tree, under any names.
const captureDir = "portolan"

// maxFiles bounds the files of one folder that are read.
const maxFiles = 1000

// Load reads the facts of the host whose files are in tree: live values in proc/sys,
// captured command output in portolan/, and sysctl.d, in this order of trust. What none
// of them says is the built-in default of the platform, and every From says which it
// was.
//
// The platform is found by sure signs (see detect). When there is none, the facts have
// no Platform and no Ephemeral, and nothing is reported: the caller knows for which
// platforms the files are meant. The error says that the top of the tree could not be
// read.
func Load(tree *source.Tree, platforms Platforms) (Facts, diag.List, error) {
	if _, err := tree.List("."); err != nil {
		return Facts{}, nil, err
	}
	l := loader{tree: tree}
	captures := l.captures()
	platform, _ := platforms.Lookup(detect(tree, platforms, captures))
	facts, _ := platforms.Facts(platform.ID)

	var merged Capture
	for _, c := range captures {
		l.checkFit(c, platform)
		merged.Dynamic = append(merged.Dynamic, c.Dynamic...)
		merged.Reuse = append(merged.Reuse, c.Reuse...)
		merged.Excluded = append(merged.Excluded, c.Excluded...)
		merged.Listeners = append(merged.Listeners, c.Listeners[:min(len(c.Listeners), maxListeners-len(merged.Listeners))]...)
		merged.Watched = append(merged.Watched, c.Watched...)
		for _, s := range c.Settings {
			if s.fits(platform) {
				merged.Settings = append(merged.Settings, s)
			}
		}
	}
	switch {
	case platform.ID == "":
	case platform.OS == "linux":
		l.linux(&facts, merged.Settings)
	case platform.OS == "windows":
		l.diags = append(l.diags, facts.windows(merged)...)
	default:
		l.diags = append(l.diags, facts.unix(merged.Settings)...)
	}
	l.listeners(&facts, merged)
	facts.Names = l.names(platform.OS)
	return facts, l.diags, nil
}

// loader reads files of a host and keeps what there is to say about them.
type loader struct {
	tree  *source.Tree
	diags diag.List
}

// read is a file, nil when there is none; one that cannot be read is reported.
func (l *loader) read(name string) *source.File {
	f, err := l.tree.Read(name)
	if err != nil {
		if !absent(err) {
			l.unreadable(name, err)
		}
		return nil
	}
	return f
}

// list is the names in a folder, at most maxFiles.
func (l *loader) list(dir string) []string {
	names, err := l.tree.List(dir)
	if err != nil && !absent(err) {
		l.unreadable(dir, err)
	}
	if len(names) > maxFiles {
		l.warn(dir, "only the first %d of %d files are read", maxFiles, len(names))
		names = names[:maxFiles]
	}
	return names
}

func (l *loader) unreadable(name string, err error) {
	if inner, ok := errors.AsType[*fs.PathError](err); ok {
		err = inner.Err
	}
	l.warn(name, "cannot be read: %v", err)
}

func (l *loader) warn(name, format string, args ...any) {
	l.diags = append(l.diags, diag.Diagnostic{
		Rule: RuleBroken, Severity: diag.Warning, Span: source.New(name, nil).Span(0, 0), Message: fmt.Sprintf(format, args...),
	})
}

// absent reports whether err says that there is no such file.
func absent(err error) bool { return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) }

// captured is a capture and the file it came from.
type captured struct {
	Capture
	file *source.File
}

func (l *loader) captures() []captured {
	var out []captured
	for _, name := range l.list(captureDir) {
		f := l.read(path.Join(captureDir, name))
		if f == nil {
			continue
		}
		c, diags := ParseCapture(f)
		l.diags = append(l.diags, diags...)
		out = append(out, captured{c, f})
	}
	return out
}

// fits reports whether a system of this platform has the setting.
func (s Setting) fits(p Platform) bool { return slices.Contains(systemsOf(s.Key), p.OS) }

// checkFit reports a capture that was made on another system than the files are of.
func (l *loader) checkFit(c captured, platform Platform) {
	title := cmp.Or(platform.Title, "this system")
	for _, s := range c.Settings {
		if !s.fits(platform) {
			l.warn(c.file.Name, "%s is no setting of %s, so it is ignored", s.Key, title)
			return
		}
	}
	if c.Netsh && platform.OS != "windows" {
		l.warn(c.file.Name, "netsh is no command of %s, so its output is ignored", title)
	}
	if c.PowerShell && platform.OS != "windows" {
		l.warn(c.file.Name, "Get-NetTCPSetting and Get-NetUDPSetting are no commands of %s, so their output is ignored", title)
	}
}

// signs are files that only one system has.
var signs = [...]struct{ file, platform string }{
	{"proc/sys/net", "linux"},
	{"bin/freebsd-version", "freebsd"},
	{"System/Library/CoreServices", "macos"},
	{"netbsd", "netbsd"},
	{"bsd", "openbsd"},
}

// detect is the id or alias of the platform that the tree is of, "" when nothing says
// so. The order is from the surest sign to the weakest: etc/os-release or a file that
// only one system has, the folders of Windows, captured output, and a folder etc.
func detect(tree *source.Tree, platforms Platforms, captures []captured) string {
	for _, sign := range signs {
		if _, err := tree.Stat(sign.file); err == nil {
			return sign.platform
		}
	}
	if f, err := tree.Read("etc/os-release"); err == nil {
		return ofRelease(f, platforms)
	}
	if hasWindows(tree) {
		return "windows-server"
	}
	for _, c := range captures {
		if p := c.platform(); p != "" {
			return p
		}
	}
	if info, err := tree.Stat("etc"); err == nil && info.IsDir() {
		return "linux"
	}
	return ""
}

// ofRelease is the platform that the ID in etc/os-release names, and linux for the name
// of a distribution (https://www.freedesktop.org/software/systemd/man/os-release.html).
func ofRelease(f *source.File, platforms Platforms) string {
	for start, end := range lines(f.Text) {
		id, ok := strings.CutPrefix(string(f.Text[start:end]), "ID=")
		if p, known := platforms.Lookup(strings.Trim(id, `"'`)); ok && known {
			return p.ID
		}
	}
	return "linux"
}

// hasWindows reports whether the folders of Windows lie at the top of the tree or below
// the letter of a drive there.
func hasWindows(tree *source.Tree) bool {
	top, _ := tree.List(".") // Load has read it already
	if windowsAt(tree, ".", top) {
		return true
	}
	for _, name := range top {
		if drive := strings.TrimSuffix(name, ":"); len(drive) == 1 {
			if names, err := tree.List(name); err == nil && windowsAt(tree, name, names) {
				return true
			}
		}
	}
	return false
}

func windowsAt(tree *source.Tree, dir string, names []string) bool {
	for _, name := range names {
		switch {
		case strings.EqualFold(name, "Program Files"):
			return true
		case strings.EqualFold(name, "Windows"):
			inside, _ := tree.List(path.Join(dir, name)) // unreadable is no sign
			if slices.ContainsFunc(inside, func(s string) bool { return strings.EqualFold(s, "System32") }) {
				return true
			}
		}
	}
	return false
}

// platform is the platform on which c was made, "" when nothing was recognised.
func (c *Capture) platform() string {
	if c.Netsh || c.PowerShell {
		return "windows-server"
	}
	if s, ok := last(c.Settings, osType); ok && s.Value.Text() == "Darwin" {
		return "macos"
	}
	for _, s := range c.Settings {
		if s.Key != osType {
			return systemsOf(s.Key)[0]
		}
	}
	return ""
}
