package render

import (
	"slices"

	"portolan/internal/addr"
	"portolan/internal/port"
	"portolan/internal/ruleset"
)

// confinedHost is limitedHost, of which only some things leave.
func confinedHost() *ruleset.Ruleset {
	rs := limitedHost()
	out := builtin()[:5:5]
	out = append(out,
		service("dns", "resolver dns etc/resolv.conf:2", port.UDP, "53", sources("10.1.0.53", "10.2.0.53", "2001:db8:1::53")),
		service("dns", "resolver dns etc/resolv.conf:2", port.TCP, "53", sources("10.1.0.53", "10.2.0.53", "2001:db8:1::53")),
		service("ntp", "chrony ntp etc/chrony/chrony.conf:4", port.UDP, "123", addr.All()),
		service("trunks", "asterisk sip etc/asterisk/pjsip.conf:4", port.UDP, "5060,5080", sources("192.0.2.0/24", "2001:db8:7::/64")),
	)
	sip := service("reports", "asterisk sip etc/asterisk/pjsip.conf:4", port.UDP, "9060", addr.V4())
	sip.Match.SourcePorts = port.Of(port.Single(5060), port.Single(5080))
	media := service("media", "asterisk rtp etc/asterisk/rtp.conf:3", port.UDP, "1024-65535", addr.All())
	media.Match.SourcePorts = port.Of(port.Range{First: 10000, Last: 10499})
	rs.Output = ruleset.Chain{Default: ruleset.Drop, Rules: append(out, sip, media, ruleset.Rule{Name: "log", Match: ruleset.Any(), Effect: ruleset.Effect{
		Verdict: ruleset.Continue,
		Log:     ruleset.Log{Rate: ruleset.Rate{Count: 5, Period: "minute"}, Burst: 5, Prefix: "portolan drop: "},
	}})}
	return rs
}

// countedHost is limitedHost with bounds on how many connections are open.
func countedHost() *ruleset.Ruleset {
	rs := limitedHost()
	for i := range rs.Input.Rules {
		switch r := &rs.Input.Rules[i]; r.Name {
		case "speech":
			if r.Match.Protos.Has(uint8(port.TCP)) {
				r.Effect.Connections = ruleset.Connections{Count: 20, PerSource: true, Name: "speech"}
			}
		case "web":
			r.Effect.Connections = ruleset.Connections{Count: 500, Name: "web"}
		case "ssh":
			r.Effect.Connections = ruleset.Connections{Count: 3, PerSource: true, Name: "ssh"}
		}
	}
	return rs
}

// untrackedHost is plainHost, whose media pass by connection tracking. What does is accepted
// before connection tracking is asked, and stands at its own place as well, as compile writes it.
func untrackedHost() *ruleset.Ruleset {
	rs := plainHost()
	media := port.Of(port.Range{First: 25000, Last: 25399})
	i := slices.IndexFunc(rs.Input.Rules, func(r ruleset.Rule) bool { return r.Match.Ports.Equal(media) })
	rs.Input.Rules = slices.Concat(rs.Input.Rules[i:i+1], rs.Input.Rules)
	rs.Untracked = media
	return rs
}
