//go:build !unix

package edit

import (
	"io/fs"
	"os"
)

// own does nothing: a new file inherits who may use it from its folder.
func own(*os.File, fs.FileInfo) error { return nil }

// sync does nothing: the system writes the names of a folder by itself.
func sync(*os.Root, string) {}
