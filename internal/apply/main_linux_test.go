package apply

import (
	"os"
	"testing"

	"portolan/internal/kernel"
)

func TestMain(m *testing.M) { os.Exit(kernel.Main(m)) }
