package main

import (
	"slices"

	"portolan/internal/diag"
	"portolan/internal/inventory"
	"portolan/internal/policy"
	"portolan/internal/ruleset"
	"portolan/lint"
)

// lockedOut are the findings that nobody could log in behind the firewall of a policy. An
// error among them keeps it from being written, unless the policy ignores the rule on
// purpose: who is logged in notices nothing until it is too late.
func lockedOut(p *policy.Policy, rules *ruleset.Ruleset, inv *inventory.Inventory, part bool) diag.List {
	list := lint.LockedOut(inv, p, rules, part)
	return slices.DeleteFunc(list, func(d diag.Diagnostic) bool {
		return slices.ContainsFunc(p.Ignores, func(i policy.Ignore) bool {
			return i.Rule.Text == d.Rule && len(i.Services) == 0 && i.Covers(d.Span.Name())
		})
	})
}
