package render

import (
	"net/netip"
	"strings"

	"portolan/internal/addr"
	"portolan/internal/port"
	"portolan/internal/ruleset"
)

// The rulesets of the tests. They are built the way package compile builds them: the
// built-in rules first, then a rule for each allow and claim, then the log.

func sources(list ...string) addr.Set {
	var s addr.Set
	for _, text := range list {
		one, err := addr.Parse(text)
		if err != nil {
			panic(err)
		}
		s = s.Union(one)
	}
	return s
}

func match(change func(*ruleset.Match)) ruleset.Match {
	m := ruleset.Any()
	change(&m)
	return m
}

func service(name, comment string, proto port.Proto, ports string, from addr.Set) ruleset.Rule {
	set, err := port.Parse(ports)
	if err != nil {
		panic(err)
	}
	of, _, _ := strings.Cut(comment, " ")
	return ruleset.Rule{
		Name: name, Service: of, Comment: comment, Effect: ruleset.Effect{Verdict: ruleset.Accept},
		Match: match(func(m *ruleset.Match) {
			m.Protos, m.Ports, m.Peers = ruleset.BytesOf(uint8(proto)), set, from
		}),
	}
}

func builtin() []ruleset.Rule {
	accept, drop := ruleset.Effect{Verdict: ruleset.Accept}, ruleset.Effect{Verdict: ruleset.Drop}
	icmp := func(proto uint8, from addr.Set, types ...uint8) ruleset.Match {
		return match(func(m *ruleset.Match) {
			m.Protos, m.Peers, m.Types = ruleset.BytesOf(proto), from, ruleset.BytesOf(types...)
		})
	}
	return []ruleset.Rule{
		{Name: "established", Effect: accept, Match: match(func(m *ruleset.Match) { m.States = ruleset.Established | ruleset.Related })},
		{Name: "loopback", Effect: accept, Match: match(func(m *ruleset.Match) { m.Interfaces = ruleset.InterfacesOf(ruleset.Loopback) })},
		{Name: "invalid", Effect: drop, Match: match(func(m *ruleset.Match) { m.States = ruleset.Broken })},
		{Name: "icmp", Effect: accept, Match: icmp(ruleset.ICMP, addr.V4(), 3, 8, 11, 12)},
		{Name: "icmpv6", Effect: accept, Match: icmp(ruleset.ICMPv6, addr.V6(), 1, 2, 3, 4, 128, 129, 130, 131, 132, 133, 134, 135, 136, 143)},
		service("dhcp", "", port.UDP, "68", addr.V4()),
		service("dhcpv6", "", port.UDP, "546", addr.V6()),
	}
}

// plainHost is a media server with zones and nothing that Windows cannot say.
func plainHost() *ruleset.Ruleset {
	voice := sources("10.20.0.0/16", "2001:db8:20::/48")
	sites := sources("192.0.2.0/24", "198.51.100.7", "198.51.100.64/26", "203.0.113.5-203.0.113.77", "2001:db8:7::/64", "2001:db8:9::1")
	const conf = "etc/lumenvox/media_server.conf"
	return &ruleset.Ruleset{
		Files: []string{conf, "etc/ssh/sshd_config"},
		Input: ruleset.Chain{Default: ruleset.Drop, Rules: append(builtin(),
			service("speech", "lumenvox-media-server rtsp "+conf+":12", port.TCP, "554", voice),
			service("speech", "lumenvox-media-server mrcp "+conf+":22", port.TCP, "20000-24999", voice),
			service("speech", "lumenvox-media-server rtp "+conf+":36", port.UDP, "25000-25399", addr.All()),
			service("speech", "lumenvox-media-server sip "+conf+":9", port.UDP, "5060", voice),
			service("trunks", "asterisk sip etc/asterisk/pjsip.conf:4", port.UDP, "5060,5080", sites),
			service("trunks", "asterisk rtp etc/asterisk/rtp.conf:3", port.UDP, "10000-10499,25300-25500", sites),
			service("web", "nginx http etc/nginx/nginx.conf:8", port.TCP, "80,443", addr.All()),
			service("ssh", "sshd ssh etc/ssh/sshd_config:13", port.TCP, "22", sources("10.1.0.0/24", "2001:db8:1::/48")),
		)},
	}
}

// limitedHost is plainHost with a limit on ssh and a log before the drop.
func limitedHost() *ruleset.Ruleset {
	rs := plainHost()
	rs.Input.Rules[len(rs.Input.Rules)-1].Effect.Limit = ruleset.Limit{
		Rate: ruleset.Rate{Count: 10, Period: "minute"}, Burst: 5, PerSource: true, Name: "ssh",
	}
	rs.Input.Rules = append(rs.Input.Rules, ruleset.Rule{Name: "log", Match: ruleset.Any(), Effect: ruleset.Effect{
		Verdict: ruleset.Continue,
		Log:     ruleset.Log{Rate: ruleset.Rate{Count: 5, Period: "minute"}, Burst: 5, Prefix: "portolan drop: "},
	}})
	return rs
}

// additiveHost opens ports and leaves the rest to others.
func additiveHost() *ruleset.Ruleset {
	rs := limitedHost()
	rs.Input.Default = ruleset.Accept
	rs.Input.Rules = rs.Input.Rules[:len(rs.Input.Rules)-1]
	return rs
}

// deniedHost has drops before and between the accepts.
func deniedHost() *ruleset.Ruleset {
	rs := plainHost()
	deny := func(r ruleset.Rule) ruleset.Rule {
		r.Effect.Verdict = ruleset.Drop
		return r
	}
	at := len(builtin())
	tail := rs.Input.Rules[at:]
	rs.Input.Rules = append(rs.Input.Rules[:at:at],
		deny(service("abuse", "blocklist", port.UDP, "0-65535", sources("10.20.66.0/24", "203.0.113.0/24"))),
		deny(service("abuse", "blocklist", port.TCP, "22,80", sources("10.1.0.128/25", "2001:db8:1:bad::/64"))),
	)
	rs.Input.Rules = append(rs.Input.Rules, tail...)
	return rs
}

// many is a host with n services of a few audiences.
func many(n int) *ruleset.Ruleset {
	rs := &ruleset.Ruleset{Files: []string{"etc/services.conf"}, Input: ruleset.Chain{Default: ruleset.Drop, Rules: builtin()}}
	zones := []addr.Set{addr.All(), sources("10.20.0.0/16", "2001:db8:20::/48"), sources("10.1.0.0/24"), sources("10.3.0.0/24", "10.5.0.0/24", "10.7.0.0/24", "10.9.0.0/24")}
	for i := range n {
		first := 1024 + i*(64000/n)
		ports := port.Range{First: uint16(first), Last: uint16(first + i%5)}
		rs.Input.Rules = append(rs.Input.Rules, service(
			[]string{"public", "voice", "admin", "peers"}[i%4], "service-"+strings.Repeat("x", i%7)+" listen etc/service.conf:"+netip.AddrFrom4([4]byte{0, 0, byte(i >> 8), byte(i)}).String(),
			port.Protos[i/4%2], ports.String(), zones[i%4]))
	}
	return rs
}
