package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Flow is packets of one kind in a stream: TCP segments that open a connection (SYN), or
// short UDP packets.
type Flow struct {
	Name      string // for people
	Proto     uint8  // unix.IPPROTO_TCP or unix.IPPROTO_UDP
	Out       bool   // the host sends them; otherwise they arrive there
	Interface string // of the host; "" stands for HostInterface
	Peer      netip.Addr
	Port      uint16 // destination port
	// SourcePort is below 20000. 0 stands for another one with each packet, from 20000 on, so
	// that each is the first one of a connection.
	SourcePort uint16
	// Known says that the packets belong to a connection that exists when the stream begins:
	// the host has sent the first packet, and these are the answers. For UDP that arrives,
	// with a source port.
	Known   bool
	Allowed bool // that all of them come through; otherwise that none does
}

// freshPort is the first source port of flows that have another one with each packet.
const freshPort = 20000

// streamBurst is how many packets of one flow are sent at a time: few, so that the time
// without packets between two bursts is short.
const streamBurst = 2

// sampleEvery is how often a running stream is looked at: how exactly a Harm has its time.
const sampleEvery = 5 * time.Millisecond

const streamTable = "plstream"

// A Harm is packets that should have come through and did not, or that should not and did.
type Harm struct {
	From, To time.Duration // since the stream began
	Packets  int
}

// A FlowTally is what has become of the packets of a flow.
type FlowTally struct {
	Flow
	Sent    int
	Arrived int // counted before any rule: what is missing was lost on the way
	Passed  int // counted behind the last rule
	Harm    []Harm
}

// Lost is how many packets the rules have dropped that they should have let in.
func (f *FlowTally) Lost() int {
	if !f.Allowed {
		return 0
	}
	return f.Arrived - f.Passed
}

// Leaked is how many packets the rules have let in that they should have dropped.
func (f *FlowTally) Leaked() int {
	if f.Allowed {
		return 0
	}
	return f.Passed
}

// A Tally is what has become of a stream. Each packet that arrived is in it once.
type Tally struct {
	Flows []FlowTally
	Took  time.Duration
}

// Sum adds up all flows: packets sent, those that did not reach the host at all, those that
// the rules have wrongly dropped, and those that they have wrongly let in.
func (t *Tally) Sum() (sent, missing, lost, leaked int) {
	for i := range t.Flows {
		f := &t.Flows[i]
		sent, missing = sent+f.Sent, missing+f.Sent-f.Arrived
		lost, leaked = lost+f.Lost(), leaked+f.Leaked()
	}
	return sent, missing, lost, leaked
}

// Err is an error that names each flow with wrong packets, and when; nil when there is none.
// Packets that did not reach the host are nothing that rules can do about, but when they are
// more than one in a hundred, too little was tried, which is an error too.
func (t *Tally) Err() error {
	var bad []error
	if sent, missing, _, _ := t.Sum(); missing > sent/100 {
		bad = append(bad, fmt.Errorf("of %d packets %d did not reach the host", sent, missing))
	}
	for i := range t.Flows {
		f := &t.Flows[i]
		if f.Lost() == 0 && f.Leaked() == 0 {
			continue
		}
		const most = 5
		var when []string
		for _, h := range f.Harm[:min(len(f.Harm), most)] {
			when = append(when, fmt.Sprintf("%d at %v-%v", h.Packets, h.From.Round(time.Millisecond), h.To.Round(time.Millisecond)))
		}
		if len(f.Harm) > most {
			when = append(when, fmt.Sprintf("and %d times more", len(f.Harm)-most))
		}
		bad = append(bad, fmt.Errorf("%s: of %d packets that arrived %d were lost, %d leaked: %s", f.Name, f.Arrived, f.Lost(), f.Leaked(), strings.Join(when, ", ")))
	}
	return errors.Join(bad...)
}

// A Stream is packets on their way to the host, from the processor that Processors names
// first, until Stop.
type Stream struct {
	flows   []Flow
	senders []*sender
	stop    atomic.Bool
	sent    chan error
	sampled chan error
	start   time.Time
	samples []sample
}

