package lint

import (
	"fmt"
	"slices"
	"strconv"

	"portolan/internal/diag"
	"portolan/internal/inventory"
	"portolan/internal/port"
	"portolan/internal/ruleset"
	"portolan/internal/source"
)

// ssh is the service by which people come to a host.
const ssh = "sshd"

// lockoutRisk finds policies behind which nobody can log in any more. Who is logged in
// notices nothing: what is established stays. Windows is left out: rules of other groups,
// that of Remote Desktop among them, hold beside ours.
func lockoutRisk(p *Pass) {
	f := p.firewall
	if f == nil || f.Defaults.Input != ruleset.Drop || len(f.Allows) == 0 || p.Inventory.OS == "windows" {
		return // an empty policy is a finding of its own
	}
	claims, known := p.sshClaims()
	var outside, nowhereOnly []*door
	for _, c := range claims {
		doors, ok := f.near(c.Proto, c.Ports)
		if !ok {
			return
		}
		for _, d := range doors {
			if from := f.from[d.from].Intersect(heard(c)); from.IsEmpty() {
				continue
			} else if from.Minus(nowhere).IsEmpty() {
				nowhereOnly = append(nowhereOnly, d)
			} else {
				outside = append(outside, d)
			}
		}
	}
	switch {
	case len(claims) == 0:
	case len(outside) > 0:
		p.sharedLimit(outside)
	case len(nowhereOnly) > 0:
		d := nowhereOnly[0]
		a := &f.Allows[d.allow]
		found := lockedOut(claims, known)
		found.Message = fmt.Sprintf("nobody can log in: allow %q opens %s to addresses from which no packet comes", a.Name.Text, sshWords(claims))
		found.Span = a.Name.Span
		for i, ref := range a.From {
			if i == 0 {
				found.Span = ref.Span
			}
			if zone := f.zone(ref.Text); zone != nil {
				found.Related = append(found.Related, diag.Related{Span: zone.Name.Span, Message: "loopback, link-local, multicast or documentation addresses"})
			}
		}
		found.Help = "write the networks from which you log in into the zone"
		p.report(found)
	default:
		if !known && p.elsewhere() {
			return
		}
		found := lockedOut(claims, known)
		found.Message = "nobody can log in: no allow opens " + sshWords(claims)
		found.Span = f.File.Span(0, 0)
		found.Help = `open it in an allow with service = "sshd", from the networks from which you log in`
		if !known {
			found.Help = `open it in an allow with service = "sshd" and otherwise = ["22/tcp"], or open the port that it has`
		}
		p.report(found)
	}
}

// sshClaims are the listeners of SSH that a network can reach, and whether they are known.
// They are port 22 where no configuration of it was found on a whole host, and none where
// it is not known on what it listens.
func (p *Pass) sshClaims() (claims []*inventory.Claim, known bool) {
	for _, c := range p.listeners {
		if c.Service == ssh && c.Ports.Len() > 0 {
			known = true
			if !c.OnLoopback() {
				claims = append(claims, c)
			}
		}
	}
	if known || p.options.Part || slices.Contains(p.Inventory.Found, ssh) {
		return claims, known
	}
	return []*inventory.Claim{{Service: ssh, Proto: port.TCP, Ports: port.Single(22), Bind: []string{"*"}}}, false
}

// elsewhere reports whether the policy may open an SSH server of which nothing is known: it
// names the service, which is then said to open nothing, or opens a port of which nobody
// knows what listens there.
func (p *Pass) elsewhere() bool {
	f := p.firewall
	for i := range f.Allows {
		a := &f.Allows[i]
		if a.Service.Text == ssh {
			return true
		}
		for _, w := range a.Ports {
			if w.Proto == port.TCP && !slices.ContainsFunc(p.listeners, func(c *inventory.Claim) bool {
				return c.Proto == port.TCP && c.Ports.Overlaps(w.Ports)
			}) {
				return true
			}
		}
	}
	return false
}

// sshWords names the ports, "SSH 22/tcp".
func sshWords(claims []*inventory.Claim) string {
	var ports []port.Range
	for _, c := range claims {
		ports = append(ports, c.Ports)
	}
	return "SSH " + few(port.Of(ports...)) + "/tcp"
}

// lockedOut begins a finding.
func lockedOut(claims []*inventory.Claim, known bool) diag.Diagnostic {
	d := diag.Diagnostic{Notes: []string{"sessions that exist stay, so that this shows at the next login"}}
	if !known {
		d.Severity = diag.Warning // it may have no SSH at all
		d.Notes = append(d.Notes, "no configuration of sshd was found, so that port 22 is supposed")
		return d
	}
	for i, c := range claims {
		if i < maxPartners {
			d.Related = append(d.Related, diag.Related{Span: c.Span, Message: label(c, subject(c))})
		}
	}
	return d
}

// sharedLimit finds SSH that everybody may reach behind one limit for all: whoever tries
// passwords uses it up, and no place is left for those who may come in.
func (p *Pass) sharedLimit(doors []*door) {
	f := p.firewall
	for _, d := range doors {
		if d.allow < 0 || !d.limited() || d.Effect.Limit.PerSource {
			return // somebody gets in another way
		}
	}
	var seen []int
	for _, d := range doors {
		if slices.Contains(seen, d.allow) || !isPublic(f.from[d.from]) {
			continue
		}
		seen = append(seen, d.allow)
		a := &f.Allows[d.allow]
		p.report(diag.Diagnostic{
			Severity: diag.Warning,
			Message:  fmt.Sprintf("strangers can use up the limit of allow %q, and then nobody can log in", a.Name.Text),
			Span:     a.Limit.Span,
			Label:    a.Limit.Rate.String() + " for all sources together",
			Help:     "write " + strconv.Quote(a.Limit.Rate.String()+" per source") + ", or add an allow without a limit for the networks from which you log in",
			Fixes: []diag.Fix{{Title: "count the limit for each source", Safety: diag.Unsafe,
				Edits: []diag.Edit{{Span: source.Span{File: a.Limit.Span.File, Start: a.Limit.Span.End, End: a.Limit.Span.End}, New: " per source"}}}},
		})
	}
}
