package apply

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"portolan/internal/nft"
)

// attempts bounds how often a change is begun anew because somebody else changed the tables.
// Before the second time it waits for a moment, and twice as long before each further one, so
// that it outlives a program that writes its rules one by one, such as one that starts
// containers: all ten take a third of a second, and no longer than the change itself takes
// where others write all the time.
const (
	attempts     = 10
	firstPause   = time.Millisecond
	longestPause = 100 * time.Millisecond
)

// selfConfirm is how long the kernel keeps a change that nobody is asked about: as long as it
// takes to read it back, to prove it and to probe, on a slow machine. Whoever dies in this time
// leaves the old rules.
const selfConfirm = 30 * time.Second

// recent is how old a state may be from which a change is confirmed without another look, when
// the kernel says that nobody came between: counters go on from what they were in it.
const recent = 100 * time.Millisecond

// Errors that say that nothing was changed.
var (
	ErrPending      = errors.New("a change still waits to be confirmed: confirm it or roll it back first")
	ErrNotPending   = errors.New("no change waits to be confirmed")
	ErrExpired      = errors.New("nobody confirmed in time: the kernel is back on the rules from before")
	ErrOtherPending = errors.New("what waits to be confirmed is not what is wanted: roll it back and apply again")
)

// WentBack says that a change was in the kernel and is not any more, and why.
type WentBack struct{ Cause error }

func (w WentBack) Error() string { return "went back to the rules from before: " + w.Cause.Error() }

// Unwrap is the cause.
func (w WentBack) Unwrap() error { return w.Cause }

// Options say how a change is made.
type Options struct {
	// Plan is a plan to the wanted table that somebody has looked at, or nil. When it is still
	// from what the kernel has, which the kernel says when it gets the first batch, nothing is
	// read and planned again before that. It does not count when it is empty, when something is
	// left over from a change that nobody confirmed, or when counters go on in rules that are
	// written anew: packets were counted since it was made.
	Plan *Plan
	// Within is how long the kernel keeps the change when nobody confirms it. With 0 it is
	// taken into force at once.
	Within time.Duration
	// Before is asked once, before anything is sent that packets can notice: an error means that
	// nothing is changed. What is made before that no packet meets. nil is fine.
	Before func() error
	// Prove is asked of what was read back after every change that packets meet; an error
	// means that it has to go back. While the change waits to be confirmed, the old rules are in the
	// state as well. It is asked, too, when there is nothing to change. It is asked while another
	// goroutine compares the same state with what was sent, so it must not change the state. nil
	// proves nothing more than that the kernel has what was sent.
	Prove func(*State) error
	// Alive is asked once, when a change is in force and proved for the first time: an error means
	// that it has to go back. nil is fine.
	Alive func() error
	// Probe is asked while the change is in force and the kernel would still go back by itself;
	// an error means that it goes back. It counts only when Within is 0. Without it elements
	// are changed where they are, when that is all there is to change.
	Probe func(context.Context) error
	// Journal hears of each step; nil for nobody.
	Journal func(Event)
}

// An Event is one step that was taken.
type Event struct {
	Step    string // "read", "prepare", "change", "tidy", "prove", "probe" or "back"
	Attempt int    // from 1 on
	Changes int    // that were sent
	Err     error  // why it failed
}

// An Outcome is what became of a change. States are nil when they could not be read.
type Outcome struct {
	Before *State // as it was found
	// After is what is there now. It was read after the change; what was taken away behind
	// that, to which nothing led, is left out, and then it has no Raw.
	After    *State
	Sent     int       // changes, each element by itself
	Batches  int       // in which they were sent
	InPlace  bool      // elements were changed where they are
	Until    time.Time // when the kernel goes back if nobody confirms; zero when nothing is pending
	Attempts int       // 1 when nobody came between
}

// A run is one change on its way.
type run struct {
	fw    Firewall
	want  *nft.Table
	o     Options
	out   *Outcome
	codes codes
	tries int       // that somebody else spoiled
	begun bool      // whether Before was asked
	asked bool      // whether all is alive
	at    time.Time // of the last reading
}

