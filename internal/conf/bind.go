package conf

import "path"

// parseBind reads named.conf and dhcpd.conf:
//
//   - "port 53;" is a setting: Name port, Args 53. The members of a list are settings of
//     one or more words: "10.0.0.1 port 54;" has the name 10.0.0.1.
//   - "listen-on port 53 { any; };" is a section: Name listen-on, Args port and 53. A list
//     within a list has no name.
//   - What stands behind a block in the same statement is a node of its own beside it:
//     "inet * port 953 allow { any; } keys { k; };" is a section inet and a section keys.
//     dhcpd.conf ends no block with ";", so a reader of both cannot tell the two apart.
//
// The ";" behind a single key may be missing, keys { k };, as in parse_server_key_kludge of
// isccfg/namedconf.c. Comments are # and // to the end of the line and /* */, also inside words. Strings
// stand in double quotes and may run over lines; \" is a quote in them. Includes are
// relative to the directory that "directory" in options names, as named changes to it
// when it reads the line, else to that of the document.
//
// BIND 9 ARM, 7 (configuration file), isc/lex.c, isccfg/parser.c; dhcpd.conf(5).
func parseBind(r *reader) *Node {
	root := &Node{Kind: Section}
	p := &blocks{parts: newParts(r), loose: "keys", dir: path.Dir(r.file.Path), rules: &tokenRules{
		marks: []string{";", "{", "}"}, ends: `;{}"`, quotes: `"`, comments: []string{"#", "//", "/*"}, glued: true,
		unescape: func(s string) string { return unescape(s, `"`, `"`, nil) },
	}}
	p.seen = func(n *Node) {
		if n.Name == "directory" && path.IsAbs(n.Value) {
			p.dir = n.Value
		}
	}
	p.file(r.file, root)
	return root
}
