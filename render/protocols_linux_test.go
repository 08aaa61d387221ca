package render

import (
	"testing"

	"portolan/internal/ruleset"
)

// TestKernelProtocolsByName: what iptables-save lists by a name of the host's protocols file
// is what the script has loaded by its number.
func TestKernelProtocolsByName(t *testing.T) {
	inNamespace(t, iptablesPrograms, func(t *testing.T) {
		rs := plainHost()
		m := ruleset.Any()
		m.Protos = ruleset.BytesOf(2, 33, 41, 47, 50, 89, 99, 112, 132, 136, 253)
		rs.Input.Rules = append(rs.Input.Rules, ruleset.Rule{Name: "tunnels", Match: m, Effect: ruleset.Effect{Verdict: ruleset.Accept}})
		for _, l := range loaders[1:2] {
			h := &scriptHost{t, l, []string{"sh"}, t.TempDir()}
			script := h.write("tunnels", rs)
			h.run(0, "loaded", script, "apply")
			h.run(0, "is what this file says", script, "check")
			if !h.isLoaded(rs) {
				t.Errorf("%s: not loaded", l.name)
			}
			h.run(0, "unloaded", script, "remove")
		}
	})
}
