package apply

import (
	"encoding/binary"
	"errors"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"

	"portolan/internal/kernel"
	"portolan/internal/nft"
	"portolan/internal/ruleset"
	"portolan/internal/verify"
)

// byHand are changes that somebody makes to the table of the golden ruleset "confined", as
// scripts of nft. All are to be told by a plan and taken back by an apply.
var byHand = []struct{ name, script string }{
	{"table dormant", `add table inet portolan { flags dormant; }`},
	{"base chain of others", `add chain inet portolan forwarded { type filter hook forward priority 0; policy drop; }
		add rule inet portolan forwarded counter accept`},
	{"nat chain", `add chain inet portolan nat { type nat hook prerouting priority -100; }
		add rule inet portolan nat tcp dport 80 redirect to :8080`},
	{"route chain", `add chain inet portolan mangle { type route hook output priority 0; policy drop; }
		add rule inet portolan mangle meta mark set 1`},
	{"hook with a device", `add chain inet portolan in { type filter hook ingress device lo priority 0; policy accept; }
		add rule inet portolan in drop`},
	{"no input chain", `flush chain inet portolan input
		delete chain inet portolan input`},
	{"input with a version", `add chain inet portolan input.2 { type filter hook input priority 0; policy accept; }
		add rule inet portolan input.2 tcp dport 99 accept`},
	{"input as a chain", `flush chain inet portolan input
		delete chain inet portolan input
		add chain inet portolan input
		add rule inet portolan input accept`},
	{"input as nat", `flush chain inet portolan input
		delete chain inet portolan input
		add chain inet portolan input { type nat hook input priority -100; policy accept; }
		add rule inet portolan input counter`},
	{"input elsewhere", `flush chain inet portolan input
		delete chain inet portolan input
		add chain inet portolan input { type filter hook forward priority -10; policy drop; }
		add rule inet portolan input accept`},
	{"input policy accept", `add chain inet portolan input { policy accept; }`},
	{"flushed", `flush chain inet portolan input`},
	{"chain inside a rule", `insert rule inet portolan input tcp dport 99 jump { counter accept; }`},
	{"chain inside a rule of a service", `insert rule inet portolan svc_web_nginx_* tcp dport 99 jump { counter accept; }`},
	{"long names", `add chain inet portolan ` + strings.Repeat("c", 127) + `
		add set inet portolan ` + strings.Repeat("s", 127) + ` { type ipv4_addr; }
		insert rule inet portolan input ip saddr @` + strings.Repeat("s", 127) + ` jump ` + strings.Repeat("c", 127)},
	{"comment", `insert rule inet portolan input counter accept comment "` + "\x1b[2J\x1b]0;x\x07" + `"`},
	{"anonymous set", `insert rule inet portolan input tcp dport { 99, 100-200 } accept`},
	{"anonymous map", `insert rule inet portolan input tcp dport vmap { 99 : accept, 100-200 : drop }`},
	{"element", `add element inet portolan src_trunks_* { 203.0.113.100 }`},
	{"element gone", `delete element inet portolan src_trunks_* { 198.51.100.7 }`},
	{"map element", `add element inet portolan tcp_services { 99 : accept }`},
	{"map element leads elsewhere", `delete element inet portolan tcp_services { 80 }
		add element inet portolan tcp_services { 80 : goto svc_ssh_* }`},
	{"meter element", `add element inet portolan limit_ssh_10m_5_v4 { 10.1.0.9 limit rate 1000/second }`},
	{"meter element that never ends", `add element inet portolan limit_ssh_10m_5_v4 { 10.1.0.9 limit rate 10/minute burst 5 packets timeout 10d }`},
	{"meter element without a limit", `add element inet portolan limit_ssh_10m_5_v4 { 10.1.0.9 }`},
	{"set of another kind", `flush chain inet portolan svc_trunks_*
		flush chain inet portolan svc_speech_lumenvox_media_server_4*
		delete set inet portolan src_trunks_*
		add set inet portolan src_trunks_* { type ipv4_addr; flags interval, timeout; timeout 1h; }
		add element inet portolan src_trunks_* { 10.0.0.0/8 }
		add rule inet portolan svc_trunks_* ip saddr @src_trunks_* accept`},
	{"set that counts", `flush chain inet portolan svc_trunks_*
		flush chain inet portolan svc_speech_lumenvox_media_server_4*
		delete set inet portolan src_trunks_*
		add set inet portolan src_trunks_* { type ipv4_addr; flags interval; counter; auto-merge; }
		add element inet portolan src_trunks_* { 10.0.0.0/8 }
		add rule inet portolan svc_trunks_* ip saddr @src_trunks_* accept`},
	{"concatenation", `add set inet portolan both { type ipv4_addr . inet_service; flags interval; }
		add element inet portolan both { 10.0.0.0/8 . 1-99 }
		insert rule inet portolan input ip saddr . tcp dport @both accept`},
	{"objects", `add counter inet portolan c1
		add quota inet portolan q1 { over 100 mbytes }
		add counter inet portolan same
		add limit inet portolan same { rate 5/second; }
		add ct helper inet portolan h { type "ftp" protocol tcp; }
		insert rule inet portolan input counter name c1 quota name q1 drop
		insert rule inet portolan input limit name same counter name same`},
	{"map of objects", `add counter inet portolan c1
		add map inet portolan m1 { type ipv4_addr : counter; }
		add element inet portolan m1 { 10.0.0.1 : "c1" }
		insert rule inet portolan input counter name ip saddr map @m1`},
	{"map of marks", `add map inet portolan m1 { type ipv4_addr : mark; }
		add element inet portolan m1 { 10.0.0.1 : 7 }
		insert rule inet portolan input meta mark set ip saddr map @m1`},
	{"versions everywhere", `add chain inet portolan svc_web_nginx_8e8d1793.2
		add chain inet portolan pending_input.2
		add set inet portolan src_trunks_v4.2 { type ipv4_addr; flags interval; }
		add map inet portolan tcp_services.2 { type inet_service : verdict; flags interval; }
		add element inet portolan tcp_services.2 { 1-65535 : jump svc_web_nginx_8e8d1793.2 }
		add limit inet portolan x.2 { rate 5/second; }
		add set inet portolan limit_ssh_10m_5_v4.2 { type ipv4_addr; size 65535; flags dynamic,timeout; timeout 1m; }
		insert rule inet portolan input tcp dport vmap @tcp_services.2
		insert rule inet portolan svc_trunks_* ip saddr @src_trunks_v4.2 drop`},
	{"pending without gates", `add set inet portolan pending { type nf_proto; flags timeout; elements = { ipv4 timeout 1h, ipv6 timeout 1h } }`},
	{"pending of another kind", `add set inet portolan pending { type ipv4_addr; flags interval; elements = { 10.0.0.0/8 } }`},
	{"pending in use", `add set inet portolan pending { type ipv4_addr; flags interval; elements = { 10.0.0.0/8 } }
		insert rule inet portolan input ip saddr @pending accept`},
	{"pending in use by a service", `add set inet portolan pending { type nf_proto; flags timeout; }
		insert rule inet portolan svc_web_nginx_* meta nfproto @pending accept`},
	{"pending is a map", `add map inet portolan pending { type inet_service : verdict; }
		add element inet portolan pending { 22 : accept }
		insert rule inet portolan input tcp dport vmap @pending`},
	{"pending chains", `add chain inet portolan pending_input
		add rule inet portolan pending_input accept`},
	{"pending chains in use", `add chain inet portolan pending_input
		add rule inet portolan pending_input accept
		insert rule inet portolan input jump pending_input`},
	{"pending chains in use by a service", `add chain inet portolan pending_input
		add rule inet portolan pending_input accept
		add chain inet portolan pending_output
		insert rule inet portolan svc_web_nginx_* jump pending_input
		add element inet portolan tcp_services { 99 : goto pending_output }`},
	{"gate that is over", `add set inet portolan pending { type nf_proto; flags timeout; }
		add chain inet portolan pending_input
		add rule inet portolan pending_input accept
		insert rule inet portolan input meta nfproto @pending goto pending_input`},
	{"gate for one family", `add set inet portolan pending { type nf_proto; flags timeout; elements = { ipv4 timeout 1h } }
		add chain inet portolan pending_input
		add rule inet portolan pending_input accept
		insert rule inet portolan input meta nfproto @pending goto pending_input`},
	{"gate that never ends", `add set inet portolan pending { type nf_proto; elements = { ipv4, ipv6 } }
		add chain inet portolan pending_input
		add rule inet portolan pending_input accept
		insert rule inet portolan input meta nfproto @pending goto pending_input`},
	{"gate that never ends in time", `add set inet portolan pending { type nf_proto; flags timeout; elements = { ipv4, ipv6 } }
		add chain inet portolan pending_input
		add rule inet portolan pending_input accept
		insert rule inet portolan input meta nfproto @pending goto pending_input`},
	{"gate in a service", `add set inet portolan pending { type nf_proto; flags timeout; elements = { ipv4 timeout 1h, ipv6 timeout 1h } }
		add chain inet portolan pending_input
		add rule inet portolan pending_input accept
		insert rule inet portolan svc_web_nginx_* meta nfproto @pending goto pending_input`},
	{"gate in a service and in input", `add set inet portolan pending { type nf_proto; flags timeout; }
		add chain inet portolan pending_input
		add rule inet portolan pending_input accept
		insert rule inet portolan input meta nfproto @pending goto pending_input
		insert rule inet portolan svc_web_nginx_* meta nfproto @pending goto pending_input`},
	{"before a gate", `add set inet portolan pending { type nf_proto; flags timeout; elements = { ipv4 timeout 1h, ipv6 timeout 1h } }
		add chain inet portolan pending_input
		add rule inet portolan pending_input accept
		insert rule inet portolan input meta nfproto @pending goto pending_input
		insert rule inet portolan input tcp dport 99 accept`},
	{"gate to a chain of ours", `add set inet portolan pending { type nf_proto; flags timeout; }
		add chain inet portolan pending_x
		add rule inet portolan pending_x jump svc_web_nginx_*
		add rule inet portolan input meta nfproto @pending jump pending_x`},
	{"gate at the end with a map", `add set inet portolan pending { type nf_proto; flags timeout; }
		add chain inet portolan pending_x
		add element inet portolan tcp_services { 99 : jump pending_x }
		add rule inet portolan input meta nfproto @pending goto pending_x`},
	{"two jumps to a base chain's name", `add chain inet portolan a
		add chain inet portolan b
		add rule inet portolan a jump b
		insert rule inet portolan input jump a
		add element inet portolan tcp_services { 99 : jump a }
		add element inet portolan udp_services { 99 : goto b }`},
	{"rule twice", `insert rule inet portolan input counter drop comment "default: drop what no rule allows"`},
	{"user data", `insert rule inet portolan input position 0 ct state invalid counter drop comment "` + strings.Repeat("c", 127) + `"`},
	{"no table", `delete table inet portolan`},
	{"empty table", `delete table inet portolan
		add table inet portolan`},
}

