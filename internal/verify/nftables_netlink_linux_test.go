package verify

import (
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"portolan/internal/kernel"
	"portolan/internal/netlink"
	"portolan/internal/ruleset"
	"portolan/internal/source"
)

// ask reads our table from the kernel of the namespace.
func ask(t testing.TB) *netlink.Table {
	t.Helper()
	c, err := netlink.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	table, err := c.Read("portolan")
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// load has nft load a text over nothing.
func load(t testing.TB, text string) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "text.nft")
	if err := os.WriteFile(name, []byte("flush ruleset\n"+text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("nft", "-f", name).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s\n%s", err, out, text)
	}
}

// TestKernelGolden loads every golden text. The kernel, and nft in both of its languages, say
// the same of it to the letter.
func TestKernelGolden(t *testing.T) {
	kernel.InNamespace(t, []string{"nft"}, func(t *testing.T) {
		names, err := filepath.Glob("../../testdata/golden/*/*.nft")
		if err != nil || len(names) < 10 {
			t.Fatalf("%d golden texts, %v", len(names), err)
		}
		for _, name := range names {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			load(t, string(data))
			live, err := Kernel(ask(t))
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			want, err := ParseNftables(source.New(name, data))
			if err != nil {
				t.Fatal(err)
			}
			if c := ruleset.Equivalent(want, live.Rules); c != nil {
				t.Errorf("%s: %s", name, c.Words("the text", "the kernel"))
			}
			for _, language := range []string{"-a", "-j"} {
				listing, err := exec.Command("nft", language, "list", "ruleset").Output()
				if err != nil {
					t.Fatal(err)
				}
				back, err := Read("nftables", []*source.File{source.New("listing", listing)})
				if err != nil {
					t.Fatal(err)
				}
				if back.Hash() != live.Rules.Hash() {
					t.Errorf("%s: the kernel says something else than nft %s", name, language)
				}
			}
			if live.Pending != nil || live.Waiting || len(live.Unused) > 0 || live.InForce() != live.Rules {
				t.Errorf("%s: %+v", name, live)
			}
		}
	})
}

// handmade is a table of ours with a place for one more of everything.
const handmade = `table inet portolan {
	limit limit_ssh_10m_5 { rate 10/minute burst 5 packets; }
	set src_a_v4 { type ipv4_addr; flags interval; elements = { 10.0.0.0/8, 192.0.2.7, 255.255.255.0/24 }; }
	set src_a_v6 { type ipv6_addr; flags interval; elements = { ::/64, 2001:db8::/32 }; }
	set limit_rtp_10s_20_v4 { type ipv4_addr; size 65535; flags dynamic,timeout; timeout 1m; }
	set connections_sip_5_v4 { type ipv4_addr; size 65535; flags dynamic; }
	set connections_sip_5_v4.3 { type ipv4_addr; size 65535; flags dynamic; }
	chain svc_a_1234 { ip saddr @src_a_v4 counter accept comment "a"; ip6 saddr @src_a_v6 counter accept comment "a"; }
	chain svc_b_1234 { iifname { "eth0", "eth1" } counter accept comment "b"; }
	chain connections_web_7.2 { ct count 7 counter accept comment "connections web"; }
	map tcp_services.2 { type inet_service : verdict; flags interval; elements = { 22 comment "x" : jump svc_a_1234, 80-90 : jump svc_b_1234, 443 : accept, 65000-65535 : drop }; }
	chain input {
		type filter hook input priority filter - 10; policy drop;
		iifname "lo" counter accept comment "loopback"
		ct state established,related counter accept
		ct state invalid counter drop
		ct state { new, untracked } meta l4proto { esp, gre } accept
		tcp dport vmap @tcp_services.2
		udp dport 25000-25399 accept
		udp dport { 100-200, 300, 65535 } ip saddr 10.1.0.0/16 accept
		udp sport 67 udp dport 68 accept
		icmp type { echo-request, 3 } accept
		icmpv6 type 128 accept
		ip saddr 10.1.2.0/23 accept
		ip saddr { 10.9.0.1-10.9.0.7, 10.8.0.0/16 } accept
		ip saddr 10.0.0.1-10.0.0.9 tcp dport 9 accept
		ip6 saddr 2001:db8::/33 accept
		ip6 saddr 2001:db8::1-2001:db8::5 meta l4proto 50 accept
		meta nfproto ipv6 udp dport 7 accept
		udp dport 7000 update @limit_rtp_10s_20_v4 { ip saddr limit rate 10/second burst 20 packets } counter accept
		tcp dport 5060 add @connections_sip_5_v4 { ip saddr ct count 5 } counter accept
		tcp dport 8080 jump connections_web_7.2
		tcp dport 2222 limit name "limit_ssh_10m_5" accept
		limit rate 5/minute burst 5 packets counter log prefix "portolan drop: "
		#here
		counter drop comment "default"
	}
	chain output { type filter hook output priority filter - 10; policy accept; oifname "eth0" ip daddr 10.0.0.0/9 udp sport 5 accept; }
	chain raw_prerouting { type filter hook prerouting priority raw; policy accept; udp dport 9000-9009 notrack; }
	chain raw_output { type filter hook output priority raw; policy accept; udp sport 9000-9009 notrack; accept; }
}
`

