package main

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/diff"

	"portolan/internal/diag"
	"portolan/internal/edit"
	"portolan/internal/report"
	"portolan/internal/source"
)

// showDiff prints what fix would change, as a patch for the top of the files.
func (a *app) showDiff(list diag.List) error {
	changes, mended := edit.Safe(list)
	onTerminal := isTerminal(a.stdout)
	for i := range changes {
		name := strings.TrimLeft(filepath.ToSlash(changes[i].File.Name), "/")
		old := "a/" + name
		if changes[i].Creates() {
			old = "/dev/null"
		}
		patch := string(diff.Diff(quoted(old), changes[i].File.Text, quoted("b/"+name), changes[i].Text()))
		if onTerminal { // a patch keeps every byte, and a terminal acts on some
			lines := strings.Split(patch, "\n")
			for k, line := range lines {
				lines[k] = report.Printable(strings.TrimSuffix(line, "\r"))
			}
			patch = strings.Join(lines, "\n")
		}
		if _, err := fmt.Fprint(a.stdout, patch); err != nil {
			return fmt.Errorf("writing the diff: %w", err)
		}
	}
	_, err := fmt.Fprintf(a.stderr, "portolan: a safe fix for %d of %s\n", mended, findings(len(list)))
	return err
}

// quoted is the name of a file as patch(1) and git have it in the lines above a patch: a name
// with a line break must not begin a patch of its own.
func quoted(name string) string {
	if !strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7F || r == '"' || r == '\\' }) {
		return name
	}
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(name) {
		switch c := name[i]; {
		case c == '"' || c == '\\':
			b.WriteString(`\` + string(rune(c)))
		case c < ' ' || c == 0x7F:
			fmt.Fprintf(&b, `\%03o`, c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String() + `"`
}

// fix makes the changes of the safe fixes in the files themselves, and reports whether
// there were any. The first that cannot be made ends it: what was changed before stays,
// since each file is whole.
func (a *app) fix(ctx context.Context, in *input, paths []string, list diag.List) (bool, error) {
	changes, mended := edit.Safe(list)
	if len(changes) == 0 {
		return false, nil
	}
	var tree *source.Tree
	top := in.root
	if len(paths) == 0 {
		if top == "" {
			top = a.liveRoot()
		}
		var err error
		if tree, err = source.OpenTree(top); err != nil {
			return false, notFolder(top, err)
		}
		defer tree.Close()
	}
	for i := range changes {
		if ctx.Err() != nil {
			return i > 0, ctx.Err()
		}
		c := &changes[i]
		if err := write(c, tree, top); err != nil {
			left := ""
			if len(changes) > 1 {
				left = fmt.Sprintf("; %d of %d files were changed", i, len(changes))
			}
			return i > 0, fmt.Errorf("%s: not %s: %w%s", c.File.Name, done(c), reason(err), left)
		}
		if _, err := fmt.Fprintf(a.stderr, "portolan: %s %s\n", done(c), report.Printable(c.File.Name)); err != nil {
			return true, err
		}
	}
	_, err := fmt.Fprintf(a.stderr, "portolan: fixed %d of %s\n", mended, findings(len(list)))
	return true, err
}

// done is what becomes of a file.
func done(c *edit.Change) string {
	if c.Creates() {
		return "created"
	}
	return "changed"
}

// write changes one file. In a tree its links lead nowhere out of it; a file that was
// named by itself is where its path leads. Of a new file the folder may be a link, and the
// file itself takes the place of nothing. New files belong to a tree.
func write(c *edit.Change, tree *source.Tree, top string) error {
	var folder, name string
	var err error
	if tree != nil && c.Creates() {
		folder = top
		if name, err = tree.Resolve(path.Dir(c.File.Path)); err == nil {
			name = path.Join(name, path.Base(c.File.Path))
		}
	} else if tree != nil {
		folder = top
		name, err = tree.Resolve(c.File.Path)
	} else if name, err = filepath.EvalSymlinks(c.File.Name); err == nil {
		folder, name = filepath.Split(name)
		if folder == "" {
			folder = "."
		}
	}
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return err
	}
	defer root.Close()
	return c.Write(root, name)
}

// findings is "1 finding" or "3 findings".
func findings(n int) string {
	if n == 1 {
		return "1 finding"
	}
	return fmt.Sprintf("%d findings", n)
}
