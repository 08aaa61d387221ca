package render

import (
	"math/rand/v2"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"portolan/internal/ruleset"
)

// There is no Windows here to ask, so the witness is this: a reader of each form by regular
// expressions, which believes what stands there, and asks the rules about one packet after
// the other, as the words of Microsoft's documentation say.

// A plainRule is one allow rule; nil lists are any.
type plainRule struct {
	out                         bool
	proto                       int // -1 is any
	local, remote, types, peers []plainRange
}

// A plainRange is two numbers, or two addresses as numbers of 16 bytes.
type plainRange struct{ first, last string }

func (r plainRange) has(key string) bool {
	return len(key) == len(r.first) && r.first <= key && key <= r.last
}

func hasKey(list []plainRange, key string) bool {
	return list == nil || slices.ContainsFunc(list, func(r plainRange) bool { return r.has(key) })
}

func numberKey(n int) string { return string([]byte{byte(n >> 8), byte(n)}) }

// plainPorts are "80" and "80-90".
func plainPorts(t *testing.T, items []string) (out []plainRange) {
	for _, item := range items {
		first, last, is := strings.Cut(item, "-")
		if !is {
			last = first
		}
		a, err := strconv.Atoi(first)
		b, err2 := strconv.Atoi(last)
		if err != nil || err2 != nil || a > 65535 || b > 65535 {
			t.Errorf("a reader takes the number %q", item)
		}
		out = append(out, plainRange{numberKey(a), numberKey(b)})
	}
	return out
}

// plainPeers are addresses, ranges of them, and networks with a length or a mask.
func plainPeers(t *testing.T, items []string) (out []plainRange) {
	for _, item := range items {
		first, last, is := strings.Cut(item, "-")
		base, length, network := strings.Cut(first, "/")
		a, err := netip.ParseAddr(base)
		if err != nil {
			t.Errorf("a reader takes the address %q", item)
			continue
		}
		low := a.AsSlice()
		high := slices.Clone(low)
		switch {
		case is:
			b, err := netip.ParseAddr(last)
			if err != nil || b.Less(a) || network {
				t.Errorf("a reader takes the range %q", item)
			}
			high = b.AsSlice()
		case network:
			mask := make([]byte, len(low))
			if m, err := netip.ParseAddr(length); err == nil {
				mask = m.AsSlice()
			} else if bits, err := strconv.Atoi(length); err == nil && bits <= 8*len(low) {
				for i := range bits {
					mask[i/8] |= 0x80 >> (i % 8)
				}
			} else {
				t.Errorf("a reader takes the network %q", item)
			}
			for i := range low {
				low[i] &= mask[i]
				high[i] |= ^mask[i]
			}
		}
		out = append(out, plainRange{string(low), string(high)})
	}
	return out
}

var plainProtos = map[string]int{"": -1, "any": -1, "icmpv4": 1, "tcp": 6, "udp": 17, "icmpv6": 58}

func plainProto(t *testing.T, s string) int {
	if n, ok := plainProtos[strings.ToLower(s)]; ok {
		return n
	}
	n, err := strconv.Atoi(s)
	if err != nil || n > 255 {
		t.Errorf("a reader takes the protocol %q", s)
	}
	return n
}

var (
	ps1Block   = regexp.MustCompile(`(?s)@\{(.*?)\}`)
	ps1Field   = regexp.MustCompile(`(?m)^\s*(\w+)\s*= (.*?)\r?$`)
	ps1Item    = regexp.MustCompile(`'([^']*)'`)
	cmdRule    = regexp.MustCompile(`(?m)^call :%1 PL-\S+ "(.*)"\r?$`)
	regRule    = regexp.MustCompile(`(?m)^"PL-[^"]*"="v2\.10\|(.*)\|"\r?$`)
	blockWords = regexp.MustCompile(`(?m)^(\$Outbound = 'Block'|set "PL_OUTBOUND=block"|; outbound: block)\r?$`)
)

