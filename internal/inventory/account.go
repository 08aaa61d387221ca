package inventory

import (
	"path"
	"slices"
	"strings"

	"portolan/internal/catalog"
	"portolan/internal/conf"
	"portolan/internal/source"
)

// accountOf is who a unit of one of these names starts its program as, when that is not root
// and does not get the right to bind privileged ports by the way (systemd.exec(5)). It is the
// zero value where something else may give that right, or nothing is known.
func accountOf(tree *source.Tree, names []string) Account {
	for _, name := range names {
		for _, dir := range catalog.UnitDirs {
			at := path.Join(dir, name)[1:]
			if _, err := tree.Stat(at); err != nil && !isLink(tree, at) {
				continue
			}
			if masked(tree, at) || activated(tree, name) {
				return Account{}
			}
			return readAccount(tree, at, name)
		}
	}
	return Account{}
}

// activated reports whether systemd may bind the ports itself and pass them on: the socket
// unit has the name of the service.
func activated(tree *source.Tree, unit string) bool {
	socket := strings.TrimSuffix(unit, ".service") + ".socket"
	return slices.ContainsFunc(catalog.UnitDirs[:], func(dir string) bool {
		_, err := tree.Stat(path.Join(dir, socket)[1:])
		return err == nil
	})
}

// Programs that may give their child the right, or that start it somewhere else.
var starters = [...]string{"authbind", "capsh", "docker", "podman", "runuser", "setpriv", "su", "sudo"}

// readAccount reads a unit with its drop-ins: of most settings the last one counts, and an
// empty one takes back what was said before.
func readAccount(tree *source.Tree, file, unit string) Account {
	var a Account
	dynamic := source.Span{}
	var capabilities []string
	for _, name := range append([]string{file}, dropIns(tree, file)...) {
		f, err := tree.Read(name)
		if err != nil {
			return Account{}
		}
		doc, _, err := conf.Parse("systemd", f, nil)
		if err != nil {
			return Account{}
		}
		for _, n := range below(doc.Root, "Service") {
			switch n.Name {
			case "User":
				a = Account{Name: n.Value, Unit: unit, Span: n.ValueSpan}
			case "DynamicUser":
				dynamic = source.Span{}
				if slices.Contains([]string{"1", "yes", "true", "on", "y", "t"}, strings.ToLower(n.Value)) {
					dynamic = n.ValueSpan
				}
			case "AmbientCapabilities":
				capabilities = append(capabilities, strings.Fields(n.Value)...)
				if n.Value == "" {
					capabilities = nil
				}
			case "Sockets":
				return Account{}
			default:
				if strings.HasPrefix(n.Name, "Exec") && givesRight(n) {
					return Account{}
				}
			}
		}
	}
	if a.Name == "" && dynamic.File != nil {
		a = Account{Name: strings.TrimSuffix(unit, ".service"), Unit: unit, Span: dynamic}
	}
	if a.Name == "" || a.Name == "root" || a.Name == "0" || strings.ContainsAny(a.Name, "%$") || slices.ContainsFunc(capabilities, binds) {
		return Account{}
	}
	return a
}

// binds reports whether a word of AmbientCapabilities may give the right: by its name, or by
// leaving out others.
func binds(capability string) bool {
	return strings.EqualFold(capability, "CAP_NET_BIND_SERVICE") || strings.HasPrefix(capability, "~")
}

// givesRight reports whether a command line may run with more than the account has: a prefix
// says so, or a program on it.
func givesRight(n *conf.Node) bool {
	command := strings.TrimLeft(n.Value, " \t")
	rest := strings.TrimLeft(command, "@-:+!|")
	program := ""
	if words := strings.Fields(rest); len(words) > 0 {
		program = path.Base(words[0])
	}
	started := n.Name == "ExecStart" && (strings.ContainsAny(command[:len(command)-len(rest)], "+!") || slices.Contains(starters[:], program))
	return started || strings.Contains(n.Value, "setcap")
}
