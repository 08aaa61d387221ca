package verify

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"portolan/internal/addr"
	"portolan/internal/ruleset"
	"portolan/internal/source"
)

// ParseNftables reads an nftables text of ours into the ruleset that the kernel has after
// loading it: the script, the snippet, or what "nft list table inet portolan" and "nft list
// ruleset" print.
//
// A script is read so that its meaning does not depend on what the table held before: what
// it fills it must have emptied, and of the base chains that an older text may have left each
// must be filled or deleted. A text that is nothing but tables, of which ours is one and
// stands there once, is a listing: it is all that the kernel has, and the other tables are
// skipped, because each table decides for itself. In every other text a word that is not
// known is an error, which names the line and shows it.
func ParseNftables(f *source.File) (*ruleset.Ruleset, error) {
	p := &nftParser{table: newNftTable(f), tokens: nftTokens(f)}
	for l := range lines(f) {
		// From a pipe, some versions of nft read up to the first one.
		if strings.IndexByte(l.text, 0) >= 0 {
			return nil, l.errorf("a zero byte, where nft may take the text to end")
		}
		p.lines = append(p.lines, l)
	}
	// Also where another table is skipped: what is a string to nft is not one to us there.
	for _, t := range p.tokens {
		if t.kind == '!' && t.text == openString {
			return nil, p.errorf(t, "%s in this line", openString)
		}
	}
	p.listing = !strings.HasPrefix(string(f.Text), "#!") && p.onlyTables()
	p.fresh = p.listing
	if err := p.text(); err != nil {
		return nil, err
	}
	if !p.fresh {
		for _, name := range slices.Sorted(maps.Keys(nftBases)) {
			if !p.handled[name] {
				return nil, unfinished(f, "chain "+name+" is filled or deleted, and an older text may have left it")
			}
		}
	}
	return p.table.ruleset()
}

// An nftToken is a word, a string without its quotes, or one of { } , = : ; where a line
// break is a ';' too. Of others, kind is '!'.
type nftToken struct {
	kind byte // 'w', 's', 0 at the end, or the character
	text string
	line int32 // index into the lines
}

// openString stands for the quote of a string that does not end in its line. nft goes on in
// the next one.
const openString = "a string that is not closed"

// nftTokens cuts a text as nft does. Comments are left out.
func nftTokens(f *source.File) []nftToken {
	text := string(f.Text)
	out := make([]nftToken, 0, len(text)/6)
	var line int32
	for i := 0; i < len(text); {
		switch c := text[i]; c {
		case ' ', '\t':
			i++
		case '\n':
			out = append(out, nftToken{';', "end of line", line})
			line++
			i++
		case '{', '}', ',', '=', ';':
			out = append(out, nftToken{c, text[i : i+1], line})
			i++
		case '#':
			for i < len(text) && text[i] != '\n' {
				i++
			}
		case '"':
			// A string knows no escape. Ours are in one line.
			end := strings.IndexAny(text[i+1:], "\"\n")
			if end < 0 || text[i+1+end] == '\n' {
				out = append(out, nftToken{'!', openString, line})
				i++
				continue
			}
			kind, s := byte('s'), text[i+1:i+1+end]
			if strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c > '~' }) {
				kind = '!'
			}
			out = append(out, nftToken{kind, s, line})
			i += end + 2
		default:
			start := i
			for i < len(text) && text[i] > ' ' && text[i] <= '~' && strings.IndexByte("{},=;#\"", text[i]) < 0 {
				i++
			}
			switch word := text[start:i]; {
			case start == i:
				i++
				out = append(out, nftToken{'!', "a character that is not printable ASCII", line})
			case word == ":":
				out = append(out, nftToken{':', word, line})
			default:
				out = append(out, nftToken{'w', word, line})
			}
		}
	}
	return append(out, nftToken{0, "end of the text", max(line, 0)})
}

// nftParser reads tokens into a table.
type nftParser struct {
	table   *nftTable
	tokens  []nftToken // the last one is the end
	at      int
	lines   []line
	listing bool
	fresh   bool // what is new has no older content
	rules   int
	handled map[string]bool // base chains of which no older content is left
}

