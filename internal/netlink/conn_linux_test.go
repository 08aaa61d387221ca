package netlink_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"portolan/internal/kernel"
	"portolan/internal/netlink"
)

// load has nft load a text.
func load(t *testing.T, text string) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "text.nft")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("nft", "-f", name).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func TestRead(t *testing.T) {
	kernel.InNamespace(t, []string{"nft"}, func(t *testing.T) {
		c, err := netlink.Open()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		none, err := c.Read("portolan")
		if err != nil || none.Exists || none.Generation == 0 {
			t.Fatalf("an empty namespace: %+v, %v", none, err)
		}
		load(t, `table inet portolan {
	limit l { rate 10/minute burst 5 packets; }
	set s { type ipv4_addr; flags interval; elements = { 10.0.0.0/8, 192.0.2.7 }; }
	chain go { counter accept comment "hello"; }
	map m { type inet_service : verdict; flags interval; elements = { 22 comment "x" : jump go, 80-90 : jump go }; }
	chain input { type filter hook input priority filter - 10; policy drop; ip saddr @s tcp dport vmap @m; counter drop; }
}
table ip portolan { chain input { type filter hook input priority 0; drop; }; }
table inet other { chain input { accept; }; }
`)
		got, err := c.Read("portolan")
		if err != nil {
			t.Fatal(err)
		}
		if !got.Exists || got.Generation == none.Generation || len(got.Chains) != 2 || len(got.Rules) != 3 || len(got.Sets) != 2 || len(got.Objects) != 1 {
			t.Errorf("exists %v, %d chains, %d rules, %d sets, %d objects", got.Exists, len(got.Chains), len(got.Rules), len(got.Sets), len(got.Objects))
		}
		// Each range is a start and an end; the kernel may say one more end, that of everything
		// below the first.
		if s, m := len(got.Elements["s"]), len(got.Elements["m"]); s < 4 || s > 5 || m < 4 || m > 5 {
			t.Errorf("%d and %d elements", s, m)
		}
		if comment := netlink.Comment(netlink.Attr(got.Rules[0], netlink.RuleUserData), 0); comment != "hello" {
			t.Errorf("comment %q", comment)
		}
		var chains []netlink.Chain
		for but, want := range map[string]string{
			"":         "portolan go r|portolan input rr|portolan input r|other input r",
			"portolan": "portolan input r|other input r",
		} {
			if chains, err = c.Chains(but); err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, x := range chains {
				names = append(names, x.Table+" "+x.Name+" "+strings.Repeat("r", len(x.Rules)))
			}
			if strings.Join(names, "|") != want {
				t.Errorf("chains but %q: %q, want %q", but, strings.Join(names, "|"), want)
			}
		}
		for _, x := range []struct {
			family          byte
			table, name     string
			flags, elements int
		}{{1, "portolan", "s", 4, 4}, {1, "portolan", "m", 4 | 8, 4}, {2, "portolan", "s", -1, 0}, {1, "nothing", "s", -1, 0}} {
			attrs, elements, err := c.Set(x.family, x.table, x.name)
			if flags := int(netlink.Number(netlink.Attr(attrs, netlink.SetFlags))); err != nil || (attrs == nil) != (x.flags < 0) || attrs != nil && flags != x.flags ||
				len(elements) < x.elements || len(elements) > x.elements+1 {
				t.Errorf("set %s of %s: %d elements, %v, flags %d", x.name, x.table, len(elements), err, flags)
			}
		}
		load(t, "delete table inet other; table inet other { flags dormant; chain input { type filter hook input priority 0; drop; }; }")
		if chains, err = c.Chains(""); err != nil || !chains[len(chains)-1].Dormant || chains[0].Dormant {
			t.Errorf("chains %+v, %v", chains, err)
		}
	})
}
