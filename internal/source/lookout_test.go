package source

import (
	"fmt"
	"sync"
	"testing"
	"testing/fstest"
)

func TestLookout(t *testing.T) {
	files := fstest.MapFS{
		"etc/b": {Data: []byte("x here y")}, "etc/a": {Data: []byte("\xff\xfeh\x00e\x00r\x00e\x00")}, "etc/c": {Data: []byte("her e")},
		"etc/unread": {Data: []byte("here")},
	}
	tree := NewTree(files)
	l := NewLookout("here")
	tree.Watch(l)
	var wait sync.WaitGroup
	for range 4 {
		for _, name := range []string{"etc/a", "etc/b", "etc/c", "etc/none"} {
			wait.Go(func() { _, _ = tree.Read(name) })
		}
	}
	wait.Wait()
	if got := fmt.Sprint(len(l.Files()), " ", l.Files()[0].Name, " ", l.Files()[1].Name); got != "2 etc/a etc/b" {
		t.Error(got)
	}
}
