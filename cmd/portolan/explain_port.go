package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"portolan/internal/addr"
	"portolan/internal/diag"
	"portolan/internal/inventory"
	"portolan/internal/parallel"
	"portolan/internal/port"
	"portolan/internal/report"
	"portolan/internal/ruleset"
	"portolan/render"
)

// packetFlags say which packet explain walks.
type packetFlags struct {
	from, to, device, state, format string
	sourcePort                      uint16
}

func (p *packetFlags) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&p.from, "from", "", "walk a packet from `ADDRESS`")
	f.StringVar(&p.to, "to", "", "walk a packet that leaves for `ADDRESS`")
	f.StringVar(&p.device, "interface", "", "it comes in or goes out on the interface `NAME` (default eth0)")
	f.StringVar(&p.state, "state", "", "what connection tracking says of it: "+strings.Join(stateNames(), ", ")+" (default new)")
	f.Uint16Var(&p.sourcePort, "source-port", 0, "its source port; without it one that no rule asks for, or 50000")
	f.StringVar(&p.format, "format", "text", "of a port: "+strings.Join(answerFormats, " or "))
	completeWords(cmd, "state", stateNames()...)
	completeWords(cmd, "format", answerFormats...)
}

// name is the flag about a packet that was given, "" for none.
func (p *packetFlags) name(cmd *cobra.Command) string {
	for _, name := range []string{"from", "to", "interface", "state", "source-port", "format", "root", "policy", "set"} {
		if cmd.Flags().Changed(name) {
			return name
		}
	}
	return ""
}

func stateNames() []string {
	var out []string
	for _, s := range ruleset.AllStates.Each() {
		out = append(out, s.String())
	}
	return out
}

// A portQuestion is what a packet is for: a port, or a type of ICMP.
type portQuestion struct {
	proto uint8
	port  uint16
	kind  uint8 // of ICMP
}

var (
	portShape = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^(?:[0-9].*|icmp(?:v6)?(?:[:/].*)?)$`) })
	icmpShape = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^(icmp|icmpv6)[:/]([0-9]{1,3})$`) })
)

// looksLikePort tells a port from the name of a rule or a service: no name begins with a
// digit.
func looksLikePort(s string) bool { return portShape().MatchString(s) }

func parseQuestion(s string) (portQuestion, error) {
	var q portQuestion
	if strings.HasPrefix(s, "icmp") {
		m := icmpShape().FindStringSubmatch(s)
		if m == nil {
			return q, usage("%s: write the type of ICMP as in icmp:8 or icmpv6:128", s)
		}
		n, err := strconv.ParseUint(m[2], 10, 8)
		if err != nil {
			return q, usage("%s: types of ICMP are 0 to 255", s)
		}
		q.proto, q.kind = map[string]uint8{"icmp": ruleset.ICMP, "icmpv6": ruleset.ICMPv6}[m[1]], uint8(n)
		return q, nil
	}
	number, name, said := strings.Cut(s, "/")
	if !said {
		return q, usage("%s: say the protocol too, as in %s/udp", s, number)
	}
	proto, err := port.ParseProto(name)
	if err != nil {
		return q, usage("%s: %s", s, err)
	}
	ports, err := port.Parse(number)
	switch {
	case err != nil:
		return q, usage("%s: %s", s, err)
	case strings.ContainsAny(number, ",-"):
		return q, usage("%s: explain takes one port", s)
	}
	q.proto, q.port = uint8(proto), ports.Ranges()[0].First
	return q, nil
}

// String is "25000/udp" or "icmp type 8".
func (q portQuestion) String() string {
	if q.proto == ruleset.ICMP || q.proto == ruleset.ICMPv6 {
		return fmt.Sprintf("%s type %d", protoName(q.proto), q.kind)
	}
	return fmt.Sprintf("%d/%s", q.port, protoName(q.proto))
}

// ports is the port as a set, all of them for ICMP.
func (q portQuestion) ports() port.Set {
	if q.proto == ruleset.ICMP || q.proto == ruleset.ICMPv6 {
		return port.All()
	}
	return port.Of(port.Single(q.port))
}