// TestKernelByHand changes a table as a person with nft could, or somebody who wants it to look
// like ours: it is an error with words about it, or it is read as nft lists it.
func TestKernelByHand(t *testing.T) {
	kernel.InNamespace(t, []string{"nft"}, func(t *testing.T) {
		same := func(what string) {
			t.Helper()
			live, err := Kernel(ask(t))
			if err != nil {
				t.Errorf("%q: %v", what, err)
				return
			}
			listing, err := exec.Command("nft", "-a", "list", "ruleset").Output()
			if err != nil {
				t.Fatal(err)
			}
			back, err := ParseNftables(source.New("listing", listing))
			if err != nil {
				t.Errorf("%q: %v", what, err)
				return
			}
			if back.Hash() != live.Rules.Hash() {
				c := ruleset.Equivalent(back, live.Rules)
				t.Errorf("%q: nft and the kernel do not agree: %v", what, c)
			}
		}
		load(t, handmade)
		same("nothing")
		for _, c := range []struct{ change, words string }{
			// Rules that are ours in form: they are read.
			{"insert rule inet portolan input tcp dport 23 accept", ""},
			{"insert rule inet portolan input ip saddr 0.0.0.0/0 accept", ""},
			{"insert rule inet portolan input ct state new accept", ""},
			{"insert rule inet portolan input udp dport 0-65535 accept", ""},
			{"insert rule inet portolan svc_a_1234 drop", ""},
			{"add rule inet portolan input tcp dport 23 drop", ""},
			{"add element inet portolan src_a_v4 { 11.0.0.0/8 }", ""},
			{"add element inet portolan src_a_v4 { 0.0.0.0-1.2.3.4 }", ""},
			{"add element inet portolan src_a_v6 { ffff::/16 }", ""},
			{"add element inet portolan tcp_services.2 { 0 : accept }", ""},
			{"delete element inet portolan tcp_services.2 { 65000-65535 : drop }", ""},
			{"flush chain inet portolan svc_a_1234", ""},
			{"add chain inet portolan input { policy accept; }", ""},
			{"insert rule inet portolan raw_prerouting accept; insert rule inet portolan raw_output accept", ""},
			// Rules that look like ours and mean something else.
			{"insert rule inet portolan input tcp dport != 23 accept comment \"like ours\"", `chain input, rule \d+: expression 4, "cmp": comparison neq with 0017 is not understood here: "like ours"`},
			{"insert rule inet portolan input tcp dport > 23 accept", "comparison"},
			{"insert rule inet portolan input tcp dport != 23-25 accept", "range that must not match|comparison"},
			{"insert rule inet portolan input tcp dport != { 23, 25 } accept", "must not find"},
			{"insert rule inet portolan input ip saddr != @src_a_v4 accept", "must not find"},
			{"insert rule inet portolan input ip saddr & 255.0.0.255 == 10.0.0.1 accept", "not that of a prefix"},
			{"insert rule inet portolan input ip saddr | 1.0.0.0 == 11.0.0.1 accept", "arithmetic with bits"},
			{"insert rule inet portolan input ct state != established accept", "not understood"},
			{"insert rule inet portolan input ct state & (new | established) == new accept", "not understood"},
			{"insert rule inet portolan input ct state established,0x100 accept", "state 0x100"},
			{"insert rule inet portolan input ct direction original accept", "key 1 of connection tracking"},
			{"insert rule inet portolan input ct status assured accept", "key 2 of connection tracking"},
			{"insert rule inet portolan input ct mark 1 accept", "key 3 of connection tracking"},
			{"insert rule inet portolan input meta mark 1 accept", "key 3 of packets"},
			{"insert rule inet portolan input meta mark set 1", "not understood"},
			{"insert rule inet portolan input meta length 5 accept", "key 0 of packets"},
			{"insert rule inet portolan input iif lo accept", "key 4 of packets"},
			{"insert rule inet portolan input iifname \"et*\" accept", "not understood"},
			{"insert rule inet portolan input ip ttl 5 accept", "of header 1 from byte 8"},
			{"insert rule inet portolan input th dport 80 accept", "of header 2 from byte 2"},
			{"insert rule inet portolan input meta l4proto { tcp, udp } th dport 80 accept", "of header 2 from byte 2"},
			{"insert rule inet portolan input @nh,96,32 0x0a000001 accept", "of header 1 from byte 12"},
			{"insert rule inet portolan input ip saddr 10.0.0.1 ip daddr 10.0.0.2 accept", "not understood|other end"},
			{"insert rule inet portolan input ip daddr 10.0.0.2 accept", "other end"},
			{"insert rule inet portolan input tcp flags syn accept", "of header 2"},
			{"insert rule inet portolan input icmp code 1 accept", "of header 2 from byte 1"},
			{"insert rule inet portolan input limit rate over 5/minute accept", "over it"},
			{"insert rule inet portolan input limit rate 5/minute accept", "a log and a limit"},
			{"insert rule inet portolan input limit rate 5 bytes/second accept", "limit of bytes"},
			{"insert rule inet portolan input limit rate 5/week accept", "in 604800 seconds"},
			{"insert rule inet portolan connections_web_7.2 ct count over 7 accept", "over it"},
			{"insert rule inet portolan input update @limit_rtp_10s_20_v4 { ip saddr limit rate over 10/second burst 20 packets } accept", "over it"},
			{"insert rule inet portolan input add @limit_rtp_10s_20_v4 { ip saddr limit rate 10/second burst 20 packets } accept", "operation 0"},
			{"insert rule inet portolan input update @limit_rtp_10s_20_v4 { ip daddr limit rate 10/second burst 20 packets } accept", "other than sources"},
			{"insert rule inet portolan input update @limit_rtp_10s_20_v4 { ip saddr timeout 1s limit rate 10/second burst 20 packets } accept", "a time of 1000 ms"},
			{"insert rule inet portolan input update @limit_rtp_10s_20_v4 { ip saddr } accept", "counts nothing"},
			{"insert rule inet portolan input update @limit_rtp_10s_20_v4 { ip saddr limit rate 11/second burst 20 packets } accept", "counts to this rate"},
			{"insert rule inet portolan input add @connections_sip_5_v4 { ip saddr ct count over 5 } accept", "over it"},
			{"insert rule inet portolan input tcp dport 1 add @connections_sip_5_v4.3 { ip saddr ct count 5 } accept", "each by itself"},
			{"insert rule inet portolan input log level debug limit rate 5/minute", "level 7"},
			{"insert rule inet portolan input limit rate 5/minute log group 3", "attribute 1 is not understood"},
			{"insert rule inet portolan input limit rate 5/minute log flags all", "flags 0x"},
			{"insert rule inet portolan input goto svc_a_1234", "verdict -4"},
			{"insert rule inet portolan input return", "verdict -5"},
			{"insert rule inet portolan input continue", "verdict -1"},
			{"insert rule inet portolan input queue num 1", `"queue"|nft`},
			{"insert rule inet portolan input reject", `"reject"`},
			{"insert rule inet portolan input tcp dport vmap { 23 : accept }", "kind that is not understood|not called"},
			{"insert rule inet portolan input jump { accept; }", "not understood"},
			{"insert rule inet portolan input fib daddr type local accept", `"fib"`},
			{"insert rule inet portolan input meta nftrace set 1 accept", "not understood"},
			{"insert rule inet portolan input quota 5 mbytes accept", `"quota"`},
			{"add counter inet portolan c; insert rule inet portolan input counter name c accept", "object of type 1"},
			{"add quota inet portolan q { over 5 mbytes; }; insert rule inet portolan input quota name q accept", "object of type 2"},
			{"delete rule inet portolan input handle 9999999 ", "nft"},
			// Elements that mean something else.
			{"add element inet portolan tcp_services.2 { 25 : goto svc_a_1234 }", "map tcp_services.2, element 25: verdict -4"},
			{"add element inet portolan tcp_services.2 { 25 : return }", "map tcp_services.2, element 25: verdict -5"},
			{"add element inet portolan connections_sip_5_v4 { 10.0.0.1 }", "set connections_sip_5_v4, element 10.0.0.1: it does not count"},
			{"add element inet portolan connections_sip_5_v4 { 10.0.0.1 ct count 6 }", "element 10.0.0.1: it does not count"},
			{"add element inet portolan connections_sip_5_v4 { 10.0.0.1 ct count over 5 }", "element 10.0.0.1: it does not count"},
			// A name that could be a rate of a set that counts connections.
			{"add set inet portolan connections_10m_5_v4 { type ipv4_addr; size 65535; flags dynamic; }; add rule inet portolan input add @connections_10m_5_v4 { ip saddr ct count 5 } accept; add element inet portolan connections_10m_5_v4 { 10.0.0.1 limit rate 10/minute burst 5 packets }", "it does not count"},
			{"add element inet portolan limit_rtp_10s_20_v4 { 10.0.0.1 }", "element 10.0.0.1: it does not count"},
			{"add element inet portolan limit_rtp_10s_20_v4 { 10.0.0.1 limit rate 11/second burst 20 packets }", "element 10.0.0.1: it does not count"},
			// Sets and maps of other kinds.
			{"add set inet portolan src_z_v4 { type ipv4_addr; flags interval,timeout; }; insert rule inet portolan input ip saddr @src_z_v4 accept", "flags 0x14"},
			{"add set inet portolan src_z_v4 { type ipv4_addr; flags interval,timeout; elements = { 10.0.0.1 timeout 1h }; }; insert rule inet portolan input ip saddr @src_z_v4 accept", "flags 0x14"},
			{"add set inet portolan src_z_v4 { type ipv4_addr; }; insert rule inet portolan input ip saddr @src_z_v4 accept", "flags 0x0"},
			{"add set inet portolan p { type inet_service; }; insert rule inet portolan input tcp dport @p accept", "something other than addresses"},
			{"add map inet portolan m { type ipv4_addr : verdict; flags interval; }; insert rule inet portolan input ip saddr vmap @m", "does not decide by the destination port"},
			{"add map inet portolan m { type inet_service : verdict; flags interval; }; insert rule inet portolan input tcp sport vmap @m", "does not decide by the destination port"},
			{"add map inet portolan m { type inet_service : verdict; }; insert rule inet portolan input tcp dport vmap @m", "flags 0x8"},
			{"add set inet portolan c { type ipv4_addr . inet_service; flags interval; }; insert rule inet portolan input ip saddr . tcp dport @c accept", "is not understood|keys of 8 bytes"},
			// Chains and the table.
			{"add chain inet portolan other { type filter hook input priority 0; }", `base chain "other": not a base chain`},
			{"add chain inet portolan forward { type filter hook forward priority 0; policy accept; }", `base chain "forward"`},
			{"add chain inet portolan nat { type nat hook prerouting priority 0; }", `base chain "nat"`},
			{"delete chain inet portolan output; add chain inet portolan output { type route hook output priority -10; }", `base chain "output"`},
			{"delete chain inet portolan output; add chain inet portolan output { type filter hook output priority -11; }", `base chain "output"`},
			{"flush table inet portolan; delete chain inet portolan input", "no base chain called input"},
			{"add table inet portolan { flags dormant; }", "dormant"},
			{"add flowtable inet portolan f { hook ingress priority 0; devices = { lo }; }; add chain inet portolan fw { type filter hook forward priority 0; ip protocol tcp flow add @f; }", `base chain "fw"|nft`},
			{"add flowtable inet portolan f { hook ingress priority 0; devices = { lo }; }; insert rule inet portolan svc_a_1234 meta l4proto tcp flow add @f", `"flow_offload"|nft`},
			{"delete rule inet portolan raw_output handle RAW", "connection tracking is kept"},
			{"insert rule inet portolan input udp dport 5 notrack", "decided here already"},
			{"insert rule inet portolan raw_prerouting udp dport 5 accept", "not about connection tracking"},
		} {
			load(t, handmade)
			change := c.change
			if strings.Contains(change, "RAW") {
				list, err := exec.Command("nft", "-a", "list", "chain", "inet", "portolan", "raw_output").Output()
				if err != nil {
					t.Fatal(err)
				}
				_, rest, _ := strings.Cut(string(list), "notrack # handle ")
				handle, _, _ := strings.Cut(rest, "\n")
				change = strings.Replace(change, "RAW", handle, 1)
			}
			if out, err := kernel.Run(change+"\n", "nft", "-f", "-"); err != nil {
				if !strings.Contains(c.words, "nft") { // this nft or kernel does not take it
					t.Errorf("%q: %v\n%s", c.change, err, out)
				}
				continue
			}
			if c.words == "" {
				same(c.change)
				continue
			}
			live, err := Kernel(ask(t))
			if err == nil {
				t.Errorf("%q is read, and %v", c.change, live)
			} else if !matches(c.words, err.Error()) || !strings.HasPrefix(err.Error(), "the kernel's table inet portolan: ") {
				t.Errorf("%q: %v, want words about %q", c.change, err, c.words)
			}
		}
	})
}

