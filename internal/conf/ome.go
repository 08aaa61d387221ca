package conf

import (
	"regexp"
	"sync"
)

// parseOME reads the XML of OvenMediaEngine. In its texts ${env:NAME:default} is the value of
// a variable of the environment, and of one that is not set the default. The environment is
// not in the file: the default is taken where there is one, also an empty one as a part of
// more text. What has none stays the placeholder that it is.
//
// https://github.com/AirenSoft/OvenMediaEngine,
// 0229fcd480cd4f71ab9063b7af9aea97d7c5e994:src/projects/config/engine/data_source.cpp,
// lines 33 to 110. HOSTNAME is asked of the system.
func parseOME(r *reader) *Node {
	root := parseXML(r)
	var walk func(n *Node)
	walk = func(n *Node) {
		whole := n.Value
		n.Value = omeVariable().ReplaceAllStringFunc(whole, func(s string) string {
			if m := omeVariable().FindStringSubmatch(s); m[1] != "HOSTNAME" && (m[2] != "" || s != whole) {
				return m[2]
			}
			return s
		})
		for _, c := range n.Children {
			walk(c)
		}
	}
	walk(root)
	return root
}

var omeVariable = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\$\{env:([^}:]*):([^}]*)\}`) })