// A portAnswer is what explain says of a port, as JSON writes it. Fields are only ever added.
type portAnswer struct {
	Version  int        `json:"version"`
	Port     string     `json:"port"`
	Policy   string     `json:"policy"`
	Packet   string     `json:"packet"` // in words; "" without --from and --to
	Claims   []claimRow `json:"claims"`
	Rules    []ruleRow  `json:"rules"`   // that the packet meets, in their order
	Verdict  string     `json:"verdict"` // "accept" or "drop"; "" without a packet
	Words    string     `json:"words"`   // the decision with limits and logs
	Firewall []fireRow  `json:"firewalls"`
	Audience []openRow  `json:"audience"` // without --from and --to: who may, and who may not

	byDefault string // what the default does, where it is asked
	limited   bool   // it is accepted up to a limit
}

type claimRow struct {
	Service  string `json:"service"`
	Instance string `json:"instance"`
	Listen   string `json:"listen"`
	Purpose  string `json:"purpose"`
	First    uint16 `json:"first"`
	Last     uint16 `json:"last"`
	// Published: it leads into a container, and the rules are not asked about its packets.
	Published bool `json:"published"`
	placeRow
}

type ruleRow struct {
	whoRow
	Effect string `json:"effect"` // in words
	who    string
}

type fireRow struct {
	Firewall string `json:"firewall"`
	Form     string `json:"form"`
	Verdict  string `json:"verdict"` // "" when it cannot say the policy
	File     string `json:"file"`
	Line     int    `json:"line"` // 0 where no line decides
	Text     string `json:"text"`
	Refused  string `json:"refused"` // why it cannot say the policy
}

type openRow struct {
	Direction string   `json:"direction"`
	Verdict   string   `json:"verdict"`
	Words     string   `json:"words"`
	Peers     []string `json:"peers"`
	On        string   `json:"on"` // interfaces in words; "" for all

	SourcePorts []rangeJSON `json:"source_ports"`

	Who  whoRow `json:"who"`
	text string
}

// explainPort says what happens to a port: of one packet with --from or --to, else who can
// reach it.
func (a *app) explainPort(ctx context.Context, in *input, flags *packetFlags, args []string) error {
	q, err := parseQuestion(args[0])
	if err != nil {
		return err
	}
	if !slices.Contains(answerFormats, flags.format) {
		return usage("--format: there is no format %q: use one of %s", flags.format, strings.Join(answerFormats, ", "))
	}
	packet, walk, err := flags.packet(q)
	if err != nil {
		return err
	}
	found, err := a.read(ctx, in, args[1:], false)
	if err != nil {
		return err
	}
	rules, words, err := a.compiled(in, found, toExplain, false)
	if err != nil {
		return err
	}
	packet = complement(packet, flags, rules)
	answer := &portAnswer{Version: 1, Port: q.String(), Policy: words, Claims: []claimRow{}, Rules: []ruleRow{}, Firewall: []fireRow{}, Audience: []openRow{}}
	answer.claims(found.inventory, q, packet.Direction)
	policy := &side{name: words, rules: rules}
	if walk {
		if err := answer.walk(policy, packet, words); err != nil {
			return err
		}
	} else {
		answer.audience(policy, q, packet.State, flags.device, ruleset.In)
		if rules.FiltersOutput() {
			answer.audience(policy, q, packet.State, flags.device, ruleset.Out)
		}
	}
	if flags.format == "json" {
		return writeJSON(a.stdout, answer)
	}
	return answer.text(a.stdout)
}

