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
	"time"

	"portolan/internal/report"
	"portolan/internal/source"
)

// Bounds on looking at the kernel. A table of the most rules that were measured takes a
// second to list and has some megabytes.
const (
	liveTime = 60 * time.Second
	liveSize = 64 << 20
)

// liveSide is what the kernel has of us in the language of a backend. It changes nothing.
func (a *app) liveSide(ctx context.Context, backend string) (*side, error) {
	if runtime.GOOS != "linux" {
		return nil, fmt.Errorf("--live reads the kernel of Linux, and this is %s", runtime.GOOS)
	}
	ctx, cancel := context.WithTimeout(ctx, liveTime)
	defer cancel()
	if backend == "iptables" {
		return a.liveIptables(ctx)
	}
	out, err := a.look(ctx, "nft", "-j", "list", "table", "inet", "portolan")
	if err != nil {
		if strings.Contains(err.Error(), "No such file or directory") {
			return nil, errors.New("the kernel has no table inet portolan: load portolan.nft first, with nft -f portolan.nft")
		}
		return nil, err
	}
	return readSide("the kernel's table inet portolan", "nftables", []*source.File{source.New("nft -j list table inet portolan", out)})
}

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
	saveTable = regexp.MustCompile(`^\*[a-z]+$`)
	saveChain = regexp.MustCompile(`^:(PL-[A-Za-z0-9_-]+) - \[[0-9]+:[0-9]+\]$`)
	saveRule  = regexp.MustCompile(`^-A (\S+) .*-[jg] (\S+)`)
	saveHook  = regexp.MustCompile(`^-A ([A-Z]+) -j (PL-[A-Za-z0-9_-]+)$`)
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
		case saveTable.MatchString(l):
			table, kept = i, false
		case table < 0: // comments before the first table
		case l == "COMMIT":
			if kept {
				out[i] = l
			}
		default:
			if m := saveChain.FindStringSubmatch(l); m != nil {
				if !kept {
					out[table], kept, any = lines[table], true, true
				}
				out[i] = ":" + m[1] + " - [0:0]"
				chains = append(chains, m[1])
				continue
			}
			m := saveRule.FindStringSubmatch(l)
			if hook := saveHook.FindStringSubmatch(l); hook != nil {
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