// onlyTables reports whether the text is tables in braces and nothing else, with one that is
// ours.
func (p *nftParser) onlyTables() bool {
	depth, ours := 0, 0
	var command []nftToken
	for _, t := range p.tokens {
		switch t.kind {
		case '{':
			if depth == 0 {
				if len(command) != 3 || command[0].text != "table" || command[0].kind != 'w' {
					return false
				}
				if command[1].text == "inet" && command[2].text == "portolan" {
					ours++
				}
				command = nil
			}
			depth++
		case '}':
			depth--
			if depth < 0 {
				return false
			}
		case ';', 0:
			if depth == 0 && len(command) > 0 {
				return false
			}
		default:
			if depth == 0 {
				command = append(command, t)
			}
		}
	}
	return depth == 0 && ours == 1
}

func (p *nftParser) peek() nftToken { return p.tokens[p.at] }

// next is the next token. The end stays.
func (p *nftParser) next() nftToken {
	t := p.tokens[p.at]
	if t.kind != 0 {
		p.at++
	}
	return t
}

// breaks skips line breaks and semicolons.
func (p *nftParser) breaks() {
	for p.peek().kind == ';' {
		p.at++
	}
}

func (p *nftParser) lineOf(t nftToken) line {
	if int(t.line) < len(p.lines) {
		return p.lines[t.line]
	}
	if n := len(p.lines); n > 0 {
		return p.lines[n-1]
	}
	return line{file: p.table.file, number: 1}
}

func (p *nftParser) errorf(t nftToken, format string, args ...any) error {
	return p.lineOf(t).errorf(format, args...)
}

// unknown says that a token is not what can stand there.
func (p *nftParser) unknown(t nftToken, want string) error {
	return p.errorf(t, "%s, not %q,", want, t.text)
}

// word takes a word.
func (p *nftParser) word(want string) (string, error) {
	t := p.next()
	if t.kind != 'w' {
		return "", p.unknown(t, want+" must stand here")
	}
	return t.text, nil
}

// expect takes the given words and characters.
func (p *nftParser) expect(texts ...string) error {
	for _, text := range texts {
		if t := p.next(); t.text != text || t.kind == 's' || t.kind == '!' {
			return p.unknown(t, text+" must stand here")
		}
	}
	return nil
}

// accept takes a word when it is the given one.
func (p *nftParser) accept(text string) bool {
	if t := p.peek(); t.kind == 'w' && t.text == text {
		p.at++
		return true
	}
	return false
}

// end takes the end of a statement: a break, or the brace that closes its block, which stays.
func (p *nftParser) end() error {
	switch t := p.peek(); t.kind {
	case ';':
		p.breaks()
		return nil
	case '}', 0:
		return nil
	default:
		return p.unknown(t, "a statement must end here")
	}
}

func (p *nftParser) number(what string, most int) (int, error) {
	t := p.next()
	n, ok := parseNumber(t.text, most)
	if t.kind != 'w' || !ok {
		return 0, p.unknown(t, what+" must stand here")
	}
	return n, nil
}

// text reads commands.
func (p *nftParser) text() error {
	p.handled = map[string]bool{}
	for {
		p.breaks()
		t := p.next()
		if t.kind == 0 {
			return nil
		}
		if t.kind != 'w' {
			return p.unknown(t, "a command must stand here")
		}
		var err error
		switch t.text {
		case "table":
			err = p.tableCommand()
		case "add":
			err = p.addCommand()
		case "flush":
			err = p.flushCommand(t)
		case "delete":
			err = p.deleteCommand(t)
		default:
			err = p.errorf(t, "%q is not a command that we write", t.text)
		}
		if err == nil {
			err = p.end()
		}
		if err != nil {
			return err
		}
		if t := p.peek(); t.kind == '}' {
			return p.errorf(t, "a brace that closes nothing")
		}
	}
}

// nftDirectives are words of the language that can stand between the braces of a table and
// are about the whole text.
var nftDirectives = []string{"include", "define", "redefine", "undefine"}

