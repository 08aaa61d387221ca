package main

import (
	"io"
	"time"

	"portolan/internal/history"
	"portolan/internal/metrics"
	"portolan/internal/report"
)

// statusJSON is a status as JSON writes it. Fields are only ever added.
type statusJSON struct {
	Version  int               `json:"version"`
	Table    string            `json:"table"`
	InForce  inForceJSON       `json:"in_force"`
	State    *stateJSON        `json:"state"`  // what was applied last; null for nothing
	Change   *stateJSON        `json:"change"` // what is written down as waiting to be confirmed; null for nothing
	Drift    []differenceInOne `json:"drift"`
	Counters []counterJSON     `json:"counters"`
	History  []stateJSON       `json:"history"` // the newest first
}

// stateJSON is one state.
type stateJSON struct {
	Number       int    `json:"number"`
	Time         string `json:"time"`  // of applying, RFC 3339
	Until        string `json:"until"` // when the kernel gives it up; "" for one that stays
	By           string `json:"by"`
	ConfirmedBy  string `json:"confirmed_by"`
	Policy       string `json:"policy"`
	PolicySHA256 string `json:"policy_sha256"`
	Ruleset      string `json:"ruleset"`
	Program      string `json:"program"`
	Note         string `json:"note"`
	Error        string `json:"error"` // why it cannot be gone back to; "" when it can
}

// counterJSON is what the rules of one name have counted.
type counterJSON struct {
	Policy    bool   `json:"policy"` // a policy asked for them; otherwise every firewall has them
	Name      string `json:"name"`   // of a policy "allow: service", or the allow alone
	Direction string `json:"direction"`
	Verdict   string `json:"verdict"` // "accept", "drop" or "log"
	Packets   uint64 `json:"packets"`
	Bytes     uint64 `json:"bytes"`
}

func stateJSONOf(r *history.Record, err error) stateJSON {
	out := stateJSON{
		Number: r.Number, By: r.By, ConfirmedBy: r.ConfirmedBy, Policy: r.Policy, PolicySHA256: r.PolicySum, Ruleset: r.Ruleset, Program: r.Program, Note: r.Note,
	}
	if !r.Time.IsZero() {
		out.Time = r.Time.UTC().Format(time.RFC3339)
	}
	if r.Number == 0 && !r.Until.IsZero() {
		out.Until = r.Until.UTC().Format(time.RFC3339)
	}
	if err != nil {
		out.Error = err.Error()
	}
	return out
}

func (s *status) json() statusJSON {
	drift, _ := s.drift()
	out := statusJSON{Version: 1, Table: tableName, InForce: s.inForceJSON(), Drift: differencesJSON(driftOf(drift)), Counters: []counterJSON{}, History: []stateJSON{}}
	if s.last != nil {
		last := stateJSONOf(s.last, nil)
		out.State = &last
	}
	if c := s.list.Pending; c != nil {
		change := stateJSONOf(&c.Record, c.Err)
		out.Change = &change
	}
	for i := range s.counters {
		c := &s.counters[i]
		out.Counters = append(out.Counters, counterJSON{c.Names != nil, c.Name, c.Direction.String(), c.verdictWords(), c.Packets, c.Bytes})
	}
	for i := range s.list.Kept {
		out.History = append(out.History, stateJSONOf(&s.list.Kept[i].Record, s.list.Kept[i].Err))
	}
	return out
}

// metrics writes the status for the textfile collector of node_exporter.
func (s *status) metrics(w io.Writer) error {
	number := func(yes bool) float64 {
		if yes {
			return 1
		}
		return 0
	}
	gauge := func(name, help string, value float64) metrics.Metric {
		return metrics.Metric{Name: name, Help: help, Type: metrics.Gauge, Samples: []metrics.Sample{{Value: value}}}
	}
	left, pending := s.live.state.PendingLeft()
	drift, _ := s.drift()
	list := []metrics.Metric{
		gauge("portolan_table", "Whether the kernel has the table inet portolan.", number(s.live.state.Exists)),
		gauge("portolan_drift", "Whether the kernel is not what was applied last.", number(s.drifted())),
		gauge("portolan_drift_changes", "How many objects and elements were changed by hand since the last apply.", float64(len(drift))),
		gauge("portolan_pending", "Whether a change waits to be confirmed.", number(pending && left > 0)),
		gauge("portolan_pending_seconds", "How long a change still waits to be confirmed.", max(0, left.Seconds())),
	}
	if s.last != nil {
		list = append(list,
			gauge("portolan_state_number", "The number of the state that was applied last.", float64(s.last.Number)),
			gauge("portolan_applied_timestamp_seconds", "When the last state was applied.", float64(s.last.Time.UnixMilli())/1000),
			metrics.Metric{Name: "portolan_info", Help: "The program and the policy of the last state.", Type: metrics.Gauge, Samples: []metrics.Sample{{
				Labels: []metrics.Label{{Name: "version", Value: version}, {Name: "ruleset", Value: s.last.Ruleset}, {Name: "policy_sha256", Value: s.last.PolicySum}}, Value: 1,
			}}})
	}
	packets := metrics.Metric{Name: "portolan_packets_total", Help: "Packets that a rule accepted, dropped or logged.", Type: metrics.Counter}
	bytes := metrics.Metric{Name: "portolan_bytes_total", Help: "Bytes of the packets that a rule accepted, dropped or logged.", Type: metrics.Counter}
	for i := range s.counters {
		c := &s.counters[i]
		labels := []metrics.Label{{Name: "direction", Value: c.Direction.String()}, {Name: "verdict", Value: c.verdictWords()}}
		if c.Names != nil {
			allow, service := c.labels()
			labels = append(labels, metrics.Label{Name: "allow", Value: report.Printable(allow)}, metrics.Label{Name: "service", Value: report.Printable(service)})
		} else {
			labels = append(labels, metrics.Label{Name: "rule", Value: report.Printable(c.Name)})
		}
		packets.Samples = append(packets.Samples, metrics.Sample{Labels: labels, Value: float64(c.Packets)})
		bytes.Samples = append(bytes.Samples, metrics.Sample{Labels: labels, Value: float64(c.Bytes)})
	}
	return metrics.Write(w, append(list, packets, bytes))
}
