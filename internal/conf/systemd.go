package conf

// parseSystemd reads unit files, as systemd.syntax(7) has them
// (https://www.freedesktop.org/software/systemd/man/latest/systemd.syntax.html):
//
//   - "[Unit]" is a section of the root; a section that is written twice is two sections,
//     whose settings count together.
//   - "Key=value" is a setting. A key may occur often and makes a list then; a setting
//     with an empty value stays in the tree, because it clears what the list held so far.
//     Nothing is unquoted and no specifier ("%i") is expanded: what that means differs
//     from key to key.
//   - A line that ends in a backslash goes on in the next, the backslash becomes a blank,
//     and comment lines ("#", ";") in between are skipped. Value is the joined text, its
//     span reaches over all the lines.
//
// Drop-in folders are layers over the file, which the caller puts together.
// ".include", which older releases read, is an include.
func parseSystemd(r *reader) *Node {
	return Dialect{Comments: "#;", Delimiters: "=", Sections: true, SectionFirst: true, Continuation: BackslashBlank,
		Includes: []Include{{Keyword: ".include"}}}.parse(r)
}
