package main

import (
	"errors"
	"testing"

	"portolan/internal/apply"
	"portolan/internal/kernel"
)

// TestScriptBoot runs the story of what a start of the host brings back, in a kernel's tables
// of its own.
func TestScriptBoot(t *testing.T) {
	kernel.InNamespace(t, []string{"nft", "unshare"}, func(t *testing.T) { stories(t, "../../testdata/script_boot") })
}

// TestWentBack: whoever changes the firewall ends with the same code when it went back.
func TestWentBack(t *testing.T) {
	err := wentBack(apply.WentBack{Cause: errors.New("not proved")})
	exit, ok := errors.AsType[*exitError](err)
	if !ok || exit.code != exitRolledBack || err.Error() != "the old rules are in force again: not proved" {
		t.Errorf("%v", err)
	}
	plain := errors.New("no table")
	if err := wentBack(plain); err != plain {
		t.Errorf("%v", err)
	}
}
