package kernel

import "testing"

func TestParseMode(t *testing.T) {
	for in, want := range map[string]Mode{"": Auto, "auto": Auto, "require": Require, "off": Off} {
		if m, err := ParseMode(in); err != nil || m != want {
			t.Errorf("ParseMode(%q) = %q, %v", in, m, err)
		}
	}
	for _, in := range []string{"required", "on", "AUTO"} {
		if m, err := ParseMode(in); err == nil {
			t.Errorf("ParseMode(%q) = %q, want an error", in, m)
		}
	}
}

func TestProgram(t *testing.T) {
	if path, err := Program("no-such-program-anywhere"); err == nil {
		t.Errorf("found %s", path)
	}
}