func (p *nftParser) tableCommand() error {
	family, name := p.next(), p.next()
	if family.text != "inet" || name.text != "portolan" || family.kind != 'w' || name.kind != 'w' {
		if !p.listing {
			return p.errorf(family, "a table that is not ours")
		}
		for depth := 0; ; {
			t := p.next()
			if t.kind == 'w' && slices.Contains(nftDirectives, t.text) {
				return p.errorf(t, "%q is not what nft lists, and can change what the whole text says", t.text)
			}
			switch t.kind {
			case '{':
				depth++
			case '}':
				if depth--; depth == 0 {
					return nil
				}
			case 0:
				return unfinished(p.table.file, "a table is closed")
			}
		}
	}
	if p.peek().kind != '{' {
		return nil
	}
	p.next()
	for {
		p.breaks()
		t := p.next()
		if t.kind == '}' {
			return nil
		}
		if t.kind == 0 {
			return unfinished(p.table.file, "a block is closed")
		}
		name, err := p.name()
		if err != nil {
			return err
		}
		switch {
		case t.kind != 'w':
			err = p.unknown(t, "a set, map, limit or chain must stand here")
		case t.text == "set":
			err = p.set(name, t)
		case t.text == "map":
			err = p.vmap(name, t)
		case t.text == "limit":
			err = p.limit(name, t)
		case t.text == "chain":
			err = p.chain(name, t)
		default:
			err = p.errorf(t, "%q is not a set, map, limit or chain", t.text)
		}
		if err == nil {
			err = p.end()
		}
		if err != nil {
			return err
		}
	}
}

// name takes the name of an object of ours.
func (p *nftParser) name() (string, error) {
	t := p.next()
	if t.kind != 'w' || !nftName(t.text) {
		return "", p.unknown(t, "a name of a-z, 0-9 and _, perhaps with a version such as .2, must stand here")
	}
	return t.text, nil
}

// addCommand reads "add set inet portolan NAME { ... }".
func (p *nftParser) addCommand() error {
	kind := p.next()
	if err := p.expect("inet", "portolan"); err != nil {
		return err
	}
	name, err := p.name()
	switch {
	case err != nil:
		return err
	case kind.kind == 'w' && kind.text == "set":
		return p.set(name, kind)
	case kind.kind == 'w' && kind.text == "map":
		return p.vmap(name, kind)
	}
	return p.errorf(kind, "%q is not a set or a map", kind.text)
}

func (p *nftParser) flushCommand(at nftToken) error {
	kind := p.next()
	if err := p.expect("inet", "portolan"); err != nil {
		return err
	}
	name, err := p.name()
	if err != nil {
		return err
	}
	t := p.table
	switch s, m, c := t.sets[name], t.maps[name], t.chains[name]; {
	case kind.text == "set" && s != nil:
		s.elements, s.fresh = nil, true
	case kind.text == "map" && m != nil:
		m.elements, m.fresh = nil, true
	case kind.text == "chain" && c != nil:
		c.rules, c.fresh = nil, true
		p.handled[name] = true
	default:
		return p.errorf(at, "there is nothing declared to flush")
	}
	return nil
}

func (p *nftParser) deleteCommand(at nftToken) error {
	kind := p.next()
	if err := p.expect("inet", "portolan"); err != nil {
		return err
	}
	if kind.text == "table" && kind.kind == 'w' {
		// The table must be there to be deleted, so it was declared before.
		p.table, p.fresh, p.handled = newNftTable(p.table.file), true, map[string]bool{}
		return nil
	}
	name, err := p.name()
	if err != nil {
		return err
	}
	c := p.table.chains[name]
	// On its way out it has no rule and decides by its policy.
	if kind.text != "chain" || kind.kind != 'w' || c == nil || c.policy != ruleset.Accept || !c.fresh || len(c.rules) > 0 {
		return p.errorf(at, "what is deleted must be a base chain that is declared, accepts, and is empty")
	}
	delete(p.table.chains, name)
	p.handled[name] = true
	return nil
}

// open takes the brace that opens a block.
func (p *nftParser) open() error { return p.expect("{") }

