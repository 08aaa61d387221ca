package lint

import "slices"

// OnHost reports whether the rule of that name has nothing to find on a host when it finds
// nothing there. Of rules about a policy and the firewall that it means that is not known:
// what they find depends on what is asked for.
func OnHost(name string) bool {
	return slices.ContainsFunc(Rules[:], func(r Rule) bool { return r.Name == name && r.Trouble != Firewall && r.Name != "description" })
}