func newRun(fw Firewall, want *nft.Table, o Options) *run {
	r := &run{fw: fw, want: want, o: o, out: &Outcome{Attempts: 1}}
	if p := o.Plan; p != nil && p.Want == want {
		r.codes = p.codes
	} else {
		r.codes = newCodes(want)
	}
	return r
}

func (r *run) tell(step string, changes int, err error) {
	if r.o.Journal != nil {
		r.o.Journal(Event{step, r.out.Attempts, changes, err})
	}
}

func (r *run) read() (*State, error) {
	s, err := r.fw.Read()
	r.tell("read", 0, err)
	if err == nil {
		if r.out.Before == nil {
			r.out.Before = s
		}
		r.out.After, r.at = s, time.Now()
	}
	return s, err
}

// send commits a batch to the given generation and moves that on. Nothing is sent of an empty
// one.
func (r *run) send(step string, generation *uint32, b Batch) error {
	if len(b) == 0 {
		return nil
	}
	err := r.fw.Commit(*generation, b)
	r.tell(step, b.count(), err)
	if err != nil {
		return err
	}
	r.out.Sent += b.count()
	r.out.Batches++
	*generation = following(*generation)
	return nil
}

// following is the generation behind another one. The kernel leaves out 0 (nf_tables_commit in
// net/netfilter/nf_tables_api.c).
func following(generation uint32) uint32 { return max(generation+1, 1) }

// again does something until nobody comes between, a bounded number of times for all that
// belongs to one change.
func (r *run) again(ctx context.Context, what func() error) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := what()
		if went := (WentBack{}); !errors.Is(err, ErrChanged) || errors.As(err, &went) {
			return err
		}
		if r.tries++; r.tries >= attempts {
			return fmt.Errorf("%w, %d times in a row: try again when it is quiet", err, attempts)
		}
		r.out.Attempts++
		select {
		case <-ctx.Done():
		case <-time.After(min(firstPause<<(r.tries-1), longestPause)):
		}
	}
}

// atLast does something that must not be given up because of what was tried before, or because
// nobody waits for it any more.
func (r *run) atLast(what func() error) error {
	tries := r.tries
	r.tries = 0
	err := r.again(context.Background(), what)
	r.tries = max(r.tries, tries)
	return err
}

// Apply makes the kernel's table the wanted one; it is deleted when want is nil. When nothing
// is to be changed, nothing is sent. What is left over from a change that nobody confirmed in
// time is taken away first, but one that still waits is ErrPending. With Within, Outcome.Until
// says until when the change waits; it is zero when no packet notices any difference. Where packets
// meet no table, and neither Within nor Probe nor Alive is set, the table is proved asleep and then
// woken up.
//
// An error that is no WentBack says that the change is not in force, or that it is not known;
// then it says so. A context that ends stops what has not come into force.
func Apply(ctx context.Context, fw Firewall, want *nft.Table, o Options) (*Outcome, error) {
	r := newRun(fw, want, o)
	return r.out, r.again(ctx, func() error { return r.apply(ctx) })
}

func (r *run) apply(ctx context.Context) error {
	if p := r.o.Plan; p != nil && p.Want == r.want && r.out.Before == nil && !p.Empty() && !p.Live.leftBehind() && !p.takesOver() {
		r.out.Before, r.out.After = p.Live, p.Live
		return r.carryOut(ctx, p)
	}
	live, err := r.read()
	if err != nil {
		return err
	}
	if left, _ := live.PendingLeft(); left > 0 {
		return ErrPending
	}
	if live.leftBehind() {
		if err := r.giveUp(live); err != nil {
			return err
		}
		if live, err = r.read(); err != nil {
			return err
		}
	}
	plan, err := newPlan(live, r.want, r.codes)
	if err != nil {
		return err
	}
	return r.carryOut(ctx, plan)
}

