package kernel

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Xtables are the programs of iptables of one kind, "-nft" or "-legacy", and those that go
// with them.
func Xtables(suffix string) []string {
	out := []string{"nft", "ipset"}
	for _, name := range xtablesNames {
		out = append(out, strings.Replace(name, "tables", "tables"+suffix, 1))
	}
	return out
}

var xtablesNames = []string{"iptables", "iptables-restore", "iptables-save", "ip6tables", "ip6tables-restore", "ip6tables-save"}

// A File is a text for a firewall, as people would copy it to a host.
type File struct {
	Name    string
	Data    []byte
	Program bool // it is to be executed
}

// Follow writes files into a folder and does there what their headers say people should do:
// the commands behind the given words, in the order of the words, each command once. Programs
// have their plain names there; those of iptables are of the kind of the suffix.
func Follow(dir string, files []File, suffix string, words ...string) error {
	for _, name := range xtablesNames {
		if suffix == "" {
			break
		}
		path, err := Program(strings.Replace(name, "tables", "tables"+suffix, 1))
		if err != nil {
			return err
		}
		if err := os.Symlink(path, filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	for _, f := range files {
		mode := os.FileMode(0o600)
		if f.Program {
			mode = 0o700
		}
		if err := os.WriteFile(filepath.Join(dir, f.Name), f.Data, mode); err != nil {
			return err
		}
	}
	var commands []string
	for _, word := range words {
		before := len(commands)
		for _, f := range files {
			for line := range strings.Lines(string(f.Data)) {
				command, ok := strings.CutPrefix(line, "# "+word+":")
				if command = strings.TrimSpace(command); ok && !slices.Contains(commands, command) {
					commands = append(commands, command)
				}
			}
		}
		if word == "load" && len(commands) == before {
			return fmt.Errorf("no header says how to load %s", files[0].Name)
		}
	}
	script := strings.Join(commands, "\n")
	cmd := exec.Command("/bin/sh", "-e", "-c", script)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH")+":/usr/sbin:/sbin")
	if talk, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s\n%s", err, script, talk)
	}
	return nil
}
