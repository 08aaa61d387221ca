// Package chart lays an inventory out over the port space: numbers in, boxes out.
//
// A Picture is what is to be seen, as plain values: Host makes one of an inventory. A Scale
// places ports on a line, and Lay gives every part of a picture its box, in units of whoever
// draws: characters of a terminal, or pixels. Nothing here draws.
package chart

import (
	"cmp"
	"iter"
	"strings"

	"portolan/internal/diag"
	"portolan/internal/port"
	"portolan/internal/source"
)

// A Picture is panels over one scale, from top to bottom.
type Picture struct {
	Title  string
	Lines  []string // below the title
	Panels []Panel
}

// A Panel is rows that are seen before the same background: a host, or all platforms.
type Panel struct {
	Title  string // "" for the only one
	Note   string // what is to be known of all of it, "3 errors"; may be empty
	Bands  []Band // behind all its groups
	Groups []Group
	// Findings are those that marks of bars name, and others of the same host.
	Findings []Finding
	// Peers are connections to ports of others, which are no ports of this host and have no
	// place in the picture.
	Peers []Bar
}

// A Group is the lanes of one service, host or platform.
type Group struct {
	Name  string // "lumenvox-media-server"
	Title string // in words; may be empty
	Note  string // what is to be known of it, "not documented"; may be empty
	Bands []Band // behind its lanes alone
	Lanes []Lane
	// Sources are where it is documented, for a list below or beside the picture.
	Sources []Source
}

// A Source is what is documented about a group, and where.
type Source struct {
	Words string   // "linux: Linux 4.2 and later"
	Note  string   // what is inferred or unverified about it; may be empty
	Cites []string // addresses of pages, the best first
}

// String is the words with the note behind, and no addresses.
func (s *Source) String() string {
	if s.Note == "" {
		return s.Words
	}
	return s.Words + " (" + s.Note + ")"
}

// A Lane is what one protocol of a group has.
type Lane struct {
	Proto port.Proto // 0 for all protocols
	Bars  []Bar      // in order of port
}

// A Band is ports that are not for services: it lies behind the bars.
type Band struct {
	Kind  Kind
	Proto port.Proto // 0 for all protocols
	Ports port.Range // inclusive
	Words string     // "ephemeral ports of linux"
	From  string     // where that is known from, "etc/sysctl.d/10-net.conf:3"
}

// A Bar is ports that somebody has.
type Bar struct {
	Kind    Kind
	Proto   port.Proto // 0 for all protocols
	Ports   port.Range // inclusive
	Name    string     // "rtp"
	Words   string     // "RTP and RTCP"
	Service string     // "lumenvox-media-server"
	Place   string     // "etc/lumenvox/media_server.conf:24"
	Origin  string     // "config" or "default"; "" where nobody wrote a number
	Nominal string     // the numbers that are written, where they are others
	Bind    string     // "*", or addresses; for a peer its name
	Because []Reason   // all the places that had a part in the numbers
	Marks   []Mark     // what is wrong with some of the ports
	Label   string     // what is written beside it instead of Name; "" for Name
	At      string     // its Bind, where that alone tells it from others of its lane; else ""
	Quiet   bool       // nothing is written beside it, as there are too many of them
	// Moved are the ports that it has instead in another panel, before or after a move; none
	// where it stays.
	Moved port.Set

	span source.Span // the text that says the first port
}

// Caption is what is written beside b: its name and exactly its ports, "sip 5060", and where that
// is not enough its addresses, "sip 5060 on 10.0.0.1".
func (b *Bar) Caption() string {
	words := strings.TrimPrefix(cmp.Or(b.Label, b.Name)+" "+b.Ports.String(), " ")
	if b.At != "" {
		words += " on " + b.At
	}
	return words
}

// A Reason is one place that had a part in the ports of a bar.
type Reason struct {
	Place string
	Text  string // the text there
}

// A Mark is ports of a bar about which there is a finding.
type Mark struct {
	Ports    port.Set
	Rule     string
	On       string   // the systems on which it is so, "linux and windows-server"; "" where that is plain
	Systems  []string // all of On by their ids, of which its words name a few
	Severity diag.Severity
	Finding  int // in Panel.Findings
}

// A Finding is what is wrong, as lint says it.
type Finding struct {
	Rule     string
	Severity diag.Severity
	Message  string
	Place    string
	Group    string // the host that it is about, in a panel of many; "" elsewhere
	Notes    []string
	Help     string
	// Quarrel says that ports of it meet something: they are marked in the picture.
	Quarrel bool
}

// Kind is what ports are for: who draws gives it a colour and a word of the legend.
// The zero value is a listener of which nothing is known.
type Kind uint8

// The kinds of bars, then those of bands, which may be bars of rows about systems too.
const (
	Other      Kind = iota
	MRCP            // the channels of MRCP
	RTP             // media
	Clients         // what clients connect to, such as signalling
	Internal        // for other parts of the product
	Admin           // for operators
	Loopback        // for this host alone
	Unclaimed       // seen to listen, and no file says why
	Ephemeral       // handed out by the system to any program
	System          // below 1024, for those who were assigned one
	Spared          // never handed out, because a list says so
	Excluded        // taken by a component of Windows
	NodePorts       // given by Kubernetes to Services
	NomadPorts      // given by Nomad to jobs
)

// kinds are the word of each kind for programs, and that for people.
var kinds = [...][2]string{
	Other:      {"other", "other listener"},
	MRCP:       {"mrcp", "MRCP"},
	RTP:        {"rtp", "RTP and other media"},
	Clients:    {"clients", "signalling and other ports for clients"},
	Internal:   {"internal", "for other parts of the product"},
	Admin:      {"admin", "for operators"},
	Loopback:   {"loopback", "on this host alone"},
	Unclaimed:  {"unclaimed", "listens, and no file says why"},
	Ephemeral:  {"ephemeral", "ephemeral: handed out to any program"},
	System:     {"system", "system ports"},
	Spared:     {"spared", "spared: never handed out"},
	Excluded:   {"excluded", "excluded by Windows"},
	NodePorts:  {"nodeports", "node ports of Kubernetes"},
	NomadPorts: {"nomadports", "ports of Nomad's jobs"},
}

// String is one lower-case word, "rtp".
func (k Kind) String() string { return kinds[k][0] }

// Words are for a legend.
func (k Kind) Words() string { return kinds[k][1] }

// Behind reports whether ports of k are those of a system, and lie behind those of services.
func (k Kind) Behind() bool { return k >= Ephemeral }

// Kinds are those that p shows, ascending.
func (p *Picture) Kinds() []Kind {
	var seen [len(kinds)]bool
	each(p, func(b *Band) { seen[b.Kind] = true }, func(b *Bar) { seen[b.Kind] = true })
	var out []Kind
	for k, is := range seen {
		if is {
			out = append(out, Kind(k))
		}
	}
	return out
}

// Bars are all bars of p, from top to bottom.
func (p *Picture) Bars() iter.Seq[*Bar] {
	return func(yield func(*Bar) bool) {
		more := true
		each(p, func(*Band) {}, func(b *Bar) { more = more && yield(b) })
	}
}