// nftFamily is 4 or 6 for a type of addresses, 0 for another.
func nftFamily(name string) int {
	return map[string]int{"ipv4_addr": 4, "ipv6_addr": 6}[name]
}

// nftHead is what the lines that define a set or a map say.
type nftHead struct {
	key, value string // types
	kind       nftKind
	counter    bool
	seen       []string // the lines
}

// head reads one line that defines a set or a map, into h. It tells whether it was one.
func (p *nftParser) head(h *nftHead, t nftToken) (bool, error) {
	if t.kind == 'w' && slices.Contains(h.seen, t.text) {
		return true, p.errorf(t, "%s is there twice", t.text)
	}
	h.seen = append(h.seen, t.text)
	var err error
	switch t.text {
	case "type":
		if h.key, err = p.word("a type"); err == nil && p.peek().kind == ':' {
			p.next()
			h.value, err = p.word("a type")
		}
		h.kind.family = nftFamily(h.key)
	case "flags":
		for {
			flag, err := p.word("a flag")
			if err != nil {
				return true, err
			}
			if err := h.kind.flag(flag); err != nil {
				return true, p.errorf(t, "%v", err)
			}
			if p.peek().kind != ',' {
				break
			}
			p.next()
		}
	case "size":
		h.kind.size, err = p.number("a number of elements", 1<<30)
	case "timeout":
		word := p.next()
		var ok bool
		if h.kind.seconds, ok = nftSeconds(word.text); !ok || word.kind != 'w' {
			return true, p.unknown(word, "a time such as 1m30s must stand here")
		}
	case "counter":
		h.counter = true
	default:
		return false, nil
	}
	return true, err
}

// flag sets one flag of a set.
func (k *nftKind) flag(name string) error {
	switch name {
	case "interval":
		k.interval = true
	case "dynamic":
		k.dynamic = true
	case "timeout":
		k.timeout = true
	default:
		return wrong("%q is not a flag that we write", name)
	}
	return nil
}

// nftSeconds reads "1d2h3m4s". A part of a second is left out.
func nftSeconds(text string) (int, bool) {
	total, ok := 0, text != ""
	for text != "" {
		digits := len(text) - len(strings.TrimLeft(text, "0123456789"))
		n, err := strconv.Atoi(text[:digits])
		if err != nil || n > 1<<31 {
			return 0, false
		}
		text = text[digits:]
		unit := strings.TrimLeft(text, "dhms")
		switch text[:len(text)-len(unit)] {
		case "s":
			total += n
		case "m":
			total += n * 60
		case "h":
			total += n * 3600
		case "d":
			total += n * 86400
		case "ms":
		default:
			return 0, false
		}
		text = unit
	}
	return total, ok
}

// set reads the block of a set.
func (p *nftParser) set(name string, at nftToken) error {
	if nftLogical(name) == nftPending {
		return p.errorf(at, "%v", waits())
	}
	if err := p.open(); err != nil {
		return err
	}
	old := p.table.sets[name]
	s := old
	if s == nil {
		s = &nftSet{name: name, fresh: p.fresh}
		p.table.sets[name] = s
	}
	var h nftHead
	var filled *nftToken
	var elements []addr.Range
	for {
		p.breaks()
		t := p.next()
		if t.kind == '}' {
			break
		}
		isHead, err := p.head(&h, t)
		switch {
		case err != nil:
			return err
		case t.kind != 'w' || !isHead && t.text != "elements" || t.text == "counter":
			return p.unknown(t, "a line of a set must stand here")
		case isHead && filled != nil:
			return p.errorf(t, "%s must stand before the elements, which are read by it", t.text)
		case !isHead:
			filled = &t
			err = p.elements(func(t nftToken) error {
				r, err := p.element(s, &h, t)
				if h.kind.interval {
					elements = append(elements, r)
				}
				return err
			})
		}
		if err == nil {
			err = p.end()
		}
		if err != nil {
			return err
		}
	}
	switch {
	case h.value != "" || h.kind.family == 0 || h.kind.interval == h.kind.dynamic:
		return p.errorf(at, "set %s is of a kind that is not known", name)
	case old != nil && s.kind != h.kind:
		return p.errorf(at, "set %s is defined otherwise before", name)
	case filled != nil && !s.fresh:
		return p.errorf(*filled, "set %s may have older elements: it was not flushed", name)
	}
	s.kind = h.kind
	return s.add(elements, p.lineOf(at))
}

