// Package packaging holds what brings Portolan onto a host: units of systemd, scripts for
// other systems, and how to install them. There is no code in it but these tests.
package packaging

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"portolan/internal/netlink"
)

// TestMain lets this program be a stand-in for Portolan where it is called that: it asks the
// kernel by the same connection, and says what it can do where it runs. The table is all that
// it knows of a firewall.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == "portolan" {
		os.Exit(standIn(strings.Join(os.Args[1:], " ")))
	}
	os.Exit(m.Run())
}

const stateDir = "/var/lib/portolan/"

func standIn(words string) int {
	fmt.Println("called:", words)
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		fmt.Println(err)
		return 3
	}
	for line := range strings.SplitSeq(string(status), "\n") {
		if name, value, _ := strings.Cut(line, ":"); name == "CapEff" || name == "CapBnd" || name == "NoNewPrivs" || name == "Seccomp" {
			fmt.Println(name, strings.TrimSpace(value))
		}
	}
	c, err := netlink.Open()
	if err != nil {
		fmt.Println(err)
		return 3
	}
	defer c.Close()
	table, err := c.Read("portolan")
	if err != nil {
		fmt.Println(err)
		return 3
	}
	fmt.Println("the table is there:", table.Exists)
	can := func(what string, err error) {
		if err != nil {
			fmt.Println("cannot", what)
		} else {
			fmt.Println("can", what)
		}
	}
	_, err = os.ReadFile(stateDir + "kept")
	can("read what root has kept", err)
	can("write the state", os.WriteFile(stateDir+"new", nil, 0o600))
	can("write /etc", os.WriteFile("/etc/new", nil, 0o600))
	_, err = os.ReadFile("/home/somebody/letter")
	can("read a home", err)
	switch words {
	case "apply --boot --yes":
		out, err := exec.Command("nft", "add table inet portolan").CombinedOutput()
		os.Stdout.Write(out)
		can("change the tables", err)
		if err != nil {
			return 3
		}
	case "status --exit-code":
		if !table.Exists {
			return 1
		}
	case "status --format prometheus --output /run/portolan/portolan.prom":
		if err := os.WriteFile("/run/portolan/portolan.prom", nil, 0o644); err != nil {
			fmt.Println(err)
			return 3
		}
	default:
		fmt.Println("nobody has told of this")
		return 2
	}
	return 0
}