// carryOut changes the kernel from a state in which nothing is pending or left over.
func (r *run) carryOut(ctx context.Context, plan *Plan) error {
	generation := plan.Live.Generation
	within := r.o.Within
	switch {
	case plan.Empty():
		return r.prove(plan.Live, func() error { return nil })
	case within == 0 && r.o.Probe == nil && plan.InPlace():
		return r.inPlace(plan)
	case within == 0 && r.o.Probe == nil && r.o.Alive == nil && plan.fromNothing():
		return r.first(ctx, plan)
	case within == 0:
		within = selfConfirm
	}
	if err := r.before(); err != nil {
		return err
	}
	prepare, flip, err := plan.arm(within, r.codes)
	if err != nil {
		return err
	}
	if len(flip) == 0 { // no packet notices
		if err := r.send("prepare", &generation, plan.prepare); err != nil {
			return err
		}
		if err := r.send("change", &generation, plan.flip); err != nil {
			return err
		}
		return r.settle()
	}
	if err := r.send("prepare", &generation, prepare); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil { // what was made is taken away again by whoever comes next
		return err
	}
	if err := r.send("change", &generation, flip); err != nil {
		return r.unless(err, ErrChanged)
	}
	if err := r.pending(); err != nil {
		return r.goBack(err)
	}
	if r.o.Within > 0 {
		left, _ := r.out.After.PendingLeft()
		r.out.Until = time.Now().Add(left)
		return nil
	}
	if r.o.Probe != nil {
		err := r.o.Probe(ctx)
		r.tell("probe", 0, err)
		if err != nil {
			return r.goBack(err)
		}
	}
	if err = ctx.Err(); err == nil {
		err = ErrChanged
		if time.Since(r.at) < recent {
			err = r.takeIn(r.out.After)
		}
		if errors.Is(err, ErrChanged) {
			err = r.again(ctx, r.confirm)
		}
	}
	if err != nil {
		return r.goBack(err)
	}
	if err := r.settle(); err != nil {
		return unproved(err)
	}
	return nil
}

// unproved says that there is no way back any more, unless somebody else came between, who is
// answered with another attempt.
func unproved(err error) error {
	if errors.Is(err, ErrChanged) {
		return err
	}
	return fmt.Errorf("the change is in force and cannot be proved: %w", err)
}

// unless is an error that leaves open whether the batch was committed; the change is given
// up then. One of the given kind says that it was not.
func (r *run) unless(err, not error) error {
	if errors.Is(err, not) {
		return err
	}
	return r.goBack(err)
}

// pending reads a change back that waits to be confirmed.
func (r *run) pending() error {
	live, err := r.read()
	if err != nil {
		return err
	}
	if left, pending := live.PendingLeft(); !pending {
		return errors.New("what was read back is not pending")
	} else if left == 0 {
		return ErrExpired
	}
	return r.prove(live, func() error { return isPending(live, r.want, r.codes) })
}

// prove compares a state with what was sent, and has it proved at the same time. When both are
// wrong, the comparison says so first: a proof of something else is none.
func (r *run) prove(s *State, compare func() error) error {
	var proved error
	var wait sync.WaitGroup
	if r.o.Prove != nil {
		wait.Go(func() { proved = r.o.Prove(s) })
	}
	err := compare()
	wait.Wait()
	if err != nil {
		return err
	}
	if r.o.Prove != nil {
		r.tell("prove", 0, proved)
	}
	if proved != nil || r.o.Alive == nil || r.asked {
		return proved
	}
	r.asked = true // once: when the change is taken into force for good, there is no way back
	return r.o.Alive()
}

// inPlace changes elements where they are, and changes them back when that cannot be proved.
func (r *run) inPlace(p *Plan) error {
	if err := r.before(); err != nil {
		return err
	}
	generation := p.Live.Generation
	if err := r.send("prepare", &generation, p.prepare); err != nil {
		return err
	}
	err := r.send("change", &generation, p.flip)
	if errors.Is(err, ErrChanged) {
		return err
	}
	r.out.InPlace = true
	if err == nil {
		err = r.settle()
	}
	if err == nil || errors.Is(err, ErrChanged) { // what was left to do is tidying
		return err
	}
	undo := func() error {
		live, err := r.read()
		if err != nil {
			return err
		}
		var b Batch
		for _, s := range p.edited {
			set := live.Sets[s.Name]
			if set == nil {
				return fmt.Errorf("%s is not there any more", s.Name)
			}
			gone, fresh := between(set.Elements, s.live.Elements)
			b = append(b, elementChanges(s.SetSpec, gone, fresh)...)
		}
		generation := live.Generation
		if err := r.send("back", &generation, b); err != nil {
			return err
		}
		if live, err = r.read(); err != nil {
			return err
		}
		return r.giveUp(live)
	}
	if undoErr := r.atLast(undo); undoErr != nil {
		return fmt.Errorf("the change is in force and cannot be proved: %w; going back: %w", err, undoErr)
	}
	return WentBack{err}
}