// A sample is what the kernel had counted at a time. Where nothing changed there is none.
type sample struct {
	at    time.Duration
	wrong []int // by flow; for one that is allowed it may have packets too many that are on their way
}

// A sender sends the packets of one flow.
type sender struct {
	socket   int
	own      bool // socket is to be closed
	fresh    bool
	port     uint16 // of the next packet
	at       int    // where the source port stands
	check    int    // where the checksum stands
	sum      uint32 // of what the checksum covers, with source port 0
	buffers  [streamBurst][]byte
	vectors  [streamBurst]unix.Iovec
	messages [streamBurst]mmsghdr
	sent     int
}

// Processors are the first two that this process may use: one for the packets, which go
// through the rules on the processor that sends them, and one for what changes the rules.
// On the sender's processor the time in which a change shows cannot be seen. It is an error
// when there is only one.
func Processors() (packets, changes int, err error) {
	two, err := processors()
	return two[0], two[1], err
}

// processors asks once, before OnProcessor has bound a thread: the first thread, which is the
// one that answers for the process, may be bound later on.
var processors = sync.OnceValues(func() (two [2]int, err error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(unix.Getpid(), &set); err != nil {
		return two, err
	}
	var found []int
	for i := 0; i < 1024 && len(found) < 2; i++ {
		if set.IsSet(i) {
			found = append(found, i)
		}
	}
	if len(found) < 2 {
		return two, errors.New("there is one processor only, and packets and changes need one each")
	}
	return [2]int(found), nil
})

// OnProcessor runs f on a thread that stays on one processor, as do processes that f starts.
func OnProcessor(number int, f func() error) error {
	return onThread(func() error {
		var set unix.CPUSet
		set.Set(number)
		if err := unix.SchedSetaffinity(0, &set); err != nil {
			return fmt.Errorf("processor %d: %w", number, err)
		}
		return f()
	})
}

// During sends a stream while change runs on the other processor, and for some milliseconds
// before and after.
func (l *Link) During(flows []Flow, rate int, change func() error) (*Tally, error) {
	_, processor, err := Processors()
	if err != nil {
		return nil, err
	}
	s, err := l.Start(flows, rate)
	if err != nil {
		return nil, err
	}
	const margin = 4 * sampleEvery
	time.Sleep(margin)
	err = OnProcessor(processor, change)
	time.Sleep(margin)
	t, e := s.Stop()
	return t, errors.Join(err, e)
}

// Start begins to send packets of all flows in turn, together rate packets a second, as far
// as the machine can. What has come through all rules is counted and dropped there, so that
// nothing answers.
func (l *Link) Start(flows []Flow, rate int) (*Stream, error) {
	packets, changes, err := Processors()
	if err != nil {
		return nil, err
	}
	s := &Stream{flows: slices.Clone(flows), sent: make(chan error, 1), sampled: make(chan error, 1)}
	if err := s.check(rate); err != nil {
		return nil, err
	}
	for i := range s.flows {
		if s.flows[i].Known {
			err = know(&s.flows[i])
		}
		var one *sender
		if err == nil {
			one, err = l.sender(&s.flows[i])
		}
		if err != nil {
			s.close()
			return nil, fmt.Errorf("flow %s: %w", s.flows[i].Name, err)
		}
		s.senders = append(s.senders, one)
	}
	if _, err := Run(s.recorder(), "nft", "-f", "-"); err != nil {
		s.close()
		return nil, err
	}
	s.start = time.Now()
	go func() { s.sent <- OnProcessor(packets, func() error { return s.send(rate) }) }()
	go func() { s.sampled <- OnProcessor(changes, s.watch) }()
	return s, nil
}