// strangers are tables of somebody else, which nothing of ours may change.
const strangers = `
table ip portolan { chain input { type filter hook input priority 0; policy accept; counter accept; }; }
table ip6 portolan { set pending { type ipv6_addr; elements = { ::1 }; }; }
table inet other {
	counter c { packets 5 bytes 6 }
	set pending { type nf_proto; flags timeout; elements = { ipv4 timeout 1000d }; }
	set tcp_services { type inet_service; flags interval; elements = { 22-33 comment "x" }; }
	chain pending_input { counter packets 3 bytes 4 accept; }
	chain input { type filter hook input priority 0; policy accept; meta nfproto @pending goto pending_input; }
}
`

// ofOthers are the tables of others, as nft lists them with handles and counters.
func ofOthers(t *testing.T) string {
	t.Helper()
	var out strings.Builder
	for _, table := range []string{"ip portolan", "ip6 portolan", "inet other"} {
		text := nftRun(t, "", append([]string{"-a", "list", "table"}, strings.Fields(table)...)...)
		for line := range strings.Lines(text) {
			if before, _, found := strings.Cut(line, " expires "); found { // goes down by itself
				line = before + "\n"
			}
			out.WriteString(line)
		}
	}
	return out.String()
}

// named is a script with the names of a table: a word that ends in "*" is the name that begins
// with it.
func named(t *testing.T, table *nft.Table, script string) string {
	t.Helper()
	var names []string
	for _, s := range table.Sets {
		names = append(names, s.Name)
	}
	for _, c := range table.Chains {
		names = append(names, c.Name)
	}
	return regexp.MustCompile(`[a-z0-9_]+\*`).ReplaceAllStringFunc(script, func(word string) string {
		for _, name := range names {
			if strings.HasPrefix(name, word[:len(word)-1]) {
				return name
			}
		}
		t.Fatalf("nothing is called %s", word)
		return ""
	})
}

