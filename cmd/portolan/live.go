package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"time"

	"portolan/internal/netlink"
	"portolan/internal/report"
	"portolan/internal/source"
	"portolan/internal/verify"
)

// Bounds on asking a program what the kernel has. The most rules that were measured take a
// second to list and some megabytes.
const (
	liveTime = 60 * time.Second
	liveSize = 64 << 20
)

// liveSide is what the kernel has of us in the language of a backend. It changes nothing.
func (a *app) liveSide(ctx context.Context, backend string) (*side, error) {
	if runtime.GOOS != "linux" {
		return nil, fmt.Errorf("--live reads the kernel of Linux, and this is %s", runtime.GOOS)
	}
	if backend == "nftables" {
		return a.liveNftables()
	}
	ctx, cancel := context.WithTimeout(ctx, liveTime)
	defer cancel()
	return a.liveIptables(ctx)
}

// liveNftables is our table as the kernel itself says it, without nft. While a change waits
// for its confirmation it is what is in force now.
func (a *app) liveNftables() (*side, error) {
	live, err := readKernel()
	if err != nil {
		return nil, err
	}
	switch {
	case live.InForce() == nil:
		return nil, live.Strange
	case live.Waiting:
		fmt.Fprintf(a.stderr, "portolan: a change of the kernel's table is in force and waits for its confirmation, for %s yet: that is what is looked at\n", live.Left.Round(time.Second))
	case live.Pending != nil:
		fmt.Fprintf(a.stderr, "portolan: a change of the kernel's table was not confirmed in time: it is not in force any more, and what is looked at is what was before\n")
	}
	const name = "the kernel's table inet portolan"
	return &side{name: name, backend: "nftables", rules: live.InForce(), text: true, files: []*source.File{source.New(name, nil)}}, nil
}

// readKernel is what the kernel has of our table.
func readKernel() (live *verify.Live, err error) {
	c, err := netlink.Open()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	t, err := c.Read(nftablesTable)
	switch {
	case err != nil:
		return nil, onlyRoot(err)
	case !t.Exists:
		return nil, errors.New("the kernel has no table inet portolan: load portolan.nft first, with nft -f portolan.nft")
	}
	return verify.Kernel(t)
}

// nftablesTable is the name of our table.
const nftablesTable = "portolan"

// liveIptables is our chains of both families.
func (a *app) liveIptables(ctx context.Context) (*side, error) {
	var files []*source.File
	for _, program := range []string{"iptables-save", "ip6tables-save"} {
		out, err := a.look(ctx, program)
		if err != nil {
			return nil, err
		}
		ours, err := ourChains(program, out)
		if err != nil {
			return nil, err
		}
		files = append(files, source.New(program, ours))
	}
	return readSide("the kernel's iptables", "iptables", files)
}

// look runs a program that reads the kernel's tables and is its output. Programs of root
// lie in folders that the path of others may not have.
func (a *app) look(ctx context.Context, name string, args ...string) ([]byte, error) {
	path, err := exec.LookPath(name)
	for _, dir := range []string{"/usr/sbin", "/sbin"} {
		if err != nil {
			path, err = exec.LookPath(filepath.Join(dir, name))
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%s is not installed, and without it the kernel cannot be asked", name)
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = append(cmd.Environ(), "LC_ALL=C")
	cmd.WaitDelay = time.Second
	stdout, stderr := &bounded{most: liveSize}, &bounded{most: 4 << 10}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	err = cmd.Run()
	line := name + strings.TrimSuffix(" "+strings.Join(args, " "), " ")
	first, _, _ := strings.Cut(strings.TrimSpace(stderr.b.String()), "\n")
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("%s did not answer within %s", line, liveTime)
	case stdout.over:
		return nil, fmt.Errorf("%s writes more than %d MiB", line, liveSize>>20)
	case err != nil && regexp.MustCompile(`(?i)permission denied|operation not permitted|must be root`).MatchString(stderr.b.String()):
		return nil, fmt.Errorf("%s: only root may read the kernel's tables: %s", line, report.Printable(first))
	case err != nil && first != "":
		return nil, fmt.Errorf("%s: %s", line, report.Printable(first))
	case err != nil:
		return nil, fmt.Errorf("%s: %w", line, err)
	}
	return stdout.b.Bytes(), nil
}

// bounded keeps the first bytes of what is written to it.
type bounded struct {
	b    bytes.Buffer
	most int
	over bool
}

func (w *bounded) Write(p []byte) (int, error) {
	keep := min(len(p), w.most-w.b.Len())
	w.over = w.over || keep < len(p)
	w.b.Write(p[:keep])
	return len(p), nil
}

// Lines of iptables-save.
var (
	saveTable = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^\*[a-z]+$`) })
	saveChain = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^:(PL-[A-Za-z0-9_-]+) - \[[0-9]+:[0-9]+\]$`) })
	saveRule  = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^-A (\S+) .*-[jg] (\S+)`) })
	saveHook  = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^-A ([A-Z]+) -j (PL-[A-Za-z0-9_-]+)$`) })
)

// ourChains is what iptables-save wrote without the tables, chains and rules of others, the
// lines at their places and the counters at 0. It is an error when nothing leads into our
// chains: then they decide nothing.
func ourChains(program string, saved []byte) ([]byte, error) {
	lines := strings.Split(string(saved), "\n")
	out := make([]string, len(lines))
	kept, table, any := false, -1, false
	inner, hooked, filled := map[string]bool{}, map[string]bool{}, map[string]bool{}
	var chains []string
	for i, l := range lines {
		switch {
		case saveTable().MatchString(l):
			table, kept = i, false
		case table < 0: // comments before the first table
		case l == "COMMIT":
			if kept {
				out[i] = l
			}
		default:
			if m := saveChain().FindStringSubmatch(l); m != nil {
				if !kept {
					out[table], kept, any = lines[table], true, true
				}
				out[i] = ":" + m[1] + " - [0:0]"
				chains = append(chains, m[1])
				continue
			}
			m := saveRule().FindStringSubmatch(l)
			if hook := saveHook().FindStringSubmatch(l); hook != nil {
				hooked[hook[2]] = true
				continue
			}
			if strings.HasPrefix(l, "-A PL-") {
				out[i] = l
				if m != nil {
					filled[m[1]], inner[m[2]] = true, true
				}
			}
		}
	}
	if !any {
		return nil, fmt.Errorf("%s: the kernel has no chain of portolan: load rules.v4 and rules.v6 first, as their first lines say", program)
	}
	for _, c := range chains {
		if filled[c] && !inner[c] && !hooked[c] {
			return nil, &exitError{exitFindings, fmt.Errorf("%s: nothing leads into the chain %s, so it decides nothing: hook it in, as the first lines of rules.v4 say", program, c)}
		}
	}
	return []byte(strings.Join(out, "\n")), nil
}