// first puts a table where no packet met one. It is made asleep, read back and proved, and then
// woken up: so who dies on the way leaves everything as open as it was, and nothing has to be
// tidied up behind it, for which a process would wait.
func (r *run) first(ctx context.Context, p *Plan) error {
	generation := p.Live.Generation
	if err := r.send("prepare", &generation, p.asleep()); err != nil {
		return err
	}
	err := r.wakeUp(ctx)
	if err == nil || errors.Is(err, ErrChanged) {
		return err
	}
	if undoErr := r.atLast(r.remove); undoErr != nil {
		return fmt.Errorf("%w; going back: %w", err, undoErr)
	}
	if u, ok := errors.AsType[unready](err); ok {
		return u.error
	}
	return WentBack{err}
}

// unready is why a change was given up that nothing was wrong with.
type unready struct{ error }

// before asks whether packets may notice a change from now on.
func (r *run) before() error {
	if r.begun || r.o.Before == nil {
		return nil
	}
	r.begun = true
	return r.o.Before()
}

// wakeUp reads back the table that sleeps, proves what it would do, and wakes it up.
func (r *run) wakeUp(ctx context.Context) error {
	live, err := r.read()
	if err != nil {
		return err
	}
	awake := live.awake()
	if err := r.prove(awake, func() error {
		rest, err := newPlan(awake, r.want, r.codes)
		if err == nil && !rest.Empty() {
			err = fmt.Errorf("what was read back is not what was sent: %v", rest.Differences())
		}
		return err
	}); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return unready{err}
	}
	if err := r.before(); err != nil {
		return unready{err}
	}
	if err := r.send("change", &awake.Generation, Batch{AddTable{}}); err != nil {
		return err
	}
	r.out.After = awake
	return nil
}

// remove takes the table away.
func (r *run) remove() error {
	live, err := r.read()
	if err != nil || !live.Exists {
		return err
	}
	plan, err := newPlan(live, nil, newCodes(nil))
	if err != nil {
		return err
	}
	generation := live.Generation
	if err := r.send("prepare", &generation, plan.prepare); err != nil {
		return err
	}
	if err := r.send("back", &generation, plan.flip); err != nil {
		return err
	}
	_, err = r.read()
	return err
}

// settle reads back what came into force, proves it and takes away what nothing leads to any
// more. It is ErrChanged when only that was spoiled. What the kernel refuses the last time is no
// error: the change is in force and proved all the same, and the next plan takes the rest away.
func (r *run) settle() error {
	live, err := r.read()
	if err != nil {
		return err
	}
	var rest *Plan
	if err := r.prove(live, func() (err error) {
		if rest, err = newPlan(live, r.want, r.codes); err == nil && !rest.InForce() {
			err = fmt.Errorf("what was read back is not what was sent: %v", rest.Differences())
		}
		return err
	}); err != nil {
		return err
	}
	generation := live.Generation
	if err := r.tidy(&generation, rest.tidy); err != nil {
		if r.lastTime() {
			return nil
		}
		return err
	}
	if len(rest.tidy) > 0 {
		r.out.After = live.after(generation, rest.tidy)
	}
	return nil
}

// lastTime reports whether nothing is begun anew any more when somebody else comes between.
func (r *run) lastTime() bool { return r.tries+1 >= attempts }

// tidy takes away what nothing leads to. The last time that is done whatever others change at
// the same time, so that who writes rules of his own all the time does not make a change fail
// that is in force: the kernel itself refuses to take away what a rule or an element names. A
// table goes only when nobody has changed it.
func (r *run) tidy(generation *uint32, b Batch) error {
	err := r.send("tidy", generation, b)
	if !errors.Is(err, ErrChanged) || !r.lastTime() || slices.Contains(b, Change(DeleteTable{})) {
		return err
	}
	whatever := uint32(0)
	if err = r.send("tidy", &whatever, b); err == nil {
		*generation = following(*generation)
	}
	return err
}

