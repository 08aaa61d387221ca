// Package lint judges an inventory against a host and a policy.
//
// A rule is one file beside this one, one archive in rules/ that is its page, its
// example and its test, and one line in Rules. A rule reports what will fail or is
// likely wrong; it keeps silent where the inventory does not know.
//
// What rules share is beside them: words.go names things; move.go notes which listeners are
// wanted elsewhere, plan.go finds the places, stuck.go says why there is none, and fix.go,
// insert.go and reserve.go make edits of it, and propose.go values; firewall.go, sources.go and doors.go ask who may
// come through a policy; twins.go joins what is said of both protocols.
package lint

import (
	"slices"
	"strings"

	"portolan/internal/diag"
	"portolan/internal/host"
	"portolan/internal/inventory"
	"portolan/internal/policy"
	"portolan/internal/port"
	"portolan/internal/ruleset"
)

// A Rule is one kind of finding. Its name says the pattern that is found and is never
// used again for another.
type Rule struct {
	Name     string
	Trouble  Trouble       // what goes wrong when nobody mends it
	Summary  string        // one sentence without its full stop, as on the rule's page
	Severity diag.Severity // of its findings, unless the page says when another
	// Check reports its findings through the Pass. It is nil for a rule whose findings
	// are made while files are read, or while a firewall is written.
	Check func(*Pass)
}

// Trouble is what goes wrong where a rule finds something: the word by which people look
// for a rule whose name they do not know. The zero value is none.
type Trouble uint8

// The troubles, in the order of the index of all rules.
const (
	_          Trouble = iota
	NowAndThen         // a call in hundreds fails, and nothing says why
	NoStart            // a service does not start, or does not get its port
	NotFound           // a peer looks for a service where it is not
	Strangers          // somebody gets in who should not
	Firewall           // the firewall is not what its policy seems to say
	Misread            // a file does not say what it seems to say
	Unknown            // Portolan does not know enough to judge
)

// Troubles are all troubles as an index has them.
var Troubles = [...]struct {
	Trouble Trouble
	Words   string
}{
	{NowAndThen, "some calls fail, now and then"},
	{NoStart, "a service does not start, or does not get its port"},
	{NotFound, "a peer does not find a service"},
	{Strangers, "somebody gets in who should not"},
	{Firewall, "the firewall is not what its policy seems to say"},
	{Misread, "a file does not say what it seems to say"},
	{Unknown, "something is not known, so it is not judged"},
}