// TestKernelPending reads a change that waits for its confirmation.
func TestKernelPending(t *testing.T) {
	kernel.InNamespace(t, []string{"nft"}, func(t *testing.T) {
		const text = `table inet portolan {
	set pending { type nf_proto; flags timeout; ELEMENTS }
	set src_old_v4 { type ipv4_addr; flags interval; }
	chain svc_a_1 { counter accept; }
	chain svc_a_1.2 { counter accept; }
	chain left_over { tcp flags syn accept; }
	limit limit_x_1s_1 { rate 1/second burst 1 packets; }
	quota q { over 5 mbytes; }
	map tcp_services { type inet_service : verdict; flags interval; elements = { 22 : jump svc_a_1 }; }
	map tcp_services.2 { type inet_service : verdict; flags interval; elements = { 23 : jump svc_a_1.2 }; }
	chain pending_input { tcp dport vmap @tcp_services.2; counter drop; }
	chain pending_raw_output { counter accept; }
	chain pending_raw_prerouting { counter accept; }
	chain input { type filter hook input priority filter - 10; policy drop;
		meta nfproto @pending counter goto pending_input comment "waits"
		tcp dport vmap @tcp_services
		counter drop
	}
	chain raw_prerouting { type filter hook prerouting priority raw; policy accept; meta nfproto @pending goto pending_raw_prerouting; udp dport 9000 notrack; }
	chain raw_output { type filter hook output priority raw; policy accept; meta nfproto @pending goto pending_raw_output; udp sport 9000 notrack; }
}
`
		both := "elements = { ipv4 timeout 1h, ipv6 timeout 50m };"
		plain := func(port, raw string) *ruleset.Ruleset {
			rs, err := ParseNftables(source.New("text", []byte(`table inet portolan {
				chain input { type filter hook input priority filter - 10; policy drop; tcp dport `+port+` accept; drop; }
				chain raw_prerouting { type filter hook prerouting priority raw; policy accept; `+strings.ReplaceAll(raw, "X", "dport")+` }
				chain raw_output { type filter hook output priority raw; policy accept; `+strings.ReplaceAll(raw, "X", "sport")+` }
			}`)))
			if err != nil {
				t.Fatal(err)
			}
			return rs
		}
		before, after := plain("22", "udp X 9000 notrack"), plain("23", "")
		unused := []string{"chain left_over", "limit limit_x_1s_1", "object q", "set src_old_v4"}
		for _, elements := range []string{both, ""} {
			load(t, strings.Replace(text, "ELEMENTS", elements, 1))
			live, err := Kernel(ask(t))
			if err != nil {
				t.Fatal(err)
			}
			if c := ruleset.Equivalent(before, live.Rules); c != nil {
				t.Errorf("before: %v", c)
			}
			if c := ruleset.Equivalent(after, live.Pending); c != nil {
				t.Errorf("after: %v", c)
			}
			inForce := map[bool]*ruleset.Ruleset{true: live.Pending, false: live.Rules}[elements != ""]
			if live.Waiting != (elements != "") || live.InForce() != inForce || !slices.Equal(live.Unused, unused) {
				t.Errorf("%v %v %v", live.Waiting, live.Left, live.Unused)
			}
			if elements != "" && (live.Left > 50*time.Minute || live.Left < 49*time.Minute) {
				t.Errorf("%v are left", live.Left)
			}
			if out, err := exec.Command("nft", "delete", "quota", "inet", "portolan", "q").CombinedOutput(); err != nil { // no reader of listings knows it
				t.Fatalf("%v\n%s", err, out)
			}
			for _, language := range []string{"-a", "-j"} {
				listing, err := exec.Command("nft", language, "list", "ruleset").Output()
				if err != nil {
					t.Fatal(err)
				}
				if _, err := Read("nftables", []*source.File{source.New("listing", listing)}); err == nil || !strings.Contains(err.Error(), "waits for its confirmation") {
					t.Errorf("nft %s: %v", language, err)
				}
			}
		}
		for _, c := range []struct{ old, new, words string }{
			{"ELEMENTS", "elements = { ipv4 timeout 1h };", "one of the two families"},
			{"ELEMENTS", "elements = { ipv4 timeout 1h, ipv6 timeout 0s };", "never forget"},
			{"flags timeout; ELEMENTS", "flags timeout; timeout 1h;", "forgotten after a time"},
			{"flags timeout; ELEMENTS", "elements = { ipv4, ipv6 };", "forgotten after a time"},
			{"meta nfproto @pending counter goto pending_input", "meta nfproto @pending accept", "goes nowhere"},
			{"meta nfproto @pending counter goto pending_input", "meta nfproto @pending jump pending_input", "goes nowhere"},
			{"meta nfproto @pending counter goto pending_input", "meta nfproto @pending goto pending_raw_output", "only the first rule"},
			{"meta nfproto @pending counter goto pending_input", "iifname \"lo\" accept; meta nfproto @pending goto pending_input", "only the first rule"},
			{"meta nfproto @pending counter goto pending_input", "meta nfproto @pending tcp dport 5 goto pending_input", "something beside the set"},
			{"meta nfproto @pending counter goto pending_input", "meta nfproto != @pending goto pending_input", "must not find"},
			{"meta nfproto @pending counter goto pending_input", "goto pending_input", "verdict -4"},
			{"chain pending_input {", "chain pending_input { meta nfproto @pending goto pending_raw_output;", "only the first rule"},
			{"chain pending_raw_output { counter accept; }", "chain pending_raw_output { udp sport 5 notrack; }", "what waits for its confirmation: connection tracking is kept"},
		} {
			changed := strings.Replace(strings.Replace(text, c.old, c.new, 1), "ELEMENTS", both, 1)
			load(t, changed)
			if live, err := Kernel(ask(t)); err == nil || !strings.Contains(err.Error(), c.words) {
				t.Errorf("%q: %v, %v, want words about %q", c.new, live, err, c.words)
			}
		}
	})
}