// elements reads "= { ... }" and calls one for each element, with its first token.
func (p *nftParser) elements(one func(nftToken) error) error {
	if err := p.expect("=", "{"); err != nil {
		return err
	}
	for {
		p.lineBreak()
		t := p.next()
		if t.kind == '}' {
			return nil
		}
		if t.kind != 'w' {
			return p.unknown(t, "an element must stand here")
		}
		if err := one(t); err != nil {
			return err
		}
		p.lineBreak()
		switch t := p.next(); t.kind {
		case '}':
			return nil
		case ',':
		default:
			return p.unknown(t, "a comma or a brace must stand here")
		}
	}
}

// lineBreak skips one line break in a list, where nft takes no second one and no semicolon.
func (p *nftParser) lineBreak() {
	if t := p.peek(); t.kind == ';' && t.text != ";" {
		p.at++
	}
}

// dashed is the text of an item, of which the dash may stand between blanks.
func (p *nftParser) dashed(t nftToken) string {
	if next := p.peek(); next.kind == 'w' && next.text == "-" {
		p.next()
		last := p.next()
		if last.kind != 'w' {
			return t.text + "-"
		}
		return t.text + "-" + last.text
	}
	return t.text
}

// element reads an element of a set: an address, or one that is counted. What has been
// counted has no meaning, but the numbers counted to must be those of the set.
func (p *nftParser) element(s *nftSet, h *nftHead, t nftToken) (addr.Range, error) {
	r, ok := parseSource(p.dashed(t), h.kind.family)
	if !ok || h.kind.family == 0 {
		return r, p.errorf(t, "not an element of set %s", s.name)
	}
	if h.kind.interval {
		return r, nil
	}
	counts := false
	for p.peek().kind == 'w' {
		word := p.next()
		counts = counts || word.text == "ct" || word.text == "limit"
		switch word.text {
		case "ct":
			if err := p.expect("count"); err != nil {
				return r, err
			}
			n, err := p.number("a number of connections", 1<<30)
			if err != nil {
				return r, err
			}
			if object, ours := strings.CutSuffix(s.name, nftSuffix(h.kind.family)); !ours || !nftCounts(object, n) {
				return r, p.errorf(word, "the element counts to another number than set %s", s.name)
			}
		case "limit":
			if err := p.expect("rate"); err != nil {
				return r, err
			}
			given, err := p.rate()
			if err != nil {
				return r, err
			}
			if named, ok := nftRateOf(s.name, h.kind.family); !ok || named != given {
				return r, p.errorf(word, "the element counts to another rate than set %s", s.name)
			}
		case "expires", "timeout":
			if _, ok := nftSeconds(p.next().text); !ok {
				return r, p.unknown(word, "a time must stand here")
			}
		default:
			return r, p.errorf(word, "%q is not understood here", word.text)
		}
	}
	if h.kind.dynamic && !counts { // then what is beyond the rate or the number is let through as well
		return r, p.errorf(t, "an element of set %s counts nothing", s.name)
	}
	return r, nil
}

// nftCounts reports whether an object of the given name counts to n connections.
func nftCounts(object string, n int) bool {
	_, ok := parseCountName(object, n)
	return ok
}