// packet is the packet of the flags, as far as they say it.
func (p *packetFlags) packet(q portQuestion) (ruleset.Packet, bool, error) {
	out := ruleset.Packet{Interface: cmp.Or(p.device, "eth0"), Proto: q.proto, Port: q.port, Type: q.kind, SourcePort: p.sourcePort}
	if p.state != "" {
		for _, s := range ruleset.AllStates.Each() {
			if s.String() == p.state {
				out.State = s
			}
		}
		if out.State == 0 {
			return out, false, usage("--state: there is no state %q: use one of %s", p.state, strings.Join(stateNames(), ", "))
		}
	}
	if strings.ContainsFunc(p.device, func(c rune) bool { return c <= ' ' || c == '/' || c > '~' }) || len(p.device) > 15 {
		return out, false, usage("--interface: %q is not the name of an interface", p.device)
	}
	flag, address := "from", p.from
	switch {
	case p.from != "" && p.to != "":
		return out, false, usage("a packet comes in with --from or leaves with --to, not both")
	case p.to != "":
		flag, address, out.Direction = "to", p.to, ruleset.Out
	case p.from == "":
		return out, false, nil
	}
	peer, err := netip.ParseAddr(address)
	if err != nil || peer.Zone() != "" {
		return out, false, usage("--%s: %q is not one address such as 10.1.2.3 or 2001:db8::1", flag, address)
	}
	out.Peer = peer.Unmap()
	return out, true, nil
}

// complement fills in what nobody said of a packet: it opens a connection, unless
// connection tracking is kept from it, and comes from a port that no rule asks for.
func complement(p ruleset.Packet, flags *packetFlags, rules *ruleset.Ruleset) ruleset.Packet {
	own := p.Port
	if p.Direction == ruleset.Out {
		own = p.SourcePort
	}
	if p.State == 0 {
		p.State = ruleset.New
		if p.Proto == uint8(port.UDP) && rules.Untracked.Contains(own) {
			p.State = ruleset.Untracked
		}
	}
	chain := rules.Chain(p.Direction)
	if flags.sourcePort == 0 && slices.ContainsFunc(chain.Rules, func(r ruleset.Rule) bool { return !r.Match.SourcePorts.IsAll() }) {
		p.SourcePort = 50000 // as systems hand them out
	}
	return p
}

// claims adds the claims of the port.
func (r *portAnswer) claims(inv *inventory.Inventory, q portQuestion, direction ruleset.Direction) {
	want := inventory.Listen
	if direction == ruleset.Out {
		want = inventory.Connect
	}
	for i := range inv.Claims {
		c := &inv.Claims[i]
		if c.Direction != want || uint8(c.Proto) != q.proto || c.Ports.Len() == 0 || !c.Ports.Contains(q.port) {
			continue
		}
		r.Claims = append(r.Claims, claimRow{
			Service: c.Service, Instance: c.Instance, Listen: c.Listen, Purpose: c.Purpose, First: c.Ports.First, Last: c.Ports.Last, Published: c.Published(),
			placeRow: placeRow{c.Span.Name(), c.Span.Position().Line},
		})
	}
}

// walk follows a packet through the rules of the policy, and through what each firewall is
// given to say. They all must decide alike.
func (r *portAnswer) walk(policy *side, p ruleset.Packet, words string) error {
	r.Packet = p.String()
	for _, rule := range policy.rules.Trace(p) {
		r.Rules = append(r.Rules, ruleRow{
			whoRow: policy.row(rule), Effect: ruleset.Decision{rule.Effect}.Words(), who: policy.who(rule),
		})
	}
	decision := policy.rules.Decide(p)
	r.Verdict, r.Words = decision.Verdict().String(), decision.Words()
	if n := len(decision); n > len(r.Rules) {
		r.byDefault = decision[n-1:].Words()
	}
	r.limited = limits(decision) != ""

	type result struct {
		proved
		diags diag.List
		err   error
	}
	results := make([]result, len(render.Backends))
	hash := policy.rules.Hash()
	parallel.For(len(results), func(i int) {
		b := render.Backends[i]
		results[i].proved, results[i].diags, results[i].err = prove(formJob{backend: b, form: b.Forms[0]}, policy.rules, hash, words)
	})
	for i, found := range results {
		b := render.Backends[i]
		row := fireRow{Firewall: b.Name, Form: b.Forms[0].Name}
		switch {
		case found.err != nil:
			return fmt.Errorf("a defect of portolan, please report it: %s: %w", b.Name, found.err)
		case found.diags.Max() >= diag.Error:
			row.Refused = firstOf(found.diags)
			r.Firewall = append(r.Firewall, row)
			continue
		}
		theirs := found.back.Decide(p)
		if !slices.Equal(theirs, decision) {
			return fmt.Errorf("a defect of portolan, please report it: of %s, the policy %s and %s %s", p, decision.Words(), b.Name, theirs.Words())
		}
		row.Verdict = theirs.Verdict().String()
		if rule := found.back.Decider(p); rule != nil {
			if places := rule.Origins; len(places) > 0 {
				row.File, row.Line, row.Text = places[0].Name(), places[0].Position().Line, wholeLine(places[0])
			}
			if row.Text == "" {
				row.Text = rule.Comment
			}
		}
		r.Firewall = append(r.Firewall, row)
	}
	return nil
}

