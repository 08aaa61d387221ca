package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"portolan/internal/history"
	"portolan/internal/report"
	"portolan/internal/ruleset"
	"portolan/render"
)

// statusFormats are the formats of status.
var statusFormats = []string{"text", "json", "prometheus"}

func (a *app) statusCommand() *cobra.Command {
	p := pilot{app: a}
	var format, output string
	var exitCode, past bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "say what firewall is in force on this host, since when and by whom",
		Long: `Status says which state was applied last, when, by whom and from which policy, whether a
change waits to be confirmed, what somebody changed by hand since, and how many packets
each service got. It looks at the kernel and needs root; the configuration of services
plays no part.

With --exit-code it ends with 1 when the kernel is not what was applied last. With
--format prometheus it writes metrics for the textfile collector of node_exporter; with
--output into a file, which is replaced at once.`,
		Example: `  portolan status
  portolan status --history
  portolan status --format prometheus --output /var/lib/prometheus/node-exporter/portolan.prom`,
		Args: noArgs,
		RunE: p.command(func(cmd *cobra.Command, _ []string) (err error) {
			if !slices.Contains(statusFormats, format) {
				return usage("--format: there is no format %q: use one of %s", format, strings.Join(statusFormats, ", "))
			}
			if err := p.open(); err != nil {
				return err
			}
			defer p.close(&err)
			s, err := p.status()
			if err != nil {
				return err
			}
			var text bytes.Buffer
			switch format {
			case "json":
				err = writeJSON(&text, s.json())
			case "prometheus":
				err = s.metrics(&text)
			default:
				s.text(&text, past)
			}
			if err != nil {
				return err
			}
			if output != "" {
				err = replaceFile(output, text.Bytes())
			} else if _, err = a.stdout.Write(text.Bytes()); err != nil {
				err = fmt.Errorf("writing the status: %w", err)
			}
			if err == nil && exitCode && s.drifted() {
				err = &exitError{code: exitFindings}
			}
			return err
		}),
	}
	p.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&format, "format", "text", strings.Join(statusFormats, ", "))
	f.StringVarP(&output, "output", "o", "", "write into `FILE` instead of to standard output")
	f.BoolVar(&exitCode, "exit-code", false, "end with 1 when the kernel is not what was applied last")
	f.BoolVar(&past, "history", false, "list the states that can be gone back to")
	completeWords(cmd, "format", statusFormats...)
	return cmd
}

// A status is what is known of the firewall of this host.
type status struct {
	*standing
	list     *history.List
	counters []tally
}

// status asks the kernel and the states.
func (p *pilot) status() (*status, error) {
	l, err := p.read()
	if err != nil {
		return nil, err
	}
	st, err := p.standing(l)
	if err != nil {
		return nil, err
	}
	list, err := p.store.List()
	if err != nil {
		return nil, err
	}
	return &status{standing: st, list: list, counters: st.naming().tallies(st.live.state.Counters())}, nil
}

// text is the status in words.
func (s *status) text(w io.Writer, past bool) {
	line := func(format string, args ...any) {
		fmt.Fprintln(w, report.Printable(fmt.Sprintf(format, args...)))
	}
	line("in force: %s", s.inForce())
	left, pending := s.live.state.PendingLeft()
	switch change := s.list.Pending; {
	case change == nil:
	case change.Err != nil && pending:
		line("change:   what waits cannot be confirmed: %s", change.Err)
	case change.Err != nil:
		line("left:     %s", change.Err)
	case pending && left > 0:
		line("change:   %s of %s by %s, until %s", change.Policy, change.Time.UTC().Format(timeLayout), change.By, change.Until.UTC().Format(timeLayout))
	case pending:
		line("change:   %s of %s by %s, given up at %s", change.Policy, change.Time.UTC().Format(timeLayout), change.By, change.Until.UTC().Format(timeLayout))
	default:
		line("left:     a change to %s of %s by %s was begun and is not in force; the next apply takes its trace away", change.Policy, change.Time.UTC().Format(timeLayout), change.By)
	}
	switch {
	case s.last == nil:
	case pending && left > 0:
		line("before:   %s", s.lastName())
	default:
		line("policy:   %s, SHA-256 %s", s.last.Policy, s.last.PolicySum)
		line("means:    ruleset %s", s.last.Ruleset)
	}
	if strange := s.live.means().strange; strange != nil {
		line("")
		line("what the kernel has is not understood: %s", strange)
	}
	if title, drift := s.driftWords(false); len(drift) > 0 {
		line("")
		line("%s:", title)
		for _, d := range drift {
			line("  %s", d)
		}
	}
	s.counts(line)
	if !past {
		return
	}
	line("")
	if len(s.list.Kept) == 0 {
		line("no state was kept yet")
	}
	for _, k := range s.list.Kept {
		if k.Err != nil {
			line("state %d: %s", k.Number, k.Err)
			continue
		}
		text := recordName(&k.Record)
		if k.ConfirmedBy != "" && k.ConfirmedBy != k.By {
			text += ", confirmed by " + k.ConfirmedBy
		}
		if k.Note != "" {
			text += ": " + k.Note
		}
		line("%s", text)
	}
}

// counts are the counters as a table: what a policy opens, and then what every firewall has.
func (s *status) counts(line func(string, ...any)) {
	type row struct{ name, verdict, packets, bytes string }
	var rows []row
	var width row // of each column, in stars
	wider := func(w *string, text string) {
		*w = strings.Repeat("*", max(len(*w), report.Width(text)))
	}
	for i := range s.counters {
		c := &s.counters[i]
		r := row{report.Printable(c.Name), c.verdictWords(), grouped(c.Packets), amount(c.Bytes)}
		if c.Direction == ruleset.Out {
			r.name = "outgoing " + r.name
		}
		rows = append(rows, r)
		wider(&width.name, r.name)
		wider(&width.verdict, r.verdict)
		wider(&width.packets, r.packets)
		wider(&width.bytes, r.bytes)
	}
	wider(&width.packets, "packets")
	for i, r := range rows {
		policy := s.counters[i].Names != nil
		if i == 0 || policy != (s.counters[i-1].Names != nil) {
			title := map[bool]string{true: "services", false: "what every firewall has"}[policy]
			if !policy && s.last == nil && s.pending == nil {
				title = "rules"
			}
			line("")
			line("%-*s  %*s  %*s", 2+len(width.name)+2+len(width.verdict), title, len(width.packets), "packets", len(width.bytes), "bytes")
		}
		pad := strings.Repeat(" ", len(width.name)-report.Width(r.name))
		line("  %s%s  %-*s  %*s  %*s", r.name, pad, len(width.verdict), r.verdict, len(width.packets), r.packets, len(width.bytes), r.bytes)
	}
}

// replaceFile writes a file beside its place and moves it there, so that whoever reads it sees
// all of the old one or of the new one.
func replaceFile(name string, data []byte) error {
	staged, err := stage(filepath.Dir(name), render.Output{Data: data})
	if err == nil {
		if err = os.Rename(staged, name); err == nil {
			return nil
		}
	}
	if staged != "" {
		os.Remove(staged)
	}
	return fmt.Errorf("%s: %w", name, reason(err))
}
