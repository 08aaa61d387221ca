package main

import (
	"portolan/internal/apply"
	"portolan/internal/neighbour"
)

// planJSON is a view as JSON writes it. Fields are only ever added.
type planJSON struct {
	Version  int               `json:"version"`
	Table    string            `json:"table"`
	Aim      string            `json:"aim"`     // the policy, or a state
	Ruleset  string            `json:"ruleset"` // SHA-256 of what it means
	Empty    bool              `json:"empty"`   // nothing is to be changed
	InPlace  bool              `json:"in_place"`
	InForce  inForceJSON       `json:"in_force"`
	Changes  []changeJSON      `json:"changes"`  // of traffic
	Ports    map[string]int    `json:"ports"`    // by the kind of their change
	Services []serviceJSON     `json:"services"` // that come, go and change
	Zones    []zoneJSON        `json:"zones"`
	Kernel   []differenceInOne `json:"kernel"` // objects and elements that change
	Drift    []differenceInOne `json:"drift"`  // what was changed by hand
	Others   []otherJSON       `json:"others"`
	Mixed    string            `json:"mixed"` // iptables of two kinds at the same time
	CutOff   []cutOffJSON      `json:"cut_off"`
	Hidden   []int             `json:"hidden"` // processes whose sessions cannot be seen
}

// inForceJSON is what the kernel has now.
type inForceJSON struct {
	Table          bool    `json:"table"`
	State          int     `json:"state"` // 0 when none was applied
	Drift          bool    `json:"drift"`
	Pending        bool    `json:"pending"`         // a change waits to be confirmed, or waited
	PendingSeconds float64 `json:"pending_seconds"` // 0 when the time is over
	Strange        string  `json:"strange"`         // what is not understood
	Unknown        string  `json:"unknown"`         // why it is not known what was changed by hand; drift is true then
}

// serviceJSON is what becomes of a service.
type serviceJSON struct {
	Change string   `json:"change"` // "added", "removed" or "changed"
	Name   string   `json:"name"`   // "allow: service", or the allow alone
	Words  []string `json:"words"`  // what changes
}

// zoneJSON is what becomes of a zone.
type zoneJSON struct {
	Change string   `json:"change"` // "added", "removed" or "changed"
	Name   string   `json:"name"`
	Gains  []string `json:"gains"` // addresses, prefixes and ranges
	Loses  []string `json:"loses"`
	UsedBy []string `json:"used_by"` // of the policy; empty for a state from the history
}

// differenceInOne is one object, rule or element.
type differenceInOne struct {
	Change string `json:"change"` // "added", "removed" or "changed"
	Object string `json:"object"`
	Name   string `json:"name"`
	Detail string `json:"detail"`
}

// otherJSON is a chain of somebody else.
type otherJSON struct {
	Family   string   `json:"family"`
	Table    string   `json:"table"`
	Chain    string   `json:"chain"`
	Hook     string   `json:"hook"`
	Priority int32    `json:"priority"`
	Owners   []string `json:"owners"`
	Legacy   bool     `json:"legacy"`           // of the iptables before nf_tables
	Defaults bool     `json:"drops_by_default"` // what none of its rules is about
	Words    string   `json:"words"`
}

func othersJSON(list []neighbour.Firewall) []otherJSON {
	out := []otherJSON{}
	for _, f := range list {
		o := otherJSON{f.Family, f.Table, f.Chain, f.Hook, f.Priority, []string{}, f.Legacy, f.Default, f.String()}
		for _, owner := range f.Owners {
			o.Owners = append(o.Owners, owner.Name)
		}
		out = append(out, o)
	}
	return out
}

// cutOffJSON is a connection that would be cut.
type cutOffJSON struct {
	Session string `json:"session"`
	Packet  string `json:"packet"`
	By      string `json:"by"`
}

func (v *view) json() planJSON {
	drift, _ := v.drift()
	out := planJSON{
		Version: 1, Table: tableName, Aim: v.aim.words, Empty: v.plan.Empty(), InPlace: v.plan.InPlace(), InForce: v.inForceJSON(),
		Changes: []changeJSON{}, Ports: map[string]int{}, Services: []serviceJSON{}, Zones: []zoneJSON{},
		Kernel: differencesJSON(v.plan.Differences()), Drift: differencesJSON(driftOf(drift)), Others: othersJSON(v.others), Mixed: v.mixed,
		CutOff: []cutOffJSON{}, Hidden: append([]int{}, v.hidden...),
	}
	if v.aim.rules != nil {
		out.Ruleset = v.aim.rules.Hash()
	}
	changes := v.changes()
	for _, s := range changes.services {
		out.Services = append(out.Services, serviceJSON{s.kind, s.name, append([]string{}, s.words...)})
	}
	for _, z := range changes.zones {
		out.Zones = append(out.Zones, zoneJSON{z.kind, z.name, append([]string{}, z.gains...), append([]string{}, z.loses...), append([]string{}, z.uses...)})
	}
	if changes.traffic != nil {
		traffic := changes.traffic.json()
		out.Changes, out.Ports = traffic.Changes, traffic.Ports
	}
	for _, c := range v.cut {
		out.CutOff = append(out.CutOff, cutOffJSON{c.session.String(), c.packet.Packet.String(), c.by})
	}
	return out
}

func (s *standing) inForceJSON() inForceJSON {
	left, pending := s.live.state.PendingLeft()
	out := inForceJSON{Table: s.live.state.Exists, Drift: s.drifted(), Pending: pending, PendingSeconds: max(0, left.Seconds())}
	if s.last != nil {
		out.State = s.last.Number
	}
	if _, unknown := s.drift(); unknown != nil {
		out.Unknown = unknown.Error()
	}
	if strange := s.live.means().strange; strange != nil {
		out.Strange = strange.Error()
	}
	return out
}

func differencesJSON(list []apply.Difference) []differenceInOne {
	out := []differenceInOne{}
	for _, d := range list {
		out = append(out, differenceInOne{d.Kind.String(), d.Object, d.Name, d.Detail})
	}
	return out
}
