package conf

// parsePostfix reads master.cf as parseTable does. Args end with the program, the eighth
// column: its options, where ${name?value} is Postfix's own, say nothing about ports.
func parsePostfix(r *reader) *Node {
	root := parseTable(r)
	for _, n := range root.Children {
		n.Args = n.Args[:min(len(n.Args), 7)]
	}
	return root
}

// parseTable reads rows of columns between blanks: services(5), inetd.conf(5) and
// Postfix's master(5) (https://www.postfix.org/master.5.html). A row is a setting: Name
// is the first column, Args are the others, Value is all the others as written. Comments
// begin with "#" at the start of a line or behind a blank. A line that begins with a
// blank continues the row before it, over comments and empty lines in between; Value is
// then the lines joined by a blank. The braces of Postfix 3.0, which hold blanks
// together, are words like others.
func parseTable(r *reader) *Node {
	return Dialect{Comments: "#", Inline: "#", InlineBlank: true, Blank: true, Bare: BareEmpty, Words: true,
		Continuation: LeadingBlank}.parse(r)
}
