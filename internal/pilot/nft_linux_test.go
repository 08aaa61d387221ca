package pilot

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// byNft is nft with what render writes, and with the way back by hand: with it the tests
// prove themselves.
type byNft struct{}

func (byNft) name() string { return "nft -f" }
func (byNft) pilots() bool { return false }

// text is the file with the text of a policy.
func (byNft) text(p *place, policy string) string {
	p.t.Helper()
	file := strings.TrimSuffix(policy, ".hcl") + ".nft"
	if _, err := os.Stat(file); err == nil {
		return file
	}
	out, talk, code := p.portolan("render", "--to", "nftables", "--policy", policy, "--root", p.root)
	if code != 0 {
		p.t.Fatalf("render: exit code %d\n%s", code, talk)
	}
	if err := os.WriteFile(file, []byte(out), 0o644); err != nil {
		p.t.Fatal(err)
	}
	return file
}

func (n byNft) apply(p *place, policy string) *exec.Cmd {
	file := n.text(p, policy)
	if err := os.WriteFile(filepath.Join(p.dir, "last"), []byte(file), 0o644); err != nil {
		p.t.Fatal(err)
	}
	return exec.Command("nft", "-f", file)
}

// arm knows what two policies mean: "closed", over one that is in force, and "cut", where
// nothing is.
func (byNft) arm(p *place, policy string, within time.Duration, _ ...string) *exec.Cmd {
	const gate = "meta nfproto @pending goto pending_input\n"
	rules, last := "iifname lo accept\n", ""
	switch name := filepath.Base(policy); name {
	case "closed.hcl":
		rules += "ct state established,related accept\nmeta l4proto ipv6-icmp accept\ntcp dport 80 accept\n"
		last = "insert rule inet portolan input " + gate
	case "cut.hcl":
		last = "table inet portolan { chain input { type filter hook input priority filter - 10; policy accept; " + gate + "}; }\n"
	default:
		p.t.Fatalf("by hand there is no way to arm %s", name)
	}
	text := fmt.Sprintf(`table inet portolan {
set pending { type nf_proto; flags timeout; elements = { ipv4 timeout %[1]s, ipv6 timeout %[1]s }; }
chain pending_input {
%[2]sdrop
}
}
%[3]s`, within, rules, last)
	file := filepath.Join(p.dir, "arm.nft")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		p.t.Fatal(err)
	}
	return exec.Command("nft", "-f", file)
}

func (byNft) back(p *place) *exec.Cmd {
	cmd := exec.Command("sh", "-ec", `[ -e last ] || exec nft delete table inet portolan
nft -f "$(cat last)"
nft 'flush chain inet portolan pending_input; delete chain inet portolan pending_input; delete set inet portolan pending'`)
	cmd.Dir = p.dir
	return cmd
}
