package host

import (
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"portolan/internal/diag"
	"portolan/internal/source"
)

// Collect reads the facts of this machine from /proc. What is broken there is
// reported; the error says why we could not look.
func Collect(ctx context.Context, platforms Platforms) (Facts, diag.List, error) {
	if err := ctx.Err(); err != nil {
		return Facts{}, nil, err
	}
	tree, err := source.OpenTree("/")
	if err != nil {
		return Facts{}, nil, err
	}
	defer tree.Close()
	l := loader{tree: tree}
	facts, _ := platforms.Facts("linux")
	l.linux(&facts, nil)
	sockets, watched := l.procListeners(true, binary.NativeEndian)
	nameProcesses(ctx, "/proc", sockets)
	for _, s := range sockets {
		facts.Listeners = append(facts.Listeners, s.Listener)
	}
	facts.Listeners, facts.Watched = sortListeners(facts.Listeners), watched
	facts.Names = l.names("linux")
	facts.From = fromMachine
	return facts, l.diags, nil
}

// maxDescriptors bounds the open files of all processes that are looked at.
const maxDescriptors = 500_000

// nameProcesses finds out who has the sockets, as far as we may read it: processes of
// others keep their files to themselves and to root.
func nameProcesses(ctx context.Context, proc string, sockets []procSocket) {
	wanted := map[string][]*procSocket{}
	for i := range sockets {
		link := "socket:[" + strconv.FormatUint(sockets[i].inode, 10) + "]"
		wanted[link] = append(wanted[link], &sockets[i])
	}
	processes, err := os.ReadDir(proc)
	if err != nil {
		return
	}
	// systemd keeps the sockets that it opens for others, so the first process comes last.
	if i := slices.IndexFunc(processes, func(p os.DirEntry) bool { return p.Name() == "1" }); i >= 0 {
		first := processes[i]
		processes = append(slices.Delete(processes, i, i+1), first)
	}
	seen := 0
	for _, p := range processes {
		if _, err := strconv.ParseUint(p.Name(), 10, 32); err != nil {
			continue
		}
		if len(wanted) == 0 || seen > maxDescriptors || ctx.Err() != nil {
			return
		}
		files, _ := os.ReadDir(filepath.Join(proc, p.Name(), "fd")) // gone, or not ours to read
		name := ""
		for _, f := range files {
			seen++
			link, err := os.Readlink(filepath.Join(proc, p.Name(), "fd", f.Name()))
			if err != nil || len(wanted[link]) == 0 {
				continue
			}
			if name == "" {
				raw, _ := os.ReadFile(filepath.Join(proc, p.Name(), "comm"))
				name = strings.TrimSpace(string(raw))
			}
			for _, s := range wanted[link] {
				s.Process = name
			}
			delete(wanted, link)
		}
	}
}
