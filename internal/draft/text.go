package draft

import (
	"fmt"
	"strconv"
	"strings"

	"portolan/internal/inventory"
	"portolan/internal/report"
	"portolan/internal/source"
)

// say writes lines of comment.
func (w *writer) say(lines ...string) {
	for _, line := range lines {
		w.WriteString(strings.TrimRight("# "+line, " ") + "\n")
	}
}

func (w *writer) gap() { w.WriteByte('\n') }

// table writes rows as comments, in columns. Beyond w.rows they are counted only.
func (w *writer) table(rows [][]string) {
	shown := rows[:min(len(rows), w.rows)]
	var widths []int
	for _, row := range shown {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], report.Width(cell))
		}
	}
	for _, row := range shown {
		line := "  "
		for i, cell := range row {
			line += cell + strings.Repeat(" ", widths[i]-report.Width(cell)+2)
		}
		w.say(line)
	}
	if more := len(rows) - len(shown); more > 0 {
		w.say(fmt.Sprintf("  and %d more: portolan inventory lists them", more))
	}
}

// A block is one block of a policy.
type block struct {
	head  string
	attrs []attr
	off   bool // stands as a comment
}

// An attr is an attribute of a block.
type attr struct {
	name, value string
	list        []string // instead of value, each in its quotes
	off         bool     // stands as a comment in the block
	note        string   // behind it
}

// maxLine is where a list is broken up, in columns.
const maxLine = 100

// line is the value of a on one line.
func (a *attr) line() string {
	if a.list == nil {
		return a.value
	}
	return "[" + strings.Join(a.list, ", ") + "]"
}

// long reports whether the value of a takes several lines.
func (a *attr) long() bool { return len(a.line()) > maxLine }

// width is where the equals sign of the attribute at i stands: below those of its neighbours
// without a long one between them. What stands as a comment moves no other.
func width(attrs []attr, i int) int {
	if attrs[i].long() {
		return 0
	}
	first, last := i, i
	for first > 0 && !attrs[first-1].long() {
		first--
	}
	for last+1 < len(attrs) && !attrs[last+1].long() {
		last++
	}
	on, off := 0, 0
	for _, a := range attrs[first : last+1] {
		if a.off {
			off = max(off, len(a.name))
		} else {
			on = max(on, len(a.name))
		}
	}
	if on == 0 {
		return off
	}
	return on
}

// block writes b in the form of "hcl fmt".
func (w *writer) block(b block) {
	begin := ""
	if b.off {
		begin = "# "
	}
	if b.off && len(b.attrs) == 1 && b.attrs[0].list == nil {
		fmt.Fprintf(w, "%s%s { %s = %s }\n", begin, b.head, b.attrs[0].name, b.attrs[0].value)
		return
	}
	fmt.Fprintf(w, "%s%s {\n", begin, b.head)
	for i, a := range b.attrs {
		mark, note := "", ""
		if a.off {
			mark = "# "
		}
		if a.note != "" {
			note = " # " + a.note
		}
		value := a.line()
		if a.long() {
			value = "[\n" + begin + "    " + strings.Join(a.list, ",\n"+begin+"    ") + ",\n" + begin + "  ]"
		}
		fmt.Fprintf(w, "%s  %s%-*s = %s%s\n", begin, mark, width(b.attrs, i), a.name, value, note)
	}
	fmt.Fprintf(w, "%s}\n", begin)
}

// maxText is the most columns of a text that is not ours.
const maxText = 120

// plain is text from configuration as it may stand in a comment: on one line, nothing
// invisible, and not too long. Of a long text the end is kept: that of a path says most.
func plain(s string) string {
	const most = 4 * maxText // bytes; more need not be looked at
	cut := len(s) > most
	if cut {
		s = s[len(s)-most:]
	}
	runes := []rune(report.Printable(s))
	if cut || len(runes) > maxText {
		runes = append([]rune("..."), runes[max(0, len(runes)-maxText):]...)
	}
	return strings.TrimSpace(string(runes))
}

// place is "file:line".
func place(s source.Span) string {
	if !s.HasLine() {
		return plain(s.Name())
	}
	return plain(s.Name()) + ":" + strconv.Itoa(s.Position().Line)
}

// name is "listener" or "listener[instance]", behind the service.
func name(c *inventory.Claim) string { return plain(c.Service) + " " + listener(c) }

func listener(c *inventory.Claim) string {
	if c.Instance != "" {
		return plain(c.Listen) + "[" + plain(c.Instance) + "]"
	}
	return plain(c.Listen)
}

// rowsOf are listeners as rows of a table.
func rowsOf(claims []*inventory.Claim, service bool) [][]string {
	bound := false
	for _, c := range claims {
		bound = bound || address(c) != ""
	}
	var rows [][]string
	for _, c := range claims {
		var row []string
		if service {
			row = append(row, plain(c.Service))
		}
		row = append(row, listener(c), ports(c))
		if bound {
			row = append(row, address(c))
		}
		rows = append(rows, append(row, plain(c.Purpose), origin(c)))
	}
	return rows
}

// peerRows are connections as rows of a table.
func peerRows(claims []*inventory.Claim, service bool) [][]string {
	var rows [][]string
	for _, c := range claims {
		var row []string
		if service {
			row = append(row, plain(c.Service))
		}
		rows = append(rows, append(row, listener(c), ports(c), plain(c.Peer), plain(c.Purpose), origin(c)))
	}
	return rows
}

func ports(c *inventory.Claim) string { return c.Ports.String() + "/" + c.Proto.String() }

// address is where c listens; "" for every address.
func address(c *inventory.Claim) string {
	if len(c.Bind) == 1 && c.Bind[0] == "*" {
		return ""
	}
	return plain(strings.Join(c.Bind, ","))
}

// origin is the place that says the port, and whether somebody wrote the number.
func origin(c *inventory.Claim) string {
	if c.Origin == inventory.Default {
		return place(c.Span) + " (default)"
	}
	return place(c.Span)
}
