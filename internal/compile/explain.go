package compile

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"portolan/internal/diag"
	"portolan/internal/inventory"
	"portolan/internal/policy"
	"portolan/internal/source"
)

// opensNothing is the name under which this package reports.
const opensNothing = "allow-opens-nothing"

// explain says which part of an allow for services opens nothing, and why. That is not
// an error: one policy may serve hosts of which not every one runs everything.
func (b *builder) explain(a *policy.Allow, claims []*inventory.Claim, pick func(*inventory.Claim) bool, opened bool) {
	const example = `otherwise = ["22/tcp", "5000-5100/udp"]`
	service := a.Service.Text
	if service != "" && len(claims) == 0 {
		if len(a.Otherwise) > 0 {
			return // that is what it is for
		}
		if !slices.Contains(b.inv.Found, service) {
			b.warn(a.Service.Span, nil, "if it runs here all the same, say which ports to open, as in "+example,
				"allow %q opens nothing: no file of %s was found", a.Name.Text, service)
			return
		}
		b.warn(a.Service.Span, b.halfRead(service), "say which ports to open, as in "+example,
			"allow %q opens nothing: no port on which %s listens is known", a.Name.Text, service)
		return
	}
	for _, w := range a.Listen {
		if !slices.ContainsFunc(claims, func(c *inventory.Claim) bool { return c.Listen == w.Text }) {
			b.warn(w.Span, b.halfRead(service), "leave it out if it is switched off",
				"allow %q opens nothing for %s: no such port of %s is known", a.Name.Text, w.Text, service)
		}
	}
	if opened {
		return
	}
	place := a.Name.Span
	if service != "" {
		place = a.Service.Span
	}
	if slices.ContainsFunc(claims, pick) {
		b.warn(place, nil, "add addresses of the other family to a zone of its from",
			"allow %q opens nothing: the sockets are of one address family and the sources of the other", a.Name.Text)
		return
	}
	others := slices.DeleteFunc(slices.Clone(claims), func(c *inventory.Claim) bool {
		return c.OnLoopback() || c.Exposure == inventory.Loopback
	})
	switch {
	case len(a.Listen) > 0: // said above, word by word
	case service == "":
		b.warn(place, nil, "", "allow %q opens nothing: no %s listener was found that others can reach", a.Name.Text, exposures(a))
	case len(others) == 0:
		b.warn(place, nil, "", "allow %q opens nothing: every listener of %s is for this host alone", a.Name.Text, service)
	default:
		b.warn(place, nil, "name the listeners: "+listing(others),
			"allow %q opens nothing: %s has no %s listener that others can reach", a.Name.Text, service, exposures(a))
	}
}

func (b *builder) warn(at source.Span, notes []string, help, msg string, args ...any) {
	b.list = append(b.list, diag.Diagnostic{
		Rule: opensNothing, Severity: diag.Warning, Span: at,
		Message: fmt.Sprintf(msg, args...), Notes: notes, Help: help,
	})
}

// halfRead are notes about the files of a service that were not understood.
func (b *builder) halfRead(service string) []string {
	var notes []string
	for _, f := range b.inv.Files {
		if f.Service == service && f.Status != inventory.Whole {
			notes = append(notes, fmt.Sprintf("%s is %s: not every port in it is known", f.Name, f.Status))
		}
	}
	return notes
}

// exposures are the classes that an allow asks for, "public or admin".
func exposures(a *policy.Allow) string {
	if len(a.Exposure) == 0 {
		return string(inventory.Public)
	}
	var words []string
	for _, w := range a.Exposure {
		words = append(words, w.Text)
	}
	return strings.Join(words, " or ")
}

// listing is how an allow names all listeners of the claims.
func listing(claims []*inventory.Claim) string {
	var names []string
	for _, c := range claims {
		if name := strconv.Quote(c.Listen); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return "listen = [" + strings.Join(names, ", ") + "]"
}