// vmap reads the block of a map.
func (p *nftParser) vmap(name string, at nftToken) error {
	if err := p.open(); err != nil {
		return err
	}
	m := p.table.maps[name]
	old := m
	if m == nil {
		m = &nftMap{name: name, fresh: p.fresh}
		p.table.maps[name] = m
	}
	var h nftHead
	var filled *nftToken
	var elements []nftElement
	for {
		p.breaks()
		t := p.next()
		if t.kind == '}' {
			break
		}
		isHead, err := p.head(&h, t)
		switch {
		case err != nil:
			return err
		case t.kind != 'w' || !isHead && t.text != "elements":
			return p.unknown(t, "a line of a map must stand here")
		case isHead && filled != nil:
			return p.errorf(t, "%s must stand before the elements, which are read by it", t.text)
		case !isHead:
			filled = &t
			err = p.elements(func(t nftToken) error {
				e, err := p.mapElement(t)
				elements = append(elements, e)
				return err
			})
		}
		if err == nil {
			err = p.end()
		}
		if err != nil {
			return err
		}
	}
	switch {
	case h.key != "inet_service" || h.value != "verdict" || h.kind != nftKind{interval: true}:
		return p.errorf(at, "map %s is of a kind that is not known", name)
	case old != nil && old.counter != h.counter:
		return p.errorf(at, "map %s is defined otherwise before", name)
	case filled != nil && !m.fresh:
		return p.errorf(*filled, "map %s may have older elements: it was not flushed", name)
	}
	m.counter = h.counter
	return m.add(elements)
}

// mapElement reads `25000-25399 comment "..." : jump svc_speech`.
func (p *nftParser) mapElement(t nftToken) (nftElement, error) {
	at := p.lineOf(t)
	e := nftElement{line: &at}
	var ok bool
	if e.ports, ok = parsePorts(p.dashed(t), "-"); !ok {
		return e, p.unknown(t, "a port must stand here")
	}
	if err := p.counter(); err != nil {
		return e, err
	}
	if p.accept("comment") {
		s := p.next()
		if s.kind != 's' {
			return e, p.unknown(s, "a comment in quotes must stand here")
		}
		e.comment = s.text
	}
	if err := p.expect(":"); err != nil {
		return e, err
	}
	var err error
	switch v := p.next(); {
	case v.kind == 'w' && v.text == "accept":
		e.verdict = ruleset.Accept
	case v.kind == 'w' && v.text == "drop":
		e.verdict = ruleset.Drop
	case v.kind == 'w' && v.text == "jump":
		e.jump, err = p.name()
	default:
		err = p.unknown(v, "accept, drop or jump must stand here")
	}
	return e, err
}

// counter takes a counter, if there is one.
func (p *nftParser) counter() error {
	if !p.accept("counter") || !p.accept("packets") {
		return nil
	}
	if _, err := p.bigNumber(); err != nil {
		return err
	}
	if err := p.expect("bytes"); err != nil {
		return err
	}
	_, err := p.bigNumber()
	return err
}

// bigNumber takes a number of 64 bits.
func (p *nftParser) bigNumber() (uint64, error) {
	t := p.next()
	n, err := strconv.ParseUint(t.text, 10, 64)
	if t.kind != 'w' || err != nil {
		return 0, p.unknown(t, "a number must stand here")
	}
	return n, nil
}

// rate reads "10/minute burst 5 packets". nft leaves a burst of 5 out.
func (p *nftParser) rate() (nftRate, error) {
	t := p.next()
	r, ok := parseRate(t.text, ruleset.Periods)
	if t.kind != 'w' || !ok {
		return nftRate{}, p.unknown(t, "a rate such as 10/minute must stand here")
	}
	if !p.accept("burst") {
		return nftRate{r, 5}, nil
	}
	burst, err := p.number("a burst", 1_000_000)
	if err == nil && burst == 0 {
		err = p.errorf(t, "a burst of nothing")
	}
	if err == nil {
		err = p.expect("packets")
	}
	return nftRate{r, burst}, err
}

// limit reads the block of a limit.
func (p *nftParser) limit(name string, at nftToken) error {
	if _, known := p.table.limits[name]; known {
		return p.errorf(at, "limit %s is there already", name)
	}
	if err := p.open(); err != nil {
		return err
	}
	p.breaks()
	if err := p.expect("rate"); err != nil {
		return err
	}
	given, err := p.rate()
	if err != nil {
		return err
	}
	p.table.limits[name] = given
	p.breaks()
	return p.expect("}")
}

