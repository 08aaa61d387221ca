package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"portolan/internal/apply"
	"portolan/internal/history"
	"portolan/internal/nft"
	"portolan/internal/report"
	"portolan/internal/ruleset"
	"portolan/internal/source"
	"portolan/internal/verify"
	"portolan/render"
)

func (a *app) rollbackCommand() *cobra.Command {
	p := pilot{app: a}
	var c change
	cmd := &cobra.Command{
		Use:   "rollback [N]",
		Short: "give up the change that waits, or go back to an earlier state",
		Long: `Rollback without a number gives up the change that waits to be confirmed; when none
waits, it goes back to the state before the one that is in force. With a number it goes
to that state, as portolan status --history lists them; 0 takes the table away, so that
nothing is filtered.

To go to an earlier state is a change like any other: it is shown, asked about, checked
for connections of administrators, and waits to be confirmed, with the flags of apply.`,
		Example: `  portolan rollback
  portolan rollback 3 --yes --no-confirm`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usage("rollback goes to one state, and %q is one too many", args[1])
			}
			return nil
		},
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			return p.numbers(args), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
		},
		RunE: p.command(func(cmd *cobra.Command, args []string) error {
			number := -1
			if len(args) > 0 {
				n, err := strconv.Atoi(args[0])
				if err != nil || n < 0 {
					return usage("%q is not the number of a state: portolan status --history lists them", args[0])
				}
				number = n
			}
			if err := c.check(cmd); err != nil {
				return err
			}
			return p.rollback(cmd.Context(), c, number)
		}),
	}
	p.flags(cmd)
	c.flags(cmd)
	return cmd
}

// numbers are the states that can be gone back to, for a shell that completes a command, each
// with what it is.
func (p *pilot) numbers(args []string) []string {
	store, err := history.Open(p.stateDir)
	if err != nil || len(args) > 0 {
		return nil
	}
	list, err := store.List()
	if err != nil {
		return nil
	}
	var out []string
	for _, k := range list.Kept {
		if k.Err == nil {
			out = append(out, cobra.CompletionWithDesc(strconv.Itoa(k.Number), report.Printable(recordName(&k.Record))))
		}
	}
	return append(out, cobra.CompletionWithDesc("0", "no table, so that nothing is filtered"))
}

// rollback gives up what waits, or goes to a state; -1 is the one before the latest.
func (p *pilot) rollback(ctx context.Context, c change, number int) error {
	if number < 0 {
		done, err := p.giveUp(ctx, c)
		if done || err != nil {
			return err
		}
	}
	return p.change(ctx, c, func(free func()) (*aim, error) { free(); return p.earlier(number) })
}

// giveUp gives up what waits to be confirmed, and reports whether anything did.
func (p *pilot) giveUp(ctx context.Context, c change) (done bool, err error) {
	if err := p.open(); err != nil {
		return false, err
	}
	defer p.close(&err)
	var w *history.Writer
	if !c.dryRun {
		// A full disk must not keep anybody from going back.
		if w, err = p.lockIfWritable(ctx, "nothing keeps other appliers out meanwhile"); err != nil {
			return false, err
		}
	}
	if w != nil {
		defer func() { err = errors.Join(err, w.Close()) }()
	}
	state, err := p.state()
	if err != nil {
		return false, err
	}
	left, pending := state.PendingLeft()
	switch {
	case !pending:
		return false, nil
	case c.dryRun:
		p.say("a change waits to be confirmed and would be given up; nothing was changed, because of --dry-run")
		return true, nil
	}
	if _, err := apply.Back(ctx, p.kernel); err != nil {
		return false, err
	}
	if left > 0 {
		p.say("given up: the old rules are in force")
	} else {
		p.say("tidied up behind a change that nobody confirmed")
	}
	if w == nil {
		return true, nil
	}
	if err := w.DropPending(); err != nil { // the kernel knows what waits
		p.say("it is still remembered as what waits: %s", err)
	}
	return true, nil
}

// earlier is a state that was in force before; -1 is the one before the latest.
func (p *pilot) earlier(number int) (*aim, error) {
	if number == 0 {
		return p.stored(history.Record{Policy: "no policy"}, nil, "no table")
	}
	if number < 0 {
		list, err := p.store.List()
		if err != nil {
			return nil, err
		}
		before := previous(list.Kept)
		switch {
		case before == nil:
			return nil, errors.New("there is no state before the one that is in force; portolan rollback 0 takes the table away")
		case before.Err != nil:
			return nil, fmt.Errorf("the state before the one that is in force cannot be used: %w; portolan status --history lists the others", before.Err)
		}
		number = before.Number
	}
	record, table, err := p.store.Load(number)
	if err != nil {
		return nil, err
	}
	return p.stored(record, table, "state "+strconv.Itoa(number))
}

// previous is the newest state that means something else than the latest; nil when there is
// none. One that cannot be used may mean something else.
func previous(kept []history.State) *history.State {
	for i := range kept {
		if last := &kept[0]; i > 0 && (kept[i].Err != nil || last.Err != nil || kept[i].Firewall != last.Firewall || kept[i].Ruleset != last.Ruleset) {
			return &kept[i]
		}
	}
	return nil
}

// stored is an aim that was remembered; no table is a host on which everything is accepted.
func (p *pilot) stored(record history.Record, table *nft.Table, words string) (*aim, error) {
	record.Note = "back to " + words
	out := &aim{words: words, table: table, record: record, rules: everything()}
	if table != nil {
		text, err := render.NftablesText(table, render.Header{Program: "portolan " + version, Policy: record.Policy})
		if err != nil {
			return nil, err
		}
		if out.rules, err = verify.Read("nftables", []*source.File{source.New(words, text)}); err != nil {
			return nil, fmt.Errorf("what was remembered is not understood: %w", err)
		}
	}
	// Nobody has seen the text, so its lines are no places.
	place := source.New(words, nil).Span(0, 0)
	for _, c := range []*ruleset.Chain{&out.rules.Input, &out.rules.Output} {
		for i := range c.Rules {
			c.Rules[i].Origins = []source.Span{place}
		}
	}
	names := namingOf(&record)
	out.side = &side{name: words, rules: out.rules, text: true, backend: "nftables", words: func(r *ruleset.Rule) string {
		if list := names[r.Comment]; list != nil {
			return strings.Join(list, " and ") + " (" + words + ")"
		}
		return ""
	}}
	return out, nil
}