// TestKernelBehindGates: what somebody made by hand stands behind the gates of the change that
// takes it away, and no packet meets it. When nobody confirms that change, packets do.
func TestKernelBehindGates(t *testing.T) {
	kernel.InNamespace(t, []string{"nft"}, func(t *testing.T) {
		const text = `table inet portolan {
	set pending { type nf_proto; flags timeout; ELEMENTS }
	chain svc_a_1 { counter accept; }
	map tcp_services { type inet_service : verdict; flags interval; elements = { 22 : jump svc_a_1 }; }
	chain pending_input { tcp dport 23 counter accept; counter drop; }
	chain input { type filter hook input priority filter - 10; policy drop;
		meta nfproto @pending goto pending_input
		tcp dport vmap @tcp_services
		counter drop
	}
}
`
		const gated = "chain pending_x { counter accept; }; add chain inet portolan x { type filter hook forward priority 5; policy drop; }; "
		const gate = "add rule inet portolan x meta nfproto @pending goto pending_x; add rule inet portolan x tcp flags syn drop"
		both := "elements = { ipv4 timeout 1h, ipv6 timeout 1h };"
		for _, c := range []struct{ byHand, waiting, expired string }{
			{"rule inet portolan input tcp dport != 5 accept", "", "comparison neq"},
			{"rule inet portolan svc_a_1 tcp dport != 5 accept", "", "comparison neq"},
			{"rule inet portolan svc_a_1 meta nfproto @pending goto pending_input", "", "only the first rule"},
			{"chain inet portolan " + strings.TrimPrefix(gated, "chain ") + gate, "", `base chain "x": not a base chain`},
			{"chain inet portolan " + strings.TrimPrefix(gated, "chain ") + gate + "; flush chain inet portolan input; add rule inet portolan input tcp dport 23 accept", "", `base chain "x": not a base chain`},
			{"chain inet portolan x { type filter hook forward priority 5; policy drop; }", `base chain "x": not a base chain`, `base chain "x": not a base chain`},
			{"chain inet portolan " + strings.TrimPrefix(strings.Replace(gated, "counter accept", "counter drop", 1), "chain ") + gate, `base chain "x": not a base chain`, `base chain "x": not a base chain`},
			{"chain inet portolan " + strings.TrimPrefix(strings.Replace(gated, "counter accept", "tcp dport 5 accept; drop", 1), "chain ") + gate, `base chain "x": not a base chain`, `base chain "x": not a base chain`},
			{"rule inet portolan pending_input tcp dport != 5 accept", "comparison neq", "comparison neq"},
		} {
			for elements, words := range map[string]string{both: c.waiting, "": c.expired} {
				load(t, strings.Replace(text, "ELEMENTS", elements, 1))
				what := "add " + c.byHand
				if strings.HasPrefix(c.byHand, "rule inet portolan pending_input") {
					what = "insert " + c.byHand
				}
				if out, err := kernel.Run(what+"\n", "nft", "-f", "-"); err != nil {
					t.Fatalf("%q: %v\n%s", what, err, out)
				}
				live, err := Kernel(ask(t))
				switch {
				case words != "" && (err == nil || !strings.Contains(err.Error(), words)):
					t.Errorf("%q: %v, %v, want words about %q", c.byHand, live, err, words)
				case words != "":
				case err != nil:
					t.Errorf("%q: %v", c.byHand, err)
				case live.Rules != nil || !live.Waiting || live.InForce() != live.Pending:
					t.Errorf("%q: %+v", c.byHand, live)
				default:
					var accepted []uint16
					for _, port := range []uint16{5, 22, 23} {
						p := ruleset.Packet{Proto: 6, Port: port, Peer: netip.MustParseAddr("192.0.2.1"), State: ruleset.New, Interface: "eth0"}
						if live.Pending.Decide(p).Verdict() == ruleset.Accept {
							accepted = append(accepted, port)
						}
					}
					if !slices.Equal(accepted, []uint16{23}) {
						t.Errorf("%q: %v are accepted", c.byHand, accepted)
					}
				}
			}
		}
	})
}

func matches(words, text string) bool { return regexp.MustCompile(words).MatchString(text) }
