package inventory_test

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"portolan/internal/diag"
	"portolan/internal/inventory"
	"portolan/internal/source"
)

// opened notes the files that are opened.
type opened struct {
	fstest.MapFS
	mu    sync.Mutex
	names []string
}

func (o *opened) Open(name string) (fs.File, error) {
	f, err := o.MapFS.Open(name)
	if err == nil {
		if info, _ := f.Stat(); info.Mode().IsRegular() {
			o.mu.Lock()
			o.names = append(o.names, name)
			o.mu.Unlock()
		}
	}
	return f, err
}

// TestOnlyWantedFilesAreOpened: on a host with ten thousand files, those that no
// description wants are never opened.
func TestOnlyWantedFilesAreOpened(t *testing.T) {
	files := fstest.MapFS{
		"etc/redis/redis.conf": {Data: []byte("port 6390\n")},
		"etc/ssh/sshd_config":  {Data: []byte("Port 2222\n")},
	}
	for i := range 10_000 {
		dir := []string{"etc", "etc/redis", "etc/ssh", "opt/acme", "var/lib/x", "usr/share/doc/redis"}[i%6]
		ending := []string{"conf", "yml", "xml", "json", "ini", "toml", "bak"}[i%7]
		files[fmt.Sprintf("%s/acme-%d.%s", dir, i, ending)] = &fstest.MapFile{Data: []byte("port 1\n")}
	}
	host := &opened{MapFS: files}
	inv, _, err := inventory.Read(ours(t), source.NewTree(host), "", nil)
	if err != nil || len(inv.Claims) == 0 {
		t.Fatal(err, inv)
	}
	slices.Sort(host.names)
	if want := []string{"etc/redis/redis.conf", "etc/ssh/sshd_config"}; !slices.Equal(slices.Compact(host.names), want) {
		t.Errorf("opened %s, want %q", strings.Join(host.names, ", "), want)
	}
}

// TestFullFolder: a folder with too much in it hides what is in it and nothing else.
func TestFullFolder(t *testing.T) {
	files := fstest.MapFS{"etc/ssh/sshd_config": {Data: []byte("Port 2222\n")}}
	for i := range 10_001 {
		files[fmt.Sprintf("opt/p%d", i)] = &fstest.MapFile{}
	}
	inv, diags, err := inventory.Read(ours(t), source.NewTree(files), "", nil)
	if err != nil || len(inv.Claims) != 1 || inv.Claims[0].Service != "sshd" {
		t.Fatal(err, inv)
	}
	hidden := inventory.File{Name: "opt/cairo*/config/cairo-config.xml", Service: "cairo-mrcp", Status: inventory.Unreadable}
	said := slices.ContainsFunc(diags, func(d diag.Diagnostic) bool {
		return d.Message == hidden.Name+" cannot be read: more than 10000 files and folders to look at" && d.Help == "name the file itself, as cairo-mrcp=PATH"
	})
	if !slices.Contains(inv.Files, hidden) || !said {
		t.Errorf("files %v, findings %v", inv.Files, diags)
	}
}
