package inventory_test

import (
	"os"
	"testing"

	"portolan/internal/catalog"
	"portolan/internal/inventory"
	"portolan/internal/source"
	"portolan/services"
)

func BenchmarkRead(b *testing.B) {
	cat, _, err := catalog.Load(services.FS)
	if err != nil {
		b.Fatal(err)
	}
	tree := source.NewTree(os.DirFS("../../testdata/hosts/ivr-01"))
	for b.Loop() {
		if _, _, err := inventory.Read(cat, tree, "", nil); err != nil {
			b.Fatal(err)
		}
	}
}