// plainRules reads a text of any form.
func plainRules(t *testing.T, name, text string) (rules []plainRule) {
	add := func(dir, proto string, local, remote, types, peers []string) {
		r := plainRule{strings.HasPrefix(strings.ToLower(dir), "out"), plainProto(t, proto), plainPorts(t, local), plainPorts(t, remote), plainPorts(t, types), plainPeers(t, peers)}
		// Both ICMPs are bound to their family.
		if r.peers == nil && r.proto == 1 {
			r.peers = plainPeers(t, []string{"0.0.0.0-255.255.255.255"})
		}
		if r.peers == nil && r.proto == 58 {
			r.peers = plainPeers(t, []string{"::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"})
		}
		rules = append(rules, r)
	}
	list := func(s, any string) []string {
		if s == "" || s == any {
			return nil
		}
		return strings.Split(s, ",")
	}
	switch name {
	case "portolan.ps1":
		_, text, _ = strings.Cut(text, "\n$Rules = @(")
		text, _, _ = strings.Cut(text, "\n)")
		for _, block := range ps1Block.FindAllStringSubmatch(text, -1) {
			fields := map[string][]string{}
			for _, f := range ps1Field.FindAllStringSubmatch(block[1], -1) {
				for _, item := range ps1Item.FindAllStringSubmatch(f[2], -1) {
					fields[f[1]] = append(fields[f[1]], item[1])
				}
			}
			one := func(key string) string { return strings.Join(fields[key], " ") }
			many := func(key string) []string { return list(strings.Join(fields[key], ","), "Any") }
			add(one("Direction"), one("Protocol"), many("LocalPort"), many("RemotePort"), many("IcmpType"), many("RemoteAddress"))
		}
	case "portolan.cmd":
		for _, line := range cmdRule.FindAllStringSubmatch(text, -1) {
			fields := map[string]string{}
			for _, word := range strings.Fields(line[1]) {
				key, value, _ := strings.Cut(word, "=")
				fields[key] = value
			}
			proto, kind, _ := strings.Cut(fields["protocol"], ":")
			kind, _, _ = strings.Cut(kind, ",") // "8,any" is type and code
			add(fields["dir"], proto, list(fields["localport"], "any"), list(fields["remoteport"], "any"), list(kind, "any"), list(fields["remoteip"], "any"))
		}
	case "portolan.reg":
		for _, line := range regRule.FindAllStringSubmatch(text, -1) {
			fields := map[string][]string{}
			for _, word := range strings.Split(line[1], "|") {
				key, value, _ := strings.Cut(word, "=")
				key = strings.TrimSuffix(key, "2_10")
				if strings.HasPrefix(key, "ICMP") || strings.HasPrefix(key, "RA") {
					key, value = key[:len(key)-1], strings.TrimSuffix(value, ":*")
				}
				fields[key] = append(fields[key], value)
			}
			one := func(key string) string { return strings.Join(fields[key], " ") }
			add(one("Dir"), one("Protocol"), fields["LPort"], fields["RPort"], fields["ICMP"], fields["RA"])
		}
	}
	return rules
}

// plainDecide says whether a packet may pass.
func plainDecide(rules []plainRule, block bool, p ruleset.Packet) bool {
	out := p.Direction == ruleset.Out
	switch {
	case out && !block, p.State == ruleset.Established, p.State == ruleset.Related, p.Interface == ruleset.Loopback:
		return true
	case p.State == ruleset.Broken:
		return false
	}
	local, remote := p.Port, p.SourcePort
	if out {
		local, remote = remote, local
	}
	ports, types := p.Proto == 6 || p.Proto == 17, p.Proto == 1 || p.Proto == 58
	return slices.ContainsFunc(rules, func(r plainRule) bool {
		return r.out == out && (r.proto < 0 || r.proto == int(p.Proto)) && hasKey(r.peers, string(p.Peer.AsSlice())) &&
			(!ports || hasKey(r.local, numberKey(int(local))) && hasKey(r.remote, numberKey(int(remote)))) &&
			(!types || hasKey(r.types, numberKey(int(p.Type))))
	})
}

// edgesOf are keys at the ends of ranges and beside them.
func edgesOf(list []plainRange) (keys []string) {
	for _, r := range list {
		for _, key := range []string{r.first, r.last} {
			for _, step := range []int{-1, 0, 1} {
				b := []byte(key)
				for i := len(b) - 1; i >= 0 && step != 0; i-- {
					b[i] += byte(step)
					if step == 1 && b[i] != 0 || step == -1 && b[i] != 255 {
						step = 0
					}
				}
				keys = append(keys, string(b))
			}
		}
	}
	return append(keys, strings.Repeat("\x21", max(2, len(keys[0]))))
}