// audience adds who can reach the port, by the rule that decides, and who is dropped by a
// rule, on every interface or on one. The default comes last.
func (r *portAnswer) audience(policy *side, q portQuestion, state ruleset.State, device string, direction ruleset.Direction) {
	only := ruleset.Any()
	only.Protos, only.Ports, only.States = ruleset.BytesOf(q.proto), q.ports(), state
	if q.proto == ruleset.ICMP || q.proto == ruleset.ICMPv6 {
		only.Types = ruleset.BytesOf(q.kind)
	}
	chain := policy.rules.Chain(direction)
	var sub ruleset.Ruleset
	about := sub.Chain(direction)
	about.Default = chain.Default
	for _, rule := range chain.Rules {
		rule.Match = rule.Match.Intersect(only)
		about.Rules = append(about.Rules, rule)
	}
	var last []openRow
	known := len(r.Audience)
	for _, area := range ruleset.Areas(&sub, direction) {
		if !area.Protos.Has(q.proto) || !area.Ports.Contains(q.port) || !area.Types.Has(q.kind) && !only.Types.IsAll() || area.States&state == 0 {
			continue
		}
		on := interfaceWords(&area.Change)
		switch {
		case device != "":
			if !slices.Contains(area.Interfaces, device) && (!area.Others || slices.Contains(area.Excepted(), device)) {
				continue
			}
			on = ""
		case !area.Others && slices.Equal(area.Interfaces, []string{ruleset.Loopback}):
			continue // this host to itself
		}
		verdict, words := area.B.Verdict(), area.B.Words()
		if area.Rule != nil { // what comes before or beyond it may differ from packet to packet
			words = ruleset.Decision{area.Rule.Effect}.Words()
		}
		peers := area.Peers
		switch q.proto { // the other family does not send it
		case ruleset.ICMP:
			peers = peers.Intersect(addr.V4())
		case ruleset.ICMPv6:
			peers = peers.Intersect(addr.V6())
		}
		if peers.IsEmpty() {
			continue
		}
		row := openRow{
			Direction: direction.String(), Verdict: verdict.String(), Words: words,
			Peers: peerItems(peers), On: on, SourcePorts: rangesJSON(area.SourcePorts), Who: policy.row(area.Rule),
		}
		row.text = r.line(q, direction, &area, peerWords(peers, 6), row.On, policy)
		if area.Rule == nil {
			last = append(last, row)
		} else {
			r.Audience = append(r.Audience, row)
		}
	}
	slices.SortStableFunc(r.Audience[known:], func(x, y openRow) int {
		return strings.Compare(x.Verdict, y.Verdict) // accepts before drops
	})
	same := !slices.ContainsFunc(last, func(o openRow) bool { return o.Verdict != last[0].Verdict })
	for i := range last {
		switch way := [...]string{"everybody else is ", "what goes elsewhere is "}[direction]; {
		case !same:
		case i > 0:
			last[i].text = "" // it is said
		default:
			if len(r.Audience) == known { // no rule speaks of it
				way = [...]string{"everybody is ", "wherever it goes it is "}[direction]
			}
			last[i].text = way + passive(last[i].Verdict) + " by default"
		}
	}
	r.Audience = append(r.Audience, last...)
}

