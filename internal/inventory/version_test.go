package inventory

import "testing"

func TestCompareVersions(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"9.5", "10.1", -1}, {"10.1", "10.1.0", 0}, {"10.1.200", "10.1", 1}, {"12.1", "12.1", 0}, {"12.0.999", "12.1", -1},
		{"12.1-2.el7", "12.1", 0}, {"12.1.100+git", "12.1", 1}, {"12", "12.1", -1}, {"012.1", "12.1", 0},
	} {
		if got, ok := compareVersions(c.a, c.b); !ok || got != c.want {
			t.Errorf("%s and %s: %d, %v", c.a, c.b, got, ok)
		}
	}
	for _, v := range []string{"", "12,1", "v12.1", "12.1.x", "-1", "12..1", ".", "12.", "12.99999999999", "one", "+1"} {
		if got, ok := compareVersions(v, "12.1"); ok {
			t.Errorf("%q is no version, and compares as %d", v, got)
		}
	}
}