// plainPackets are packets at the edges of each rule.
func plainPackets(random *rand.Rand, rules []plainRule) (packets []ruleset.Packet) {
	number := func(list []plainRange) uint16 {
		keys := edgesOf(append(list[:len(list):len(list)], plainRange{numberKey(1), numberKey(65534)}))
		key := keys[random.IntN(len(keys))]
		return uint16(key[0])<<8 | uint16(key[1])
	}
	anybody := []plainRange{{"\x0a\x14\x00\x09", "\x0a\x14\x00\x09"}}
	for _, r := range rules {
		for range 12 {
			list := r.peers
			if list == nil {
				list = anybody
			}
			keys := edgesOf(list)
			peer, ok := netip.AddrFromSlice([]byte(keys[random.IntN(len(keys))]))
			if !ok || peer.Is4In6() || peer.Is6() && (peer.IsUnspecified() || peer.IsLoopback()) {
				continue // the last two are never on a network, and no rule can name them
			}
			p := ruleset.Packet{Direction: map[bool]ruleset.Direction{true: ruleset.Out}[r.out != (random.IntN(8) == 0)], Interface: "eth0",
				State: ruleset.New, Proto: uint8(r.proto), Peer: peer, Port: number(r.local), SourcePort: number(r.remote), Type: uint8(number(r.types))}
			if p.Direction == ruleset.Out {
				p.Port, p.SourcePort = p.SourcePort, p.Port
			}
			if r.proto < 0 || random.IntN(8) == 0 {
				p.Proto = []uint8{6, 17, 1, 58, 47}[random.IntN(5)]
			}
			if random.IntN(12) == 0 {
				p.State = ruleset.AllStates.Each()[random.IntN(5)]
			}
			if random.IntN(20) == 0 {
				p.Interface = ruleset.Loopback
			}
			packets = append(packets, p)
		}
	}
	return packets
}

var windowsTongues = map[string]tongue{
	"portolan.ps1": {[]string{"TCP", "UDP", "ICMPv4", "ICMPv6", "Any", "Inbound", "Outbound", "Block", "Allow", "80", "0-65535", "10.0.0.0/8", "::2-::9", "2001:db8::1", "LocalPort", "RemotePort", "IcmpType", "47"},
		regexp.MustCompile(`^        (Direction|Protocol|IcmpType|LocalPort|RemotePort|RemoteAddress) |^    @\{|^    \}|^\$Outbound = `), regexp.MustCompile(`Name .*|D\w+ .*Portolan.*`)},
	"portolan.cmd": {[]string{"tcp", "udp", "icmpv4:8,any", "icmpv6:1,any", "any", "dir=in", "dir=out", "80", "0-65535", "10.0.0.0/8", "::2-::9", "2001:db8::1", "localport=", "remoteport=", "remoteip=any", "block", "47"},
		regexp.MustCompile(`^call :%1 PL|^set "PL_OUTBOUND`), regexp.MustCompile(`PL-\S+`)},
	"portolan.reg": {[]string{"6", "17", "1", "58", "In", "Out", "Allow", "Block", "TRUE", "80", "0-65535", "10.0.0.0/255.0.0.0", "::2-::9", "2001:db8::1", "LPort", "RPort", "LPort2_10", "RA4", "RA6", "ICMP4", "47"},
		regexp.MustCompile(`^"PL-|^; outbound`), regexp.MustCompile(`"PL-[^"]*"|Name=.*`)},
}

// TestWindowsMutationsMean changes the three texts at random. What the reader takes decides
// every packet at the edges of the rules as the witness does.
func TestWindowsMutationsMean(t *testing.T) {
	rs := outboundHost()
	for _, form := range windowsForms(t) {
		out, refused := proveWindows(t, form, rs)
		if refused != "" {
			t.Fatal(refused)
		}
		o := out[0]
		random := rand.New(rand.NewPCG(11, 12))
		taken, meant, asked, n := 0, 0, 0, mutationsOf(t, 80)
		for range n {
			text := windowsTongues[o.Name].change(random, string(o.Data))
			back, err := readBack("windows", []Output{{Name: o.Name, Data: []byte(text)}})
			if err != nil {
				continue
			}
			if taken++; ruleset.Equivalent(rs, back) != nil {
				meant++
			}
			rules, block := plainRules(t, o.Name, text), blockWords.MatchString(text)
			for _, p := range plainPackets(random, rules) {
				asked++
				if got, want := back.Decide(p).Verdict() == ruleset.Accept, plainDecide(rules, block, p); got != want {
					t.Fatalf("%s: the reader lets it pass: %v, the witness: %v\n%s", p, got, want, difference(string(o.Data), text))
				}
			}
		}
		t.Logf("%s: of %d changes %d were read, %d meant something else, %d packets", o.Name, n, taken, meant, asked)
		if meant < n/40 {
			t.Errorf("%s: only %d of %d changes were read and meant something else", o.Name, meant, n)
		}
	}
}