// Rules are all rules a finding can name. Nobody changes it.
var Rules = [...]Rule{
	{"ephemeral-overlap", NowAndThen, "a listener uses ports that the system hands out to any program", diag.Error, ephemeralOverlap},
	{"ephemeral-partly-reserved", NowAndThen, "a range is spared in part by the list of reserved ports", diag.Error, ephemeralPartlyReserved},
	{"ephemeral-covers-listener", NoStart, "a tuned range of the system covers ports of listeners that it spares by default", diag.Warning, ephemeralCoversListener},
	{"ephemeral-covers-nodeports", NowAndThen, "the system hands out ports that Kubernetes gives to Services", diag.Warning, ephemeralCoversNodePorts},
	{"excluded-range", NoStart, "a listener uses ports that Windows has excluded", diag.Error, excludedRange},
	{"nomad-overlap", NowAndThen, "a listener uses ports that Nomad gives to jobs", diag.Warning, nomadOverlap},
	{"conntrack-helper", NowAndThen, "the kernel reads the messages of a listener and may change or drop them", diag.Warning, conntrackHelper},
	{"claim-not-listening", NotFound, "a service has not opened a port that its configuration says", diag.Warning, claimNotListening},
	{"listener-unclaimed", Strangers, "a program listens on ports that no file claims", diag.Info, listenerUnclaimed},
	{"nodeport-overlap", NowAndThen, "a listener uses ports that Kubernetes gives to Services", diag.Warning, nodeportOverlap},
	{"port-overlap", NoStart, "two listeners of one host want the same port", diag.Error, portOverlap},
	{"range-overflow", NoStart, "a range of ports runs past 65535", diag.Error, rangeOverflow},
	{"reserved-port", NoStart, "a listener uses a port below 1024 that is not assigned to it", diag.Warning, reservedPort},
	{"shared-range", NowAndThen, "listeners of one process take their ports from the same range", diag.Info, sharedRange},
	{"odd-rtp-base", NowAndThen, "a range of RTP and RTCP pairs begins at an odd port", diag.Warning, oddRTPBase},

	{"admin-exposed", Strangers, "an allow opens to everybody what is for trusted networks alone", diag.Error, adminExposed},
	{"any-source-admin", Strangers, "an allow opens to everybody what only administrators use", diag.Warning, anySourceAdmin},
	{"lockout-risk", NotFound, "the policy lets nobody in who could log in", diag.Error, lockoutRisk},
	{"range-partly-open", NowAndThen, "an allow opens a part of a range of ports", diag.Error, rangePartlyOpen},
	{"unreachable-service", NotFound, "no allow opens a service to anybody", diag.Warning, unreachableService},
	{"unclaimed-ports", Firewall, "an allow opens many ports beside a range, on which nothing is known to listen", diag.Info, unclaimedPorts},
	{"limit-bypassed", Firewall, "other allows accept everything that a limit would hold back", diag.Warning, limitBypassed},
	{"redundant-allow", Firewall, "without an allow the firewall would mean the same", diag.Info, redundantAllow},
	{"redundant-deny", Firewall, "without a deny the firewall would mean the same", diag.Info, redundantDeny},
	{"notrack-hazard", NowAndThen, "ports without connection tracking are used by something that needs it", diag.Warning, notrackHazard},
	{"unreachable-peer", NotFound, "the policy does not let out a connection that a file names", diag.Warning, unreachablePeer},

	{"loopback-address", NotFound, "clients are told an address that they cannot reach", diag.Warning, loopbackAddress},
	{"range-too-small", NowAndThen, "a range has fewer ports than the limits of its service come to", diag.Warning, rangeTooSmall},
	{"published-too-few", NowAndThen, "a container publishes a part of a range that its program uses", diag.Warning, publishedTooFew},
	{"bind-all", Strangers, "a listener for few is on every address, and nothing guards it", diag.Info, bindAll},
	{"unprivileged-bind", NoStart, "a service binds a privileged port and is started without the right to", diag.Warning, unprivilegedBind},
	{"cross-file-mismatch", NotFound, "a service connects to another one of this host where that does not listen", diag.Warning, crossFileMismatch},

	{"allow-opens-nothing", Firewall, "an allow of the policy opens no port on this host", diag.Warning, nil},
	{"connect-reaches-nothing", Firewall, "a connect of the policy lets nothing out on this host", diag.Warning, nil},
	{"ambiguous-line", Misread, "two readers understand a line differently", diag.Warning, nil},
	{"broken-fact", Unknown, "a fact of the host cannot be read", diag.Warning, nil},
	{"compose-host-network-ports", Misread, "a container with the network of the host has a list of ports", diag.Warning, nil},
	{"compose-variable-unused", Misread, "a variable of .env does not come to the container that asks for it", diag.Warning, nil},
	{"broken-line", Misread, "a line is no comment, no section and no setting", diag.Warning, nil},
	{"cannot-express", Firewall, "a firewall cannot say what the policy asks for", diag.Error, nil},
	{"description", Unknown, "the description of a service is wrong", diag.Error, nil},
	{"duplicate-setting", Misread, "a setting has two values in one section, of which the service takes one", diag.Warning, nil},
	{"number-spelling", Misread, "a number is written in a way that people misread", diag.Info, nil},
	{"os-chosen-port", NotFound, "a listener has another port at every start", diag.Warning, nil},
	{"out-of-range-value", Misread, "a number is outside what its setting can mean", diag.Error, nil},
	{"policy", Firewall, "a policy has a mistake", diag.Error, nil},
	{"service-setting", Misread, "a service has a setting that its own documentation warns of", diag.Warning, nil},
	{"sysctl-shadowed", Misread, "a setting of the kernel is replaced by a later line before it counts", diag.Warning, sysctlShadowed},
	{"template-value", Unknown, "a value is a placeholder that a template engine should have filled in", diag.Warning, nil},
	{"unknown-capture", Unknown, "a captured file holds no output that is known", diag.Warning, nil},
	{"unknown-default", Unknown, "a setting is left to a default that nobody knows", diag.Warning, nil},
	{"unused-ignore", Misread, "an ignore silences nothing", diag.Warning, nil},
	{"unknown-setting", Misread, "a name in a file is one slip away from a setting that is not set", diag.Warning, nil},
	{"unreadable-file", Unknown, "a file of a known service cannot be read", diag.Error, nil},
}

// Quarrel reports whether what the rule of that name finds keeps a service from its ports, now
// and then or at its start. Where such a finding names ports, a picture of them marks those. It
// is false for a name that no rule has.
func Quarrel(name string) bool {
	return slices.ContainsFunc(Rules[:], func(r Rule) bool { return r.Name == name && (r.Trouble == NowAndThen || r.Trouble == NoStart) })
}

// A Pass is what one rule sees.
type Pass struct {
	Inventory *inventory.Inventory
	listeners []*inventory.Claim // those with a port, in order of the inventory
	// machines are those the inventory is judged for: the one it was found on, or several
	// platforms when files are looked at alone.
	machines []machine
	victims  []victim
	lists    map[*machine]port.Set // what to reserve, see findVictims
	moves    moves
	firewall *firewall // nil without a policy
	options  Options
	rule     *Rule
	found    diag.List
	wishes   []wish // of found
}