func TestByHand(t *testing.T) {
	kernel.Beside(t)
	kernel.InNamespace(t, []string{"nft"}, func(t *testing.T) {
		k := open(t)
		rs := goldens(t)["confined"]
		table, text := texts(t, rs)
		prove := func(s *State) error {
			l, err := verify.Kernel(s.Raw)
			if err != nil {
				return err
			}
			have := l.Rules // nil when that is strange
			if l.Pending != nil {
				have = l.Pending
			}
			if have == nil {
				return l.Strange
			}
			if c := ruleset.Prove(rs, have).Counterexample; c != nil {
				return errors.New(c.Words("wanted", "the kernel"))
			}
			return nil
		}
		nftRun(t, strangers, "-f", "-")
		before := ofOthers(t)
		for _, c := range byHand {
			for _, window := range []time.Duration{0, time.Minute} {
				t.Run(c.name+" "+window.String(), func(t *testing.T) {
					if read(t, k).Exists {
						nftRun(t, "delete table inet portolan", "-f", "-")
					}
					nftRun(t, text, "-f", "-")
					clean := read(t, k).Hash()
					if p, err := NewPlan(read(t, k), table); err != nil || !p.Empty() {
						t.Fatal(p.Differences(), err)
					}
					cmd := exec.Command("nft", "-f", "-")
					cmd.Stdin = strings.NewReader(named(t, table, c.script))
					if out, err := cmd.CombinedOutput(); err != nil {
						t.Fatalf("%v\n%s", err, out)
					}
					s := read(t, k)
					if s.Hash() == clean {
						t.Error("the hash is the same")
					}
					p, err := NewPlan(s, table)
					if err != nil {
						t.Fatal(err)
					}
					if p.Empty() || len(p.Differences()) == 0 {
						t.Errorf("the plan says nothing: %v", p.Differences())
					}
					if left, pending := s.PendingLeft(); pending && left > 0 {
						if _, err := Back(t.Context(), k); err != nil {
							t.Fatal(err)
						}
					}
					out, err := Apply(t.Context(), k, table, Options{Prove: prove, Within: window})
					if err != nil {
						t.Fatal(err)
					}
					if !out.Until.IsZero() {
						if _, err := Confirm(t.Context(), k, table, Options{Prove: prove}); err != nil {
							t.Fatal(err)
						}
					}
					s = read(t, k)
					if p, err := NewPlan(s, table); err != nil || !p.Empty() || len(p.Differences()) > 0 {
						t.Fatal(p.Differences(), err)
					}
					if err := prove(s); err != nil {
						t.Error(err)
					}
					if err := k.Commit(s.Generation, Batch{DeleteTable{}}); err != nil {
						t.Fatal(err)
					}
					if after := ofOthers(t); after != before {
						t.Errorf("of others: before\n%s\nafter\n%s", before, after)
					}
				})
			}
		}
	})
}

