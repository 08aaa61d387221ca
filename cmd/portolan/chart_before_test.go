package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"portolan/internal/host"
	"portolan/internal/inventory"
	"portolan/lint"
)

// advisedMove is advice to set a number, which is the place of a listener where the setting is that
// of one.
var advisedMove = regexp.MustCompile(`(?:set|before that,|and) (\S+)(?: of [^,;]+?| \(\S+\))? to (\d+)`)

// TestBeforeIsLint: what chart --before draws is what lint advises in words, and what lint --fix
// makes of a copy of the host.
func TestBeforeIsLint(t *testing.T) {
	moves, made, lists := 0, 0, 0
	hosts, err := filepath.Glob("../../testdata/hosts/*")
	if err != nil || len(hosts) < 3 {
		t.Fatalf("%d hosts, %v", len(hosts), err)
	}
	cases, err := filepath.Glob("../../testdata/cases/*.txtar")
	if err != nil || len(cases) < 15 {
		t.Fatalf("%d cases, %v", len(cases), err)
	}
	for _, name := range append(hosts, cases...) {
		t.Run(filepath.Base(name), func(t *testing.T) {
			in := input{root: filepath.Join(t.TempDir(), "host")}
			if strings.HasSuffix(name, ".txtar") {
				ar, err := txtar.ParseFile(name)
				if err != nil {
					t.Fatal(err)
				}
				unpack(t, ar, "host", in.root)
				unpack(t, ar, "services", in.root+"-services")
				if _, err := os.Stat(in.root + "-services"); err == nil {
					in.services = in.root + "-services"
				}
			} else if err := os.CopyFS(in.root, os.DirFS(name)); err != nil {
				t.Fatal(err)
			}
			a := &app{stdout: io.Discard, stderr: io.Discard, getenv: noEnv}
			read := func() *found {
				f, err := a.read(t.Context(), &in, nil, true)
				if err != nil {
					t.Fatal(err)
				}
				return f
			}
			now := read()
			proposal := lint.Propose(now.inventory, now.hosts, lint.Options{})
			then, facts := proposal.Of(now.inventory, now.hosts)
			var help strings.Builder
			for _, d := range lint.Run(now.inventory, now.hosts, lint.Options{}) {
				fmt.Fprintln(&help, d.Help)
			}

			// Each number of the proposal is advised, and what else is advised is a choice.
			advised, proposed := map[string]bool{}, map[string]bool{}
			for _, m := range advisedMove.FindAllStringSubmatch(help.String(), -1) {
				advised[m[1]+" to "+m[2]] = true
			}
			moves += len(proposal.Moves)
			for _, m := range proposal.Moves {
				words := now.inventory.Claims[m.Claim].Setting + " to " + strconv.Itoa(m.Set)
				if proposed[words] = true; !advised[words] {
					t.Errorf("%s is proposed, and not advised:\n%s", words, help.String())
				}
			}
			for _, c := range now.inventory.Claims {
				for words := range advised {
					if name, _, _ := strings.Cut(words, " to "); c.Direction == inventory.Listen && name == c.Setting && !proposed[words] &&
						!slices.ContainsFunc(facts, func(f host.Facts) bool { return f.ReservedAt != nil && f.ReservedAt.Ports.Contains(c.Ports.First) }) {
						t.Errorf("%s is advised, and neither that nor its ports in a list proposed:\n%s", words, help.String())
					}
				}
			}
			for i, list := range proposal.Reserve {
				if list.IsEmpty() {
					continue
				}
				lists++
				if !strings.Contains(help.String(), "set net.ipv4.ip_local_reserved_ports to "+list.String()) &&
					!strings.Contains(help.String(), "reserve "+list.String()+" in net.ipv4.ip_local_reserved_ports") {
					t.Errorf("%s of host %d is not advised:\n%s", list, i, help.String())
				}
			}

			args := []string{"lint", "--fix", "--fail-on", "none", "--root", in.root}
			if in.services != "" {
				args = append(args, "--services", in.services)
			}
			var stderr bytes.Buffer
			if code := run(t.Context(), args, strings.NewReader(""), io.Discard, &stderr, noEnv); code != exitOK {
				t.Fatalf("exit code %d: %s", code, stderr.String())
			}
			fixed := read()
			if len(fixed.inventory.Claims) != len(then.Claims) {
				t.Fatalf("%d claims, not %d", len(fixed.inventory.Claims), len(then.Claims))
			}
			for i := range then.Claims {
				was, is, want := now.inventory.Claims[i].Ports, fixed.inventory.Claims[i].Ports, then.Claims[i].Ports
				if is == was {
					continue
				}
				made++
				if is != want {
					t.Errorf("%s of %s is on %s, not on %s", then.Claims[i].Listen, then.Claims[i].Service, is, want)
				}
			}
			for i := range facts {
				if was, is := now.hosts[i].ReservedAt, fixed.hosts[i].ReservedAt; was != nil && is != nil && !is.Ports.Equal(was.Ports) {
					made++
					if want := facts[i].ReservedAt.Ports; !is.Ports.Equal(want) {
						t.Errorf("%s is reserved, not %s", is.Ports, want)
					}
				}
			}
		})
	}
	if moves < 8 || made < 6 || lists < 3 {
		t.Errorf("%d moves and %d lists, of which --fix made %d: the hosts show too little", moves, lists, made)
	}
}
