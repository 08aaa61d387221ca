package truth

import (
	"fmt"
	"strings"

	"golang.org/x/tools/txtar"

	"portolan/internal/inventory"
)

// A Case is a daemon, its configuration and how to start it. It is a txtar archive: the
// files are the configuration below the root of a host, and the lines above them say the
// rest, a word and what belongs to it, or "#" and a remark. The words are
//
//	program NAME        must be installed, or be a path; several lines
//	copy PATH           takes a file or folder of this machine into the root
//	cert PATH KEY       makes a certificate and its key in the root
//	before COMMAND      a shell command that must succeed before the daemon starts
//	run COMMAND         the shell command that is the daemon
//	forks               the command ends when the daemon runs
//	ready PATH          the daemon is ready when this file is there
//	set ID.OPTION=CHOICE
//	closed LISTENER REASON   its ports need not be open, perhaps until there is a call
//	wider LISTENER REASON    its claims name addresses that it does not take
//	ephemeral REASON    there are UDP sockets on ports that the system chose
//	partial REASON      a file is not read whole
type Case struct {
	Programs []string
	Copies   []string
	Certs    [][2]string
	Before   []string
	Run      string
	Forks    bool
	Ready    string
	Options  inventory.Options
	Excuses  Excuses
	Partial  string
	Files    []txtar.File
}

// ParseCase reads a case.
func ParseCase(raw []byte) (*Case, error) {
	archive := txtar.Parse(raw)
	c := &Case{Options: inventory.Options{}, Excuses: Excuses{Closed: map[string]string{}, Wider: map[string]string{}}, Files: archive.Files}
	remark := false
	for number, line := range strings.Split(string(archive.Comment), "\n") {
		if line == "" || line[0] == '#' {
			remark = remark || line != ""
			continue
		}
		word, rest, _ := strings.Cut(line, " ")
		rest = strings.TrimSpace(rest)
		first, second, _ := strings.Cut(rest, " ")
		need := map[string]bool{"cert": second == "", "closed": second == "", "wider": second == "", "forks": rest != ""}
		bad, listed := need[word]
		if !listed {
			bad = rest == ""
		}
		switch word {
		case "program":
			c.Programs = append(c.Programs, rest)
		case "copy":
			c.Copies = append(c.Copies, rest)
		case "cert":
			c.Certs = append(c.Certs, [2]string{first, second})
		case "before":
			c.Before = append(c.Before, rest)
		case "run":
			bad = bad || c.Run != ""
			c.Run = rest
		case "forks":
			c.Forks = true
		case "ready":
			c.Ready = rest
		case "set":
			name, choice, ok1 := strings.Cut(rest, "=")
			id, option, ok2 := strings.Cut(name, ".")
			bad = bad || !ok1 || !ok2
			if c.Options[id] == nil {
				c.Options[id] = map[string]string{}
			}
			c.Options[id][option] = choice
		case "closed":
			c.Excuses.Closed[first] = second
		case "wider":
			c.Excuses.Wider[first] = second
		case "ephemeral":
			c.Excuses.Ephemeral = rest
		case "partial":
			c.Partial = rest
		default:
			return nil, fmt.Errorf("line %d: unknown word %q", number+1, word)
		}
		if bad {
			return nil, fmt.Errorf("line %d: %q cannot be understood", number+1, line)
		}
	}
	switch {
	case !remark:
		return nil, fmt.Errorf("no remark says which version was tried")
	case len(c.Programs) == 0 || c.Run == "":
		return nil, fmt.Errorf("no program, or nothing to run")
	}
	return c, nil
}
