package kernel

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// streamRules are rules under which the flows of streamFlows fare as they should, in the
// style of a text: its head, and the commands before the content.
func streamRules(head string, version, filler int) string {
	var more strings.Builder
	for i := range filler {
		fmt.Fprintf(&more, "\t\tmeta mark 0x%x counter drop comment \"filler\"\n", i+1)
	}
	return fmt.Sprintf(`table inet t {
	set tcp_ok { type inet_service; flags interval; }
	set udp_ok { type inet_service; flags interval; }
	chain filler { }
	chain i { type filter hook input priority 0; policy drop; }
	chain o { type filter hook output priority 0; policy drop; }
}
%s
table inet t {
	set tcp_ok { type inet_service; flags interval; elements = { 22, %[2]d }; }
	set udp_ok { type inet_service; flags interval; elements = { 5060-5069, %[2]d }; }
	chain filler {
%[3]s	}
	chain i {
		type filter hook input priority 0; policy drop;
		ct state established accept
		meta nfproto ipv6 meta l4proto ipv6-icmp accept
		udp dport @udp_ok accept
		tcp dport @tcp_ok accept
		counter drop
	}
	chain o {
		type filter hook output priority 0; policy drop;
		meta l4proto { icmp, ipv6-icmp } accept
		udp dport 53 accept
		udp sport 7000 accept
		counter drop
	}
}
`, head, 8000+version, more.String())
}

func streamFlows() []Flow {
	v4, v6 := netip.MustParseAddr("203.0.113.9"), netip.MustParseAddr("2001:db8:77::1")
	var out []Flow
	for name, peer := range map[string]netip.Addr{"IPv4": v4, "IPv6": v6} {
		out = append(out,
			Flow{Name: "new UDP " + name, Proto: unix.IPPROTO_UDP, Peer: peer, Port: 5060, Allowed: true},
			Flow{Name: "UDP from one port " + name, Proto: unix.IPPROTO_UDP, Peer: peer, Port: 5061, SourcePort: 5061, Allowed: true},
			Flow{Name: "known UDP " + name, Proto: unix.IPPROTO_UDP, Peer: peer, Port: 7000, SourcePort: 7001, Known: true, Allowed: true},
			Flow{Name: "TCP " + name, Proto: unix.IPPROTO_TCP, Peer: peer, Port: 22, Allowed: true},
			Flow{Name: "forbidden UDP " + name, Proto: unix.IPPROTO_UDP, Peer: peer, Port: 6000},
			Flow{Name: "forbidden TCP " + name, Proto: unix.IPPROTO_TCP, Peer: peer, Port: 23},
			Flow{Name: "unknown UDP " + name, Proto: unix.IPPROTO_UDP, Peer: peer, Port: 7000},
			Flow{Name: "outgoing " + name, Proto: unix.IPPROTO_UDP, Peer: peer, Port: 53, Out: true, Allowed: true},
			Flow{Name: "forbidden outgoing " + name, Proto: unix.IPPROTO_TCP, Peer: peer, Port: 53, Out: true},
		)
	}
	return out
}

