package lint

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"portolan/internal/diag"
	"portolan/internal/inventory"
	"portolan/internal/policy"
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
	if f := p.firewall; f == nil || len(f.Allows) == 0 { // an empty policy is a finding of its own
		return
	}
	for _, d := range p.lockedOut() {
		p.report(d)
	}
	if outside, _, _ := p.wayIn(); len(outside) > 0 {
		p.sharedLimit(outside)
	}
}

// LockedOut are the findings of lockout-risk that a firewall should not be written with: an
// error when nobody can log in any more, a warning where that is likely. An empty policy is
// one of them. Part is as in Options.
func LockedOut(inv *inventory.Inventory, p *policy.Policy, rs *ruleset.Ruleset, part bool) diag.List {
	pass := newPass(inv, nil, Options{Part: part})
	claims, _ := pass.sshClaims()
	pass.firewall = newFirewall(p, rs, func(m *ruleset.Match) bool {
		for _, c := range claims {
			if m.Protos.Has(uint8(c.Proto)) && m.Ports.Overlaps(port.Of(c.Ports)) {
				return true
			}
		}
		return false
	})
	pass.rule = &Rules[slices.IndexFunc(Rules[:], func(r Rule) bool { return r.Name == "lockout-risk" })]
	for _, d := range pass.lockedOut() {
		pass.report(d)
	}
	return pass.found
}

// wayIn are the doors by which somebody can come to SSH, those that are open to addresses
// from which no packet comes alone, and those of which a deny takes everything.
func (p *Pass) wayIn() (outside, nowhereOnly, denied []*door) {
	claims, _ := p.sshClaims()
	for _, c := range claims {
		doors, ok := p.firewall.near(c.Proto, c.Ports)
		if !ok {
			return nil, nil, nil
		}
		for _, d := range doors {
			if !d.opens() || p.firewall.from[d.from].Intersect(heard(c)).IsEmpty() {
				continue
			}
			switch from, ok := p.firewall.arrivals(d, c); {
			case !ok:
			case from.IsEmpty():
				denied = append(denied, d)
			case from.Minus(nowhere()).IsEmpty():
				nowhereOnly = append(nowhereOnly, d)
			default:
				outside = append(outside, d)
			}
		}
	}
	return outside, nowhereOnly, denied
}

// lockedOut are the findings that nobody can log in.
func (p *Pass) lockedOut() diag.List {
	f := p.firewall
	if f.Defaults.Input != ruleset.Drop || p.Inventory.OS == "windows" {
		return nil
	}
	claims, known := p.sshClaims()
	outside, nowhereOnly, denied := p.wayIn()
	switch {
	case len(claims) == 0 || len(outside) > 0 || f.budget < 0 || f.atlas[port.TCP] == nil:
		return nil
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
		if slices.ContainsFunc(nowhereOnly, func(d *door) bool { return !f.from[d.from].Intersect(laboratory()).IsEmpty() }) {
			found.Severity = diag.Warning
			found.Message = fmt.Sprintf("nobody may be able to log in: allow %q opens %s to documentation or link-local addresses alone", a.Name.Text, sshWords(claims))
		}
		return diag.List{found}
	case len(denied) > 0 && denied[0].allow >= 0:
		a := &f.Allows[denied[0].allow]
		found := lockedOut(claims, known)
		found.Message = fmt.Sprintf("nobody can log in: denies above allow %q take from it all that it opens of %s", a.Name.Text, sshWords(claims))
		found.Span = a.Name.Span
		found.Related = append(found.Related, f.closing(claims)...)
		found.Help = "put the allow above them, for the networks from which you log in"
		return diag.List{found}
	default:
		if !known && p.elsewhere() {
			return nil
		}
		found := lockedOut(claims, known)
		found.Message = "nobody can log in: no allow opens " + sshWords(claims)
		found.Span = f.File.Span(0, 0)
		found.Help = `open it in an allow with service = "sshd", from the networks from which you log in`
		if !known {
			found.Help = `open it in an allow with service = "sshd" and otherwise = ["22/tcp"], or open the port that it has`
		}
		return diag.List{found}
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

// sharedLimit finds SSH that everybody may reach behind one limit for all, of packets or of
// connections: whoever tries passwords uses it up, and no place is left for those who may
// come in.
func (p *Pass) sharedLimit(doors []*door) {
	f := p.firewall
	for _, d := range doors {
		if d.allow < 0 || sharedBound(&f.Allows[d.allow]).IsZero() {
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
		span := sharedBound(a)
		what := "limit"
		if span != a.Limit.Span {
			what = "connections"
		}
		text := strings.TrimSpace(span.Text())
		p.report(diag.Diagnostic{
			Severity: diag.Warning,
			Message:  fmt.Sprintf("strangers can use up the %s of allow %q, and then nobody can log in", what, a.Name.Text),
			Span:     span,
			Label:    text + " for all sources together",
			Help:     "write " + strconv.Quote(text+" per source") + ", or add an allow without a limit for the networks from which you log in",
			Fixes: []diag.Fix{{Title: "count the limit for each source", Safety: diag.Unsafe,
				Edits: []diag.Edit{{Span: source.Span{File: span.File, Start: span.End, End: span.End}, New: " per source"}}}},
		})
	}
}

// sharedBound is the text of a limit, or else of a number of connections, that all sources
// share; no place where each source has its own.
func sharedBound(a *policy.Allow) source.Span {
	switch {
	case a.Limit.Rate.Count > 0 && !a.Limit.PerSource:
		return a.Limit.Span
	case a.Connections.Count > 0 && !a.Connections.PerSource:
		return a.Connections.Span
	}
	return source.Span{}
}