// line says an area to people.
func (r *portAnswer) line(q portQuestion, direction ruleset.Direction, area *ruleset.Area, peers, on string, policy *side) string {
	verdict := area.B.Verdict()
	words := q.String() + ": reachable"
	switch {
	case verdict == ruleset.Drop && direction == ruleset.In:
		words = q.String() + ": dropped"
	case verdict == ruleset.Drop:
		words = "outgoing " + q.String() + ": dropped"
	case direction == ruleset.Out:
		words = "outgoing " + q.String() + ": allowed"
	}
	words += [...]string{" from ", " to "}[direction] + peers
	if !area.SourcePorts.IsAll() {
		words += ", source port " + portWords(area.SourcePorts)
	}
	if on != "" {
		words += " " + on
	}
	if area.Rule == nil {
		return words + ": by default"
	}
	words += ": " + policy.who(area.Rule)
	if e := area.Rule.Effect; e.Limited() {
		words += ", " + e.Bounds()
	}
	return words
}

func passive(verdict string) string {
	return map[string]string{"accept": "accepted", "drop": "dropped"}[verdict]
}

// text says the answer to people.
func (r *portAnswer) text(w io.Writer) error {
	var b strings.Builder
	say := func(format string, args ...any) {
		b.WriteString(report.Printable(fmt.Sprintf(format, args...)) + "\n")
	}
	if r.Packet != "" {
		say("%s", r.Packet)
	}
	for _, c := range r.Claims {
		place := c.File
		if c.Line > 0 {
			place += ":" + strconv.Itoa(c.Line)
		}
		service := c.Service
		if c.Instance != "" {
			service += "/" + c.Instance
		}
		ports := port.Range{First: c.First, Last: c.Last}
		say("%s is claimed by %s of %s: %s, %s (%s)", r.Port, c.Listen, service, c.Purpose, ports, place)
	}
	if slices.ContainsFunc(r.Claims, func(c claimRow) bool { return c.Published }) {
		say("%s is published: its packets are translated and forwarded before the rules below are asked, which", r.Port)
		say("neither open nor close it for other hosts; rules for it belong to what publishes it (of Docker the chain DOCKER-USER)")
	}
	if len(r.Claims) == 0 && !strings.HasPrefix(r.Port, "icmp") {
		say("%s is claimed by no service that was found", r.Port)
	}
	for _, row := range r.Audience {
		if row.text != "" {
			say("%s", row.text)
		}
	}
	if r.Packet == "" {
		return r.flush(w, &b)
	}
	b.WriteString("\n")
	say("%s: the rules that it meets", r.Policy)
	for i, rule := range r.Rules {
		say("  %d. %s: %s", i+1, rule.Effect, rule.who)
	}
	if r.byDefault != "" {
		say("  %d. %s: the default", len(r.Rules)+1, r.byDefault)
	}
	within := ""
	if r.limited {
		within = " within the limit"
	}
	say("it is %s%s", passive(r.Verdict), within)
	b.WriteString("\n")
	width := 0
	for _, f := range r.Firewall {
		width = max(width, len(f.Firewall))
	}
	for _, f := range r.Firewall {
		switch {
		case f.Refused != "":
			say("%-*s  cannot say this policy: %s", width, f.Firewall, strings.TrimPrefix(f.Refused, f.Firewall+" cannot express "))
		case f.Line > 0:
			say("%-*s  %-6s  %s:%d: %s", width, f.Firewall, f.Verdict, f.File, f.Line, f.Text)
		case f.Text != "":
			say("%-*s  %-6s  %s", width, f.Firewall, f.Verdict, f.Text)
		default:
			say("%-*s  %-6s  by default", width, f.Firewall, f.Verdict)
		}
	}
	return r.flush(w, &b)
}

func (r *portAnswer) flush(w io.Writer, b *strings.Builder) error {
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("writing the answer: %w", err)
	}
	return nil
}
