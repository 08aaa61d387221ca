package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"portolan/internal/apply"
	"portolan/internal/history"
	"portolan/internal/report"
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
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
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
		},
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
	now      time.Time
	list     *history.List
	counters []apply.Counter
}

// status asks the kernel and the states.
func (p *pilot) status() (*status, error) {
	state, err := p.kernel.Read()
	if err != nil {
		return nil, err
	}
	st, err := p.standing(state)
	if err != nil {
		return nil, err
	}
	list, err := p.store.List()
	if err != nil {
		return nil, err
	}
	return &status{standing: st, now: p.now(), list: list, counters: st.live.state.Counters()}, nil
}

// text is the status in words.
func (s *status) text(w io.Writer, past bool) {
	line := func(format string, args ...any) {
		fmt.Fprintln(w, report.Printable(fmt.Sprintf(format, args...)))
	}
	line("in force: %s", s.inForce())
	if s.last != nil {
		line("policy:   %s, SHA-256 %s", s.last.Policy, s.last.PolicySum)
		line("means:    ruleset %s", s.last.Ruleset)
	}
	if s.live.strange != nil {
		line("")
		line("what the kernel has is not understood: %s", s.live.strange)
	}
	if len(s.drift) > 0 {
		line("")
		line("changed by hand since %s:", s.lastName())
		for _, d := range driftOf(s.drift) {
			line("  %s", d)
		}
	}
	if len(s.counters) > 0 {
		line("")
		width := 0
		for _, c := range s.counters {
			width = max(width, report.Width(report.Printable(c.Name)))
		}
		for _, c := range s.counters {
			line("%-8s %-*s %12d packets %15d bytes", c.Verdict, width, c.Name, c.Packets, c.Bytes)
		}
	}
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
		if k.Note != "" {
			text += ": " + k.Note
		}
		line("%s", text)
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