// after is a state behind a third batch.
func (s *State) after(generation uint32, tidy Batch) *State {
	a := &State{
		Generation: generation, Exists: s.Exists,
		Limits: maps.Clone(s.Limits), Sets: maps.Clone(s.Sets), Chains: maps.Clone(s.Chains),
	}
	for _, c := range tidy {
		switch c := c.(type) {
		case DeleteLimit:
			delete(a.Limits, c.Name)
		case DeleteSet:
			delete(a.Sets, c.Name)
		case DeleteChain:
			delete(a.Chains, c.Name)
		case SetPolicy:
			chain := *a.Chains[c.Name]
			chain.Policy = c.Policy
			a.Chains[c.Name] = &chain
		case DeleteTable:
			return &State{Generation: generation, Limits: map[string]*Limit{}, Sets: map[string]*Set{}, Chains: map[string]*Chain{}}
		}
	}
	return a // all that is strange is taken away with the rest
}

// Confirm takes into force for good what waits to be confirmed, if that is the wanted table;
// otherwise it is ErrOtherPending. It is ErrNotPending when nothing waits and ErrExpired when the
// kernel went back; when time runs out on the way, the kernel refuses the batch, so that what
// is said here is what is so. Of the options, Prove and Journal count.
func Confirm(ctx context.Context, fw Firewall, want *nft.Table, o Options) (*Outcome, error) {
	r := newRun(fw, want, o)
	if err := r.again(ctx, r.confirm); err != nil {
		return r.out, err
	}
	if err := r.again(context.Background(), r.settle); err != nil {
		return r.out, unproved(err)
	}
	return r.out, nil
}

// confirm takes what waits into force, and leaves it to settle what came of it.
func (r *run) confirm() error {
	live, err := r.read()
	if err != nil {
		return err
	}
	left, pending := live.PendingLeft()
	switch {
	case !pending:
		return ErrNotPending
	case left == 0:
		return ErrExpired
	}
	if err := isPending(live, r.want, r.codes); err != nil {
		return err
	}
	return r.takeIn(live)
}

// takeIn takes into force for good what waits in a state.
func (r *run) takeIn(live *State) error {
	plan, err := newPlan(live, r.want, r.codes)
	if err != nil {
		return err
	}
	generation := live.Generation
	if err := r.send("prepare", &generation, plan.prepare); err != nil {
		return err
	}
	if err := r.send("change", &generation, plan.flip); err != nil {
		if errors.Is(err, ErrChanged) {
			return err
		}
		// It may have been committed, or time may have run out.
		now, readErr := r.read()
		if readErr != nil {
			return errors.Join(err, readErr)
		}
		if left, pending := now.PendingLeft(); pending && left == 0 {
			return ErrExpired
		} else if pending {
			return err
		}
	}
	return nil
}

// Back gives up a change that waits to be confirmed, or that was not confirmed in time, and
// takes away what was made for it. Without one, it takes away what nothing leads to, and sends
// nothing when there is nothing.
func Back(ctx context.Context, fw Firewall) (*Outcome, error) {
	r := newRun(fw, nil, Options{})
	return r.out, r.again(ctx, r.back)
}

func (r *run) back() error {
	live, err := r.read()
	if err != nil {
		return err
	}
	return r.giveUp(live)
}

// giveUp takes away a change that is not confirmed.
func (r *run) giveUp(live *State) error {
	flip, tidy := back(live)
	generation := live.Generation
	if err := r.send("back", &generation, flip); err != nil {
		return err
	}
	if err := r.tidy(&generation, tidy); err != nil {
		return err
	}
	if len(flip)+len(tidy) == 0 {
		return nil
	}
	_, err := r.read()
	return err
}

// goBack gives the change up because of an error. It does not ask a context that may be over.
func (r *run) goBack(cause error) error {
	if err := r.atLast(r.back); err != nil {
		return fmt.Errorf("%w; going back: %w; the kernel goes back by itself", cause, err)
	}
	return WentBack{cause}
}