// chain reads the block of a chain.
func (p *nftParser) chain(name string, at nftToken) error {
	if err := p.open(); err != nil {
		return err
	}
	c := p.table.chains[name]
	if c == nil {
		l := p.lineOf(at)
		c = &nftChain{name: name, fresh: p.fresh, line: &l}
		p.table.chains[name] = c
	}
	for {
		p.breaks()
		t := p.peek()
		var err error
		switch {
		case t.kind == '}':
			p.next()
			return nil
		case t.kind == 0:
			return unfinished(p.table.file, "a block is closed")
		case t.kind == 'w' && t.text == "type":
			err = p.base(c)
		default:
			if err := p.table.usable(c, p.lineOf(t)); err != nil {
				return err
			}
			var r *nftRule
			if r, err = p.rule(); err == nil {
				c.rules = append(c.rules, r)
				if p.rules++; p.rules > maxRules {
					err = p.errorf(t, "more than %d rules", maxRules)
				}
			}
		}
		if err == nil {
			err = p.end()
		}
		if err != nil {
			return err
		}
	}
}

// base reads "type filter hook input priority filter - 10; policy drop".
func (p *nftParser) base(c *nftChain) error {
	at := p.next()
	kind := p.next()
	if err := p.expect("hook"); err != nil {
		return err
	}
	hook := p.next()
	if err := p.expect("priority"); err != nil {
		return err
	}
	var words []string
	for p.peek().kind == 'w' {
		words = append(words, p.next().text)
	}
	priority, known := map[string]int{"raw": -300, "-300": -300, "filter - 10": -10, "-10": -10}[strings.Join(words, " ")]
	if !known {
		return p.errorf(at, "not a base chain of a portolan table")
	}
	if t := p.peek(); t.kind != ';' {
		return p.unknown(t, "the policy must stand behind a semicolon here")
	}
	p.breaks()
	if err := p.expect("policy"); err != nil {
		return err
	}
	word := p.next()
	policy := map[string]ruleset.Verdict{"accept": ruleset.Accept, "drop": ruleset.Drop}[word.text]
	if err := c.setBase(kind.text, hook.text, priority, policy); err != nil {
		return p.errorf(at, "%v", err)
	}
	return nil
}

// items reads one item, or "{ a, b }".
func (p *nftParser) items(field string) ([]string, error) {
	item := func() (string, error) {
		t := p.next()
		if field == "iifname" || field == "oifname" {
			if t.kind != 's' {
				return "", p.unknown(t, "a name in quotes must stand here")
			}
			return t.text, nil
		}
		if t.kind != 'w' {
			return "", p.unknown(t, "a value must stand here")
		}
		return p.dashed(t), nil
	}
	if p.peek().kind != '{' {
		one, err := item()
		return []string{one}, err
	}
	p.next()
	var out []string
	for {
		p.lineBreak()
		if p.peek().kind == '}' && len(out) > 0 {
			p.next()
			return out, nil
		}
		one, err := item()
		if err != nil {
			return nil, err
		}
		out = append(out, one)
		p.lineBreak()
		switch t := p.next(); t.kind {
		case '}':
			return out, nil
		case ',':
		default:
			return nil, p.unknown(t, "a comma or a brace must stand here")
		}
	}
}

// rule reads one rule.
func (p *nftParser) rule() (*nftRule, error) {
	first := p.peek()
	b := newNftBuilder(new(nftRule), p.lineOf(first))
	for {
		t := p.peek()
		if t.kind == ';' || t.kind == '}' || t.kind == 0 {
			break
		}
		p.next()
		if t.kind != 'w' {
			return nil, p.unknown(t, "a part of a rule must stand here")
		}
		if err := p.part(b, t); err != nil {
			if without, ok := err.(unplaced); ok {
				err = p.errorf(t, "%s", string(without))
			}
			return nil, err
		}
	}
	r, err := b.finish()
	if err != nil {
		return nil, p.errorf(first, "%v", err)
	}
	return r, nil
}