// machine is one host with what several rules ask of it, worked out once.
type machine struct {
	*host.Facts
	name     string
	handsOut map[port.Proto]port.Set // ports that any program may be given
	refused  map[port.Proto]port.Set // ports that nobody can bind
	open     port.Set                // ports on which something was seen to listen
}

// Options say how an inventory is judged. The zero value judges every claim on every
// host.
type Options struct {
	// Supported leaves out, for each claim, hosts of systems that its service does not
	// run on: for files without a host, which are judged for many platforms.
	Supported bool
	// Policy is what an operator wrote, and Rules are what it means on the host of the
	// inventory. Without both no policy is judged: nobody wrote the built-in one.
	Policy *policy.Policy
	Rules  *ruleset.Ruleset
	// Part says that the inventory is a part of a host, such as files that were named: what
	// it does not hold may be there all the same, and may not have come to its host yet. Then
	// claims and sockets are not compared.
	Part bool
}

// Run lets every rule judge inv on hosts. The findings are sorted by file and place.
// Without hosts the rules that need one find nothing.
func Run(inv *inventory.Inventory, hosts []host.Facts, o Options) diag.List {
	p := judge(inv, hosts, o)
	p.found.Sort()
	return joinTwins(p.found)
}

// judge is the pass when all rules have run and the plan is made.
func judge(inv *inventory.Inventory, hosts []host.Facts, o Options) *Pass {
	p := newPass(inv, hosts, o)
	p.victims, p.lists = p.findVictims()
	p.moves = newMoves(p.listeners)
	p.check()
	if p.plan() { // the same findings, with advice
		p.found = nil
		p.check()
	}
	return p
}

// newPass is what every rule sees.
func newPass(inv *inventory.Inventory, hosts []host.Facts, o Options) *Pass {
	p := &Pass{Inventory: inv, options: o}
	for i := range inv.Claims {
		if c := &inv.Claims[i]; c.Direction == inventory.Listen {
			p.listeners = append(p.listeners, c)
		}
	}
	for i := range hosts {
		p.machines = append(p.machines, newMachine(&hosts[i]))
	}
	if o.Policy != nil && o.Rules != nil {
		p.firewall = newFirewall(o.Policy, o.Rules, anyPacket)
	}
	return p
}

func (p *Pass) check() {
	p.wishes = nil
	if p.firewall != nil {
		p.firewall.refill()
	}
	for i := range Rules {
		if p.rule = &Rules[i]; p.rule.Check != nil {
			p.rule.Check(p)
		}
	}
	p.grant()
	if f := p.firewall; f != nil && (f.budget < 0 || f.proofs < 0 || f.atlas[port.TCP] == nil || f.atlas[port.UDP] == nil) {
		p.found = append(p.found, diag.Diagnostic{
			Rule: policy.RuleName, Severity: diag.Info, Span: f.File.Span(0, 0),
			Message: "this policy is too large to be judged in full",
			Notes:   []string{"it is right as far as it goes: what its allows open beside each other was not all compared"},
			Help:    "join allows that open the same ports, and let zones hold prefixes instead of single addresses",
		})
	}
}

func newMachine(f *host.Facts) machine {
	m := machine{Facts: f, name: f.Platform, handsOut: map[port.Proto]port.Set{}, refused: map[port.Proto]port.Set{}}
	if m.name == "" {
		m.name = "the host"
	}
	for _, proto := range port.Protos {
		m.handsOut[proto] = f.EphemeralPorts(proto)
		var rows []port.Range
		for _, x := range f.Excluded {
			if x.Proto == proto && !x.Administered {
				rows = append(rows, x.Ports)
			}
		}
		m.refused[proto] = port.Of(rows...)
	}
	open := make([]port.Range, len(f.Listeners))
	for i, x := range f.Listeners {
		open[i] = port.Single(x.Port)
	}
	m.open = port.Of(open...)
	return m
}

// report adds a finding of the rule that runs. A finding without a severity gets that
// of the rule.
func (p *Pass) report(d diag.Diagnostic) {
	d.Rule = p.rule.Name
	if d.Severity == diag.Invalid {
		d.Severity = p.rule.Severity
	}
	p.found = append(p.found, d)
}

// machinesOf are the machines c is judged on.
func (p *Pass) machinesOf(c *inventory.Claim) []*machine {
	var out []*machine
	for i := range p.machines {
		m := &p.machines[i]
		if !p.options.Supported || slices.ContainsFunc(c.Platforms, func(name string) bool { return system(name) == system(m.Platform) }) {
			out = append(out, m)
		}
	}
	return out
}

// system is the platform without its version: "windows" of "windows-2003".
func system(platform string) string {
	name, _, _ := strings.Cut(platform, "-")
	return name
}