// TestKernelOfNextYear: a newer kernel may say more of objects than this one. That is no drift.
func TestKernelOfNextYear(t *testing.T) {
	kernel.Beside(t)
	kernel.InNamespace(t, []string{"nft"}, func(t *testing.T) {
		k := open(t)
		table, text := texts(t, goldens(t)["counted"])
		nftRun(t, text, "-f", "-")
		s := read(t, k)
		raw := *s.Raw
		raw.Flags |= 4 // stays without the process that owned it
		for _, list := range []*[][]byte{&raw.Chains, &raw.Rules, &raw.Sets, &raw.Objects} {
			*list = slices.Clone(*list)
			for i, m := range *list {
				m = binary.NativeEndian.AppendUint16(slices.Clone(m), 8)
				m = binary.NativeEndian.AppendUint16(m, 1000)
				(*list)[i] = append(m, 1, 2, 3, 4)
			}
		}
		next := Decode(&raw)
		if next.Hash() != s.Hash() {
			t.Error("the hash is another one")
		}
		if p, err := NewPlan(next, table); err != nil || !p.Empty() {
			t.Errorf("%v, %v", p.Differences(), err)
		}
	})
}

// TestOwnedTable: a table that another program owns is told as such, and not changed.
func TestOwnedTable(t *testing.T) {
	kernel.Beside(t)
	kernel.InNamespace(t, []string{"nft"}, func(t *testing.T) {
		owner, err := nftables.New(nftables.AsLasting())
		if err != nil {
			t.Fatal(err)
		}
		owner.AddTable(&nftables.Table{Name: nft.Name, Family: nftables.TableFamilyINet, Flags: nftables.TableFlagOwner})
		if err := owner.Flush(); err != nil {
			t.Fatal(err)
		}
		k := open(t)
		before := read(t, k)
		if _, err := Apply(t.Context(), k, opens(1), Options{}); !errors.Is(err, unix.EPERM) || !strings.Contains(err.Error(), "no other program may own the table") {
			t.Errorf("%v", err)
		}
		if s := read(t, k); s.Generation != before.Generation || s.Hash() != before.Hash() {
			t.Error("something was changed")
		}
		if _, err := verify.Kernel(before.Raw); err == nil || !strings.Contains(err.Error(), "it belongs to a process") {
			t.Errorf("%v", err)
		}
		if err := owner.CloseLasting(); err != nil { // the table goes with it
			t.Fatal(err)
		}
		if _, err := Apply(t.Context(), k, opens(1), Options{}); err != nil {
			t.Error(err)
		}
	})
}