// part reads one part of a rule, whose first word was taken.
func (p *nftParser) part(b *nftBuilder, t nftToken) error {
	switch t.text {
	case "iifname", "oifname":
		return p.compare(b, t.text)
	case "ct":
		if p.accept("count") {
			n, err := p.number("a number of connections", 1_000_000)
			if err == nil && n == 0 {
				err = p.errorf(t, "a count to nothing")
			}
			if err != nil {
				return err
			}
			return b.countAll(n)
		}
		if err := p.expect("state"); err != nil {
			return err
		}
		items, err := p.items("ct state")
		for err == nil && p.peek().kind == ',' {
			p.next()
			var more []string
			more, err = p.items("ct state")
			items = append(items, more...)
		}
		if err != nil {
			return err
		}
		return b.compare("ct state", items)
	case "meta", "ip", "ip6", "tcp", "udp", "icmp", "icmpv6":
		word, err := p.word("a field")
		if err != nil {
			return err
		}
		field := t.text + " " + word
		if p.accept("vmap") {
			name, err := p.reference()
			if err != nil {
				return err
			}
			return b.lookup(field, name)
		}
		return p.compare(b, field)
	case "add", "update":
		return p.count(b, t)
	case "limit":
		if p.accept("name") {
			name := p.next()
			if name.kind != 's' && name.kind != 'w' || !nftName(name.text) {
				return p.unknown(name, "the name of a limit must stand here")
			}
			return b.limitAll(name.text)
		}
		if err := p.expect("rate"); err != nil {
			return err
		}
		given, err := p.rate()
		if err != nil {
			return err
		}
		return b.limitHere(given)
	case "counter":
		p.at--
		return p.counter()
	case "log":
		prefix := ""
		if p.accept("prefix") {
			s := p.next()
			if s.kind != 's' {
				return p.unknown(s, "a prefix in quotes must stand here")
			}
			prefix = s.text
		}
		return b.writeLog(prefix)
	case "accept":
		return b.decide(ruleset.Accept)
	case "drop":
		return b.decide(ruleset.Drop)
	case "jump":
		name, err := p.name()
		if err != nil {
			return err
		}
		return b.jumpTo(name)
	case "notrack":
		return b.noTracking()
	case "comment":
		s := p.next()
		if s.kind != 's' {
			return p.unknown(s, "a comment in quotes must stand here")
		}
		return b.say(s.text)
	}
	return wrong("%q is not understood here", t.text)
}

func (p *nftParser) compare(b *nftBuilder, field string) error {
	items, err := p.items(field)
	if err != nil {
		return err
	}
	return b.compare(field, items)
}

// reference takes "@name".
func (p *nftParser) reference() (string, error) {
	t := p.next()
	name, isSet := strings.CutPrefix(t.text, "@")
	if t.kind != 'w' || !isSet || !nftName(name) {
		return "", p.unknown(t, "a set or map such as @name must stand here")
	}
	return name, nil
}

// count reads "@limit_ssh_10m_5_v4 { ip saddr limit rate 10/minute burst 5 packets }" or
// "@connections_ssh_3_v4 { ip saddr ct count 3 }".
func (p *nftParser) count(b *nftBuilder, t nftToken) error {
	name, err := p.reference()
	if err != nil {
		return err
	}
	if err := p.open(); err != nil {
		return err
	}
	family := 4
	if word := p.next(); word.text == "ip6" {
		family = 6
	} else if word.text != "ip" {
		return p.unknown(word, "ip or ip6 must stand here")
	}
	if err := p.expect("saddr"); err != nil {
		return err
	}
	// A source without connections is forgotten; one with a rate is remembered anew with
	// each packet.
	if t.text == "add" {
		if err := p.expect("ct", "count"); err != nil {
			return err
		}
		n, err := p.number("a number of connections", 1_000_000)
		if err == nil && n == 0 {
			err = p.errorf(t, "a count to nothing")
		}
		if err == nil {
			err = p.expect("}")
		}
		if err != nil {
			return err
		}
		return b.countEach(name, family, n)
	}
	if err := p.expect("limit", "rate"); err != nil {
		return err
	}
	given, err := p.rate()
	if err == nil {
		err = p.expect("}")
	}
	if err != nil {
		return err
	}
	return b.meterEach(name, family, given)
}
