package render

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"portolan/internal/ruleset"
	"portolan/internal/source"
	"portolan/internal/verify"
)

// compatVariable names the folder with trees of other systems, which .ci/compat makes.
const compatVariable = "PORTOLAN_COMPAT"

// compatTrees are the trees there are.
func compatTrees(t *testing.T) []string {
	t.Helper()
	dir := os.Getenv(compatVariable)
	if dir == "" {
		t.Skipf("%s is not set: make compat tries the versions of Debian 11, 12 and 13", compatVariable)
	}
	trees, err := filepath.Glob(filepath.Join(dir, "debian-*"))
	if err != nil || len(trees) == 0 {
		t.Fatalf("%s has no tree: make compat makes them", dir)
	}
	return trees
}

// inTree runs a shell script in a tree, in namespaces of its own. The files are its /tmp/0,
// /tmp/1 and so on.
func inTree(tree, script string, files ...[]byte) (string, error) {
	dir, err := os.MkdirTemp(filepath.Join(tree, "tmp"), "portolan-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	for i, data := range files {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), data, 0o644); err != nil {
			return "", err
		}
	}
	cmd := exec.Command("/bin/sh", "-ec", "mount -t proc proc /proc\ncd /tmp/"+filepath.Base(dir)+"\n"+script)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "XTABLES_LOCKFILE=/tmp/" + filepath.Base(dir) + "/lock"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: tree, Unshareflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS}
	var out, talk bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &talk
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%w: %s", err, talk.String())
	}
	return out.String(), nil
}

// goldenSets are the golden files of the given names in each folder that has them all.
func goldenSets(t *testing.T, names ...string) map[string][][]byte {
	t.Helper()
	dirs, err := filepath.Glob(filepath.Join("..", "testdata", "golden", "*"))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][][]byte{}
	for _, dir := range dirs {
		var files [][]byte
		for _, name := range names {
			if data, err := os.ReadFile(filepath.Join(dir, name)); err == nil {
				files = append(files, data)
			}
		}
		if len(files) == len(names) {
			out[filepath.Base(dir)] = files
		}
	}
	if len(out) == 0 {
		t.Fatalf("there is no golden %v", names)
	}
	return out
}

// TestCompatNftables loads every golden text with each version of nft, over nothing, over
// itself and over every other one, and reads back what the version lists.
func TestCompatNftables(t *testing.T) {
	const mark = "\n==== json ====\n"
	for _, tree := range compatTrees(t) {
		version, err := inTree(tree, "nft --version")
		if err != nil {
			t.Fatal(err)
		}
		t.Run(strings.Fields(version)[1], func(t *testing.T) {
			for _, name := range []string{"portolan.nft", "portolan-snippet.nft"} {
				all := goldenSets(t, name)
				for host, files := range all {
					want, err := verify.ParseNftables(source.New(host, files[0]))
					if err != nil {
						t.Fatal(err)
					}
					olders := map[string][]byte{"nothing": []byte("\n")}
					for older, data := range all {
						olders[older] = data[0]
					}
					for older, data := range olders {
						out, err := inTree(tree, "nft -f ./0\nnft -f ./1\nnft -a list ruleset\nprintf '\\n==== json ====\\n'\nnft -j list ruleset", data, files[0])
						if err != nil {
							t.Errorf("%s/%s over %s: %v", host, name, older, err)
							continue
						}
						text, json, _ := strings.Cut(out, mark)
						for listing, listed := range map[string]string{"the listing": text, "the JSON": json} {
							back, err := verify.Read("nftables", []*source.File{source.New(listing, []byte(listed))})
							if err != nil {
								t.Errorf("%s/%s over %s: %v", host, name, older, err)
							} else if c := ruleset.Equivalent(want, back); c != nil {
								t.Errorf("%s/%s over %s: %s", host, name, older, c.Words("the text", listing))
							}
						}
					}
				}
			}
		})
	}
}

// TestCompatIptables loads every golden pair of files with each version of iptables and both
// of its backends, twice, and compares the lines it saves with those that were written.
func TestCompatIptables(t *testing.T) {
	for _, tree := range compatTrees(t) {
		version, err := inTree(tree, "iptables-nft --version")
		if err != nil {
			t.Fatal(err)
		}
		t.Run(strings.Fields(version)[1], func(t *testing.T) {
			for host, files := range goldenSets(t, "rules.v4", "rules.v6") {
				for _, backend := range []string{"nft", "legacy"} {
					for i, program := range []string{"iptables-" + backend, "ip6tables-" + backend} {
						sets, err := os.ReadFile(filepath.Join("..", "testdata", "golden", host, "rules.ipset"))
						if err != nil && !errors.Is(err, fs.ErrNotExist) {
							t.Fatal(err)
						}
						out, err := inTree(tree, "[ ! -s 1 ] || ipset -exist restore <1\n"+program+"-restore --noflush <0\n"+program+"-restore --noflush <0\n"+program+"-save", files[i], sets)
						if err != nil {
							t.Errorf("%s with %s: %v", host, program, err)
							continue
						}
						saved, want := byChain(ourLines(out)), byChain(ourLines(bareDash.Replace(string(files[i]))))
						if !slices.Equal(saved, want) {
							t.Errorf("%s with %s: saved are\n%s\nand not\n%s", host, program, strings.Join(saved, "\n"), strings.Join(want, "\n"))
						}
					}
				}
			}
		})
	}
}

// byChain sorts rules by their chain, because each version lists chains in an order of its
// own, and leaves those of one chain in their order.
func byChain(rules []string) []string {
	slices.SortStableFunc(rules, func(a, b string) int { return cmp.Compare(strings.Fields(a)[1], strings.Fields(b)[1]) })
	return rules
}
