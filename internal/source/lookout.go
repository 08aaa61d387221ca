package source

import (
	"bytes"
	"slices"
	"strings"
	"sync"
)

// A Lookout keeps those files of a Tree that hold a text, so that whoever asks for them
// needs no other file in memory.
type Lookout struct {
	text  []byte
	mu    sync.Mutex
	files map[string]*File // by Name
}

// NewLookout looks out for text.
func NewLookout(text string) *Lookout {
	return &Lookout{text: []byte(text), files: map[string]*File{}}
}

// Watch has l see every file that t, and what is Called from it later, reads from now on.
func (t *Tree) Watch(l *Lookout) { t.lookout = l }

// see keeps f when it holds the text. A file that is read twice is kept once.
func (l *Lookout) see(f *File) {
	if l == nil || !bytes.Contains(f.Text, l.text) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.files[f.Name] == nil {
		l.files[f.Name] = f
	}
}

// Files are the files that hold the text, in order of their names.
func (l *Lookout) Files() []*File {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make([]*File, 0, len(l.files))
	for _, f := range l.files {
		out = append(out, f)
	}
	slices.SortFunc(out, func(a, b *File) int { return strings.Compare(a.Name, b.Name) })
	return out
}