// check completes the flows, and refuses those that could not be told from each other.
func (s *Stream) check(rate int) error {
	if len(s.flows) == 0 || rate < 1 {
		return errors.New("a stream without packets")
	}
	seen := map[Flow]string{}
	for i := range s.flows {
		f := &s.flows[i]
		if f.Interface == "" {
			f.Interface = HostInterface
		}
		key := *f
		key.Name, key.Known, key.Allowed = "", false, false
		switch other, twice := seen[key]; {
		case twice:
			return fmt.Errorf("flows %s and %s have the same packets", other, f.Name)
		case f.Proto != unix.IPPROTO_TCP && f.Proto != unix.IPPROTO_UDP:
			return fmt.Errorf("flow %s: protocol %d is neither TCP nor UDP", f.Name, f.Proto)
		case f.SourcePort >= freshPort:
			return fmt.Errorf("flow %s: source port %d is not below %d", f.Name, f.SourcePort, freshPort)
		case f.Known && (f.Out || f.Proto != unix.IPPROTO_UDP || f.SourcePort == 0):
			return fmt.Errorf("flow %s: only UDP that arrives from one port can be known", f.Name)
		}
		seen[key] = f.Name
	}
	return nil
}

// know sends the packet that a flow is the answer to. When the call is back, connection
// tracking has seen it.
func know(f *Flow) error {
	own := &net.UDPAddr{IP: Host(f.Peer).AsSlice(), Port: int(f.Port)}
	c, err := net.DialUDP("udp", own, &net.UDPAddr{IP: f.Peer.AsSlice(), Port: int(f.SourcePort)})
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.Write([]byte("try\n"))
	return err
}

// words are the match of a flow in the language of nft.
func (f *Flow) words() string {
	family, address, iface := "ip", "saddr", "iifname"
	if f.Peer.Is6() {
		family = "ip6"
	}
	if f.Out {
		address, iface = "daddr", "oifname"
	}
	proto := map[uint8]string{unix.IPPROTO_TCP: "tcp", unix.IPPROTO_UDP: "udp"}[f.Proto]
	from := fmt.Sprintf("%d-65535", freshPort)
	if f.SourcePort != 0 {
		from = fmt.Sprint(f.SourcePort)
	}
	return fmt.Sprintf("%s %q %s %s %s %s dport %d %s sport %s", iface, f.Interface, family, address, f.Peer, proto, f.Port, proto, from)
}

// recorder is a table that counts the packets of each flow before the first rule and behind
// the last one. It has no sets: those would be another thing that is changed beside packets.
func (s *Stream) recorder() string {
	var counters strings.Builder
	var chains [4]strings.Builder // in before and behind, out before and behind
	for i := range s.flows {
		f := &s.flows[i]
		fmt.Fprintf(&counters, "\tcounter arrived%d { }\n\tcounter passed%d { }\n", i, i)
		at := 0
		if f.Out {
			at = 2
		}
		fmt.Fprintf(&chains[at], "\t\t%s counter name \"arrived%d\" accept\n", f.words(), i)
		fmt.Fprintf(&chains[at+1], "\t\t%s counter name \"passed%d\" drop\n", f.words(), i)
	}
	text := fmt.Sprintf("table inet %[1]s\ndelete table inet %[1]s\ntable inet %[1]s {\n%[2]s", streamTable, counters.String())
	for i, head := range []string{
		"chain in_first { type filter hook prerouting priority -500; policy accept;",
		"chain in_last { type filter hook input priority 1000; policy accept;",
		"chain out_first { type filter hook output priority -500; policy accept;",
		"chain out_last { type filter hook output priority 1000; policy accept;",
	} {
		if chains[i].Len() > 0 {
			text += "\t" + head + "\n" + chains[i].String() + "\t}\n"
		}
	}
	return text + "}\n"
}