// TestStream proves the instrument: it is silent while nothing changes and under a change
// that is known to be whole, and it sees what is known to lose and to leak, packet by packet.
func TestStream(t *testing.T) {
	InNamespace(t, []string{"nft"}, func(t *testing.T) {
		if _, _, err := Processors(); err != nil {
			t.Skip(unavailable + err.Error())
		}
		link, err := NewLink()
		if err != nil {
			t.Fatal(err)
		}
		defer link.Close()
		load := func(text string) error { _, err := Run(text, "nft", "-f", "-"); return err }
		const flush = "flush table inet t; flush set inet t tcp_ok; flush set inet t udp_ok"
		if err := load(streamRules("", 0, 0)); err != nil {
			t.Fatal(err)
		}
		const rate = 50000
		try := func(name string, change func() error) (sent, lost, leaked int, tally *Tally) {
			t.Helper()
			tally, err := link.During(streamFlows(), rate, change)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			sent, missing, lost, leaked := tally.Sum()
			t.Logf("%s: %d packets in %v, %d did not arrive, %d lost, %d leaked: %v", name, sent, tally.Took.Round(time.Millisecond), missing, lost, leaked, tally.Err())
			if missing > sent/100 {
				t.Errorf("%s: %d of %d packets did not arrive", name, missing, sent)
			}
			return sent, lost, leaked, tally
		}
		// A busy machine sends little in a time, or nothing, so what is tried is tried until it was.
		const turnsOf = 20
		all, lost, leaked := 0, 0, 0
		for i := 0; i < turnsOf && all < 2000; i++ {
			var sent int
			sent, lost, leaked, _ = try("no change", func() error { time.Sleep(200 * time.Millisecond); return nil })
			if lost != 0 || leaked != 0 {
				t.Errorf("no change: %d packets, %d lost, %d leaked", sent, lost, leaked)
			}
			all += sent
		}
		if all < 2000 {
			t.Errorf("this machine sends no more than %d packets in %d turns: nothing was tried", all, turnsOf)
		}
		turns := func(n int, head string, filler int) func() error {
			return func() error {
				for i := range n {
					if err := load(streamRules(head, 1+i%2, filler)); err != nil {
						return err
					}
				}
				return nil
			}
		}
		if _, lost, leaked, _ := try("flush and fill again", turns(30, flush, 300)); lost != 0 || leaked != 0 {
			t.Errorf("flush and fill again: %d lost, %d leaked", lost, leaked)
		}
		// One change may fall between two packets, so there are several.
		lost = 0
		for range 10 {
			if _, lost, _, _ = try("delete and add", turns(30, "delete table inet t", 1000)); lost > 0 {
				break
			}
		}
		if lost == 0 {
			t.Error("a table that is deleted and added again lost no packet: the instrument is blind")
		}

		// An outage and a hole of a known time.
		const long = 60 * time.Millisecond
		outage := func(break_, mend string) func() error {
			return func() error {
				time.Sleep(50 * time.Millisecond)
				if err := load(break_); err != nil {
					return err
				}
				time.Sleep(long)
				return load(mend)
			}
		}
		const mend = flush + "\n"
		var tally *Tally
		unseen := func(f FlowTally) bool { return strings.HasPrefix(f.Name, "new UDP ") && f.Lost() == 0 }
		for i := 0; i < turnsOf && (i == 0 || slices.ContainsFunc(tally.Flows, unseen)); i++ {
			_, lost, leaked, tally = try("an outage", outage("insert rule inet t i udp dport 5060 drop", mend+streamRules("", 0, 0)))
		}
		if leaked != 0 || lost == 0 {
			t.Errorf("an outage: %d lost, %d leaked", lost, leaked)
		}
		for i := range tally.Flows {
			f := &tally.Flows[i]
			if !strings.HasPrefix(f.Name, "new UDP ") {
				if f.Lost()+f.Leaked() != 0 {
					t.Errorf("%s: %d lost, %d leaked", f.Name, f.Lost(), f.Leaked())
				}
				continue
			}
			sum := 0
			for _, h := range f.Harm {
				sum += h.Packets
			}
			if sum != f.Lost() || len(f.Harm) == 0 {
				t.Fatalf("%s: %d of %d lost packets have a time", f.Name, sum, f.Lost())
			}
			// No more than its part of the rate is sent, by a busy machine less, and late.
			least := min(long, time.Duration(f.Lost()*len(tally.Flows))*time.Second/rate) / 2
			if took := f.Harm[len(f.Harm)-1].To - f.Harm[0].From; took < least || took > tally.Took-long/2 {
				t.Errorf("%s: an outage of %v was seen from %v to %v of %v", f.Name, long, f.Harm[0].From, f.Harm[len(f.Harm)-1].To, tally.Took)
			}
		}
		for i := 0; i < turnsOf && (i == 0 || lost == 0 && leaked == 0); i++ {
			_, lost, leaked, _ = try("a hole", outage("insert rule inet t i udp dport 6000 accept", mend+streamRules("", 0, 0)))
		}
		if lost != 0 || leaked == 0 {
			t.Errorf("a hole: %d lost, %d leaked", lost, leaked)
		}
	})
}

// TestStreamRefuses: what could not be counted is not sent.
func TestStreamRefuses(t *testing.T) {
	a := netip.MustParseAddr("203.0.113.9")
	udp := Flow{Name: "x", Proto: unix.IPPROTO_UDP, Peer: a, Port: 1}
	known := udp
	known.Known = true
	high := udp
	high.SourcePort = freshPort
	for want, flows := range map[string][]Flow{
		"without packets":       nil,
		"have the same packets": {udp, {Name: "y", Proto: unix.IPPROTO_UDP, Peer: a, Port: 1, Interface: HostInterface, Allowed: true}},
		"neither TCP nor UDP":   {{Peer: a}},
		"is not below":          {high},
		"can be known":          {known},
	} {
		s := &Stream{flows: flows}
		if err := s.check(1); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", want, err)
		}
	}
}

// TestHarm: packets on their way when a sample was taken are no harm.
func TestHarm(t *testing.T) {
	s := &Stream{}
	for i, n := range []int{0, 3, 0, 2, 5, 4, 4, 6, 6} {
		s.samples = append(s.samples, sample{time.Duration(i+1) * time.Second, []int{n}})
	}
	want := []Harm{{3 * time.Second, 5 * time.Second, 4}, {7 * time.Second, 8 * time.Second, 2}}
	if got := s.harm(0); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
