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

// block writes b in the form of "hcl fmt".
func (w *writer) block(b block) {
	begin := ""
	if b.off {
		begin = "# "
	}
	width := 0
	for _, a := range b.attrs {
		if !a.off {
			width = max(width, len(a.name))
		}
	}
	if b.off && len(b.attrs) == 1 && len(b.attrs[0].list) == 0 {
		fmt.Fprintf(w, "%s%s { %s = %s }\n", begin, b.head, b.attrs[0].name, b.attrs[0].value)
		return
	}
	fmt.Fprintf(w, "%s%s {\n", begin, b.head)
	for _, a := range b.attrs {
		mark, note := "", ""
		if a.off {
			mark = "# "
		}
		if a.note != "" {
			note = " # " + a.note
		}
		value := a.value
		if a.list != nil {
			value = "[" + strings.Join(a.list, ", ") + "]"
			if len(value) > maxLine {
				value = "[\n" + begin + "    " + strings.Join(a.list, ",\n"+begin+"    ") + ",\n" + begin + "  ]"
			}
		}
		fmt.Fprintf(w, "%s  %s%-*s = %s%s\n", begin, mark, width, a.name, value, note)
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