// sender makes ready what a flow sends.
func (l *Link) sender(f *Flow) (*sender, error) {
	from, to := f.Peer, Host(f.Peer)
	if f.Out {
		from, to = to, from
	}
	segment := UDP(0, f.Port, []byte("try\n"))
	if f.Proto == unix.IPPROTO_TCP {
		segment = TCP(0, f.Port, 1, SYN)
	}
	data := Packet(f.Proto, from, to, segment)
	s := &sender{fresh: f.SourcePort == 0, port: f.SourcePort, sum: pseudo(f.Proto, from, to, segment), at: len(data) - len(segment)}
	if s.fresh {
		s.port = freshPort
	}
	s.check = s.at + checksumAt(f.Proto)
	if f.Out {
		var err error
		if s.socket, err = outward(f.Interface, to); err != nil {
			return nil, err
		}
		s.own = true
	} else {
		e, ok := l.ends[f.Interface]
		if !ok {
			return nil, fmt.Errorf("the host has no interface %q", f.Interface)
		}
		framed := e.frame(data)
		s.at, s.check = s.at+len(framed)-len(data), s.check+len(framed)-len(data)
		s.socket, data = e.socket, framed
	}
	for i := range s.buffers {
		s.buffers[i] = slices.Clone(data)
		s.vectors[i].Base = &s.buffers[i][0]
		s.vectors[i].SetLen(len(data))
		s.messages[i].header.Iov = &s.vectors[i]
		s.messages[i].header.SetIovlen(1)
	}
	return s, nil
}

func (s *Stream) close() {
	for _, one := range s.senders {
		if one.own {
			unix.Close(one.socket)
		}
	}
}

// send sends bursts of the flows in turn until the stream is stopped.
func (s *Stream) send(rate int) error {
	// The thread sleeps much less than the 50 µs that a timer may otherwise be late by.
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
	pause := time.Duration(streamBurst) * time.Second / time.Duration(rate)
	next := time.Now()
	for {
		for _, one := range s.senders {
			if s.stop.Load() {
				return nil
			}
			if err := one.burst(&s.stop); err != nil {
				return err
			}
			next = next.Add(pause)
			now := time.Now()
			switch wait := next.Sub(now); {
			case wait > 60*time.Microsecond:
				t := unix.NsecToTimespec(int64(wait - 50*time.Microsecond))
				_ = unix.Nanosleep(&t, nil)
			case wait < -2*time.Millisecond: // too late, and no crowd of packets makes up for it
				next = now
			}
			for time.Now().Before(next) { // no sleep is that short
			}
		}
	}
}

func (s *sender) burst(stop *atomic.Bool) error {
	for _, b := range s.buffers {
		binary.BigEndian.PutUint16(b[s.at:], s.port)
		check := fold(s.sum + uint32(s.port))
		if check == 0 { // no checksum at all in UDP, and the same number in TCP
			check = 0xffff
		}
		binary.BigEndian.PutUint16(b[s.check:], check)
		if s.fresh {
			if s.port++; s.port == 0 {
				s.port = freshPort
			}
		}
	}
	for done := 0; done < streamBurst; {
		n, _, code := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(s.socket), uintptr(unsafe.Pointer(&s.messages[done])), uintptr(streamBurst-done), 0, 0, 0)
		switch code {
		case 0:
			done, s.sent = done+int(n), s.sent+int(n)
		case unix.EPERM: // the rules for what leaves, or the recorder behind them, have dropped it
			done, s.sent = done+1, s.sent+1
		case unix.ENOBUFS, unix.EAGAIN, unix.EINTR:
			if stop.Load() {
				return nil
			}
		default:
			return fmt.Errorf("sending a stream: %w", code)
		}
	}
	return nil
}

// read is what has been counted, before the first rule and behind the last, by flow. The
// first is read after the second, so that a packet on its way is never in the second alone.
func (s *Stream) read() (arrived, passed []int, err error) {
	if _, passed, err = s.counters(); err != nil {
		return nil, nil, err
	}
	arrived, _, err = s.counters()
	return arrived, passed, err
}

// errTorn is a list of counters that is not whole: somebody has changed rules meanwhile.
var errTorn = errors.New("the list of counters is not whole")

