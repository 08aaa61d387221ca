package browser

import (
	"errors"
	"testing"

	"github.com/chromedp/chromedp"
)

func TestFind(t *testing.T) {
	none := func(string) (string, error) { return "", errors.New("nothing") }
	second := func(name string) (string, error) {
		if name == programs[1] {
			return "/bin/" + name, nil
		}
		return none(name)
	}
	for _, c := range []struct {
		mode         string
		look         func(string) (string, error)
		path, reason string
		fails        bool
	}{
		{"", second, "/bin/chromium-browser", "", false},
		{"auto", none, "", "no chromium is installed", false},
		{"require", second, "/bin/chromium-browser", "", false},
		{"require", none, "", "", true},
		{"off", second, "", "PORTOLAN_BROWSER=off", false},
		{"requires", second, "", "", true},
	} {
		path, reason, err := find(c.mode, c.look)
		if path != c.path || reason != c.reason || (err != nil) != c.fails {
			t.Errorf("%q: %q, %q, %v", c.mode, path, reason, err)
		}
	}
}

// TestHears shows that what must not happen in a page would be seen.
func TestHears(t *testing.T) {
	tab := Start(t)
	tab.Do(chromedp.Navigate("data:text/html,<script>console.error('one')</script><script>nothing()</script><img src='file:///none'>"))
	if n := Value[float64](tab, "Promise.resolve(1.5)"); n != 1.5 {
		t.Errorf("a promise of 1.5 came to %v", n)
	}
	if said := tab.Said(); len(said) < 3 {
		t.Errorf("an error, an exception and a refusal were heard as %q", said)
	}
	if len(tab.Requests()) == 0 || len(tab.Requests()) > 0 || len(tab.Said()) > 0 {
		t.Error("requests are not told once")
	}
}
