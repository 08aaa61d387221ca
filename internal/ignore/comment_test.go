package ignore

import (
	"regexp"
	"testing"

	"pgregory.net/rapid"
)

// TestSign holds the reader of signs against their definition.
func TestSign(t *testing.T) {
	definition := regexp.MustCompile(`(?:<!--|/\*+|//+|--+|#+|;+|!+|%+|\*|\bdnl)[ \t]*$`)
	rapid.Check(t, func(t *rapid.T) {
		front := rapid.StringOf(rapid.SampledFrom([]rune("#;!%/*-<dnl _0é \t"))).Draw(t, "front")
		want := -1
		if loc := definition.FindStringIndex(front); loc != nil {
			want = loc[0]
		}
		if got := sign([]byte(front)); got != want {
			t.Fatalf("%q: %d, want %d", front, got, want)
		}
	})
}