func (s *Stream) counters() (arrived, passed []int, err error) {
	arrived, passed = make([]int, len(s.flows)), make([]int, len(s.flows))
	seen := map[string]bool{}
	err = nftables(unix.NFT_MSG_GETOBJ, unix.NLM_F_DUMP, func(b []byte) {
		name := strings.TrimRight(string(within(b, unix.NFTA_OBJ_NAME)), "\x00")
		v := within(b, unix.NFTA_OBJ_DATA, unix.NFTA_COUNTER_PACKETS)
		to, number := arrived, strings.TrimPrefix(name, "arrived")
		if rest, ok := strings.CutPrefix(name, "passed"); ok {
			to, number = passed, rest
		}
		var i int
		if _, err := fmt.Sscanf(number, "%d", &i); err == nil && i < len(to) && len(v) == 8 {
			to[i], seen[name] = int(binary.BigEndian.Uint64(v)), true
		}
	}, attr(unix.NFTA_OBJ_TABLE, append([]byte(streamTable), 0)), attr(unix.NFTA_OBJ_TYPE, binary.BigEndian.AppendUint32(nil, unix.NFT_OBJECT_COUNTER)))
	if err == nil && len(seen) != 2*len(s.flows) {
		err = errTorn
	}
	if err != nil {
		return nil, nil, fmt.Errorf("the counters of a stream: %w", err)
	}
	return arrived, passed, nil
}

// watch looks at the counters until the stream is stopped, so that what goes wrong has its
// time.
func (s *Stream) watch() error {
	for !s.stop.Load() {
		time.Sleep(sampleEvery)
		at := time.Since(s.start)
		arrived, passed, err := s.read()
		if errors.Is(err, errTorn) {
			continue // the next one tells
		}
		if err != nil {
			return err
		}
		s.note(at, arrived, passed)
	}
	return nil
}

func (s *Stream) note(at time.Duration, arrived, passed []int) {
	wrong := make([]int, len(s.flows))
	for i, f := range s.flows {
		if wrong[i] = passed[i]; f.Allowed {
			wrong[i] = arrived[i] - passed[i]
		}
	}
	s.samples = append(s.samples, sample{at, wrong})
}

// Stop ends the stream and tells what has become of it. It waits until each packet that was
// sent has arrived, for a second at most.
func (s *Stream) Stop() (*Tally, error) {
	s.stop.Store(true)
	err := errors.Join(<-s.sent, <-s.sampled)
	took := time.Since(s.start)
	defer s.close()
	var arrived, passed []int
	for wait := time.Millisecond; err == nil && wait < time.Second; wait *= 2 {
		time.Sleep(wait) // also for the last packet, which may be between its two counters
		arrived, passed, err = s.read()
		if errors.Is(err, errTorn) {
			err = nil
			continue
		}
		if err == nil && slices.EqualFunc(arrived, s.senders, func(n int, one *sender) bool { return n == one.sent }) {
			time.Sleep(5 * time.Millisecond)
			arrived, passed, err = s.read()
			break
		}
	}
	if err == nil && arrived == nil {
		err = errTorn
	}
	if _, e := Run("", "nft", "delete", "table", "inet", streamTable); err == nil {
		err = e // it may be somebody's business to delete it, and then nothing was counted
	}
	if err != nil {
		return nil, err
	}
	s.note(took, arrived, passed)
	t := &Tally{Took: took}
	for i, f := range s.flows {
		one := FlowTally{Flow: f, Sent: s.senders[i].sent, Arrived: arrived[i], Passed: passed[i]}
		if one.Arrived > one.Sent || one.Passed > one.Arrived {
			return nil, fmt.Errorf("flow %s: %d packets were sent, %d arrived, %d came through", f.Name, one.Sent, one.Arrived, one.Passed)
		}
		one.Harm = s.harm(i)
		t.Flows = append(t.Flows, one)
	}
	return t, nil
}

// harm is when packets of a flow went wrong. A packet that a sample has caught on its way is
// not in a later one, so what was really wrong at a time is the least of that sample and all
// behind it.
func (s *Stream) harm(flow int) []Harm {
	least := make([]int, len(s.samples))
	n := s.samples[len(s.samples)-1].wrong[flow]
	for i, x := range slices.Backward(s.samples) {
		n = min(n, x.wrong[flow])
		least[i] = n
	}
	var out []Harm
	before, since := 0, time.Duration(0)
	for i, x := range s.samples {
		if more := least[i] - before; more > 0 {
			if last := len(out) - 1; last >= 0 && out[last].To == since {
				out[last].To, out[last].Packets = x.at, out[last].Packets+more
			} else {
				out = append(out, Harm{since, x.at, more})
			}
		}
		before, since = least[i], x.at
	}
	return out
}
