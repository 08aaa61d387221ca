package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"portolan/internal/report"
	"portolan/internal/ruleset"
	"portolan/internal/source"
	"portolan/render"
)

func (a *app) verifyCommand() *cobra.Command {
	var in input
	var to, format string
	var live, between bool
	cmd := &cobra.Command{
		Use:   "verify FILE… | --live | --between OLD NEW [PATH…]",
		Short: "prove that a firewall means the policy, or say what changes",
		Long: `Verify reads the text of a firewall as render writes it and compares it with what
the policy means for the configuration of --root, or of this machine: every packet
is decided alike, or it prints one that is not, the line of the text and the line of
the policy that decide about it.

For iptables name rules.v4 and rules.v6, or the one text that render writes to
standard output. A folder stands for the texts of one firewall in it. Which firewall a
text is for is told by what it says; --to holds it to one. Where a text carries a
certificate, verify also says whether it was written for the ruleset that the policy
means now; that is no part of the verdict.

With --live it compares what the kernel has: the table inet portolan, or with
--to iptables the chains of iptables-save and ip6tables-save. It only looks.

With --between it prints which traffic changes its verdict from OLD to NEW: what is
opened, what is closed, and what changes its limits or logs, with who asked for it.
Each of the two is files of one firewall joined by commas, a folder with them, or a
policy (FILE.hcl), which is compiled for the configuration of --root, of the paths
behind NEW, or of this machine. With --live the kernel stands for OLD, and NEW alone
is named. Long lists are shortened; --format json has all of them.

Exit codes: 0 it means the policy, or nothing changes; 1 it does not; 2 usage; 3 could
not tell.`,
		Example: `  portolan verify /etc/nftables.d/portolan.nft
  portolan verify --root testdata/hosts/ivr-01 rules.v4 rules.v6
  portolan verify --live
  portolan verify --between old.nft new.nft
  portolan verify --between rules.v4,rules.v6 portolan.hcl --root testdata/hosts/ivr-01
  portolan verify --between --live portolan.hcl`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if !slices.Contains(answerFormats, format) {
				return usage("--format: there is no format %q: use one of %s", format, strings.Join(answerFormats, ", "))
			}
			if to != "" {
				if _, err := render.Find(to); err != nil {
					return usage("--to: %s", err)
				}
			}
			if live && to == "windows" {
				return usage("--live reads the kernel of Linux: on Windows run portolan.ps1 -Verify")
			}
			if between {
				return a.between(cmd.Context(), &in, args, to, live, format)
			}
			return a.verify(cmd.Context(), &in, args, to, live, format)
		},
	}
	in.inventoryFlags(cmd)
	in.policyFlag(cmd)
	cmd.Flags().StringVar(&to, "to", "", "the firewall: nftables, iptables or windows")
	cmd.Flags().BoolVar(&live, "live", false, "read what the kernel has, as root")
	cmd.Flags().BoolVar(&between, "between", false, "say which traffic changes its verdict from OLD to NEW")
	cmd.Flags().StringVar(&format, "format", "text", strings.Join(answerFormats, " or "))
	completeBackends(cmd)
	completeWords(cmd, "format", answerFormats...)
	return cmd
}

// answerFormats are the formats of commands that answer one question.
var answerFormats = []string{"text", "json"}

// verify compares one firewall with the policy.
func (a *app) verify(ctx context.Context, in *input, args []string, to string, live bool, format string) error {
	var files []*source.File
	switch {
	case live && len(args) > 0:
		return usage("name files or --live, not both")
	case live:
		if to == "" {
			to = "nftables"
		}
	case len(args) == 0:
		return usage("name the file to verify, or --live")
	case len(args) > 1 && oneText(to):
		return usage("%s is one text, and %d files are named", to, len(args))
	}
	for _, name := range args {
		named, err := textFiles(name, to)
		if err != nil {
			return err
		}
		files = append(files, named...)
	}
	var read []string // of a folder, what was read of it
	for _, f := range files {
		read = append(read, f.Name)
	}
	rules, words, err := a.ruleset(ctx, in, nil)
	if err != nil {
		return err
	}
	policy := &side{name: "the policy", rules: rules}
	var text *side
	if live {
		text, err = a.liveSide(ctx, to)
	} else {
		text, err = readSide(report.Joined(read, " and "), to, files)
	}
	if err != nil {
		return err
	}
	answer := answerOf(policy, text)
	answer.Firewall, answer.Policy = text.backend, words
	if format == "json" {
		err = writeJSON(a.stdout, answer)
	} else {
		err = answer.text(a.stdout, text.name)
	}
	if err == nil && !answer.Means {
		err = &exitError{code: exitFindings}
	}
	return err
}

// oneText reports whether a firewall of that name comes in one file.
func oneText(name string) bool {
	b, err := render.Find(name)
	return err == nil && len(b.Forms[0].Names) == 1
}

// An answer is the outcome of a comparison with the policy, as JSON writes it. Fields are
// only ever added.
type answer struct {
	Version  int      `json:"version"`
	Means    bool     `json:"means"` // the text means the policy
	Firewall string   `json:"firewall"`
	Files    []string `json:"files"`
	Policy   string   `json:"policy"`
	Ruleset  string   `json:"ruleset"` // SHA-256 of what the policy means
	Cells    int      `json:"cells"`   // of packet space that were compared
	// Certificate is "current", "other", or "none": whether the text says that it was
	// written for this ruleset.
	Certificate    string          `json:"certificate"`
	Counterexample *counterexample `json:"counterexample"` // null when it means the policy
}

// A counterexample is a packet that is decided in two ways.
type counterexample struct {
	Packet   string    `json:"packet"` // in words
	ByPolicy byASide   `json:"by_policy"`
	ByText   byASide   `json:"by_text"`
	words    [2]string // for people
}

// byASide is what one side does with a packet, and who says so.
type byASide struct {
	Verdict string `json:"verdict"`
	Words   string `json:"words"`
	Who     whoRow `json:"who"`
}

// answerOf compares a text with the policy.
func answerOf(policy, text *side) *answer {
	out := &answer{Version: 1, Ruleset: policy.rules.Hash(), Files: []string{}, Certificate: "none"}
	for _, f := range text.files {
		out.Files = append(out.Files, f.Name)
	}
	if c := text.certificate(out.Ruleset); c != "" {
		out.Certificate = c
	}
	proof := ruleset.Prove(policy.rules, text.rules)
	out.Cells = proof.Cells
	c := proof.Counterexample
	out.Means = c == nil
	if c == nil {
		return out
	}
	x, y := deciding(c.Packet, policy.rules, text.rules)
	first, second := c.Sides()
	out.Counterexample = &counterexample{
		Packet:   c.Packet.String(),
		ByPolicy: byASide{c.A.Verdict().String(), first, policy.row(x)},
		ByText:   byASide{c.B.Verdict().String(), second, text.row(y)},
		words:    [2]string{policy.name + " " + first, text.name + " " + second},
	}
	if c.Tracking() {
		return out
	}
	out.Counterexample.words[0] += " by default"
	if x != nil {
		out.Counterexample.words[0] = fmt.Sprintf("%s %s: %s", policy.name, first, policy.who(x))
	}
	out.Counterexample.words[1] += " by default"
	if y != nil && len(y.Origins) > 0 {
		place := y.Origins[0]
		name, at := place.Name(), " ("+y.Comment+")"
		if place.HasLine() {
			at = fmt.Sprintf(" at line %d (%s)", place.Position().Line, wholeLine(place))
		}
		out.Counterexample.words[1] = name + " " + second + at
	}
	return out
}

// text says the answer to people.
func (r *answer) text(w io.Writer, name string) error {
	var b strings.Builder
	if c := r.Counterexample; c != nil {
		fmt.Fprintf(&b, "%s: %s: %s; %s\n", report.Printable(name), c.Packet, report.Printable(c.words[0]), report.Printable(c.words[1]))
	} else {
		verb := "means"
		if strings.Contains(name, " and ") {
			verb = "mean"
		}
		fmt.Fprintf(&b, "%s %s %s, for every packet\n", report.Printable(name), verb, report.Printable(r.Policy))
	}
	switch {
	case r.Certificate == "current":
		b.WriteString("its certificate is for this ruleset\n")
	case r.Certificate == "other" && r.Means:
		b.WriteString("its certificate is for another ruleset that decides alike: rules have other names, or another order\n")
	case r.Certificate == "other":
		b.WriteString("its certificate is for another ruleset\n")
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("writing the answer: %w", err)
	}
	return nil
}

// A whoRow is one rule that decides, as JSON writes it.
type whoRow struct {
	Rule    string     `json:"rule"` // its name; "default" for the default
	Comment string     `json:"comment"`
	Origins []placeRow `json:"origins"` // for a policy the lines of the claim, then the line of the policy
	Text    string     `json:"text"`    // the line of a firewall's text; "" for a policy
}

type placeRow struct {
	File string `json:"file"`
	Line int    `json:"line"` // 0 where there is no line
}

// row is a rule of s, or the default for nil.
func (s *side) row(r *ruleset.Rule) whoRow {
	out := whoRow{Rule: "default", Origins: []placeRow{}}
	if r == nil {
		return out
	}
	out.Rule, out.Comment = r.Name, r.Comment
	places := r.Origins
	if s.text {
		if len(places) > 0 {
			out.Text = wholeLine(places[0])
		}
		if s.isDefault(r) {
			out.Rule = "default"
		}
	}
	for _, o := range places {
		if place := (placeRow{o.Name(), o.Position().Line}); !slices.Contains(out.Origins, place) {
			out.Origins = append(out.Origins, place)
		}
	}
	return out
}

// writeJSON writes one object.
func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("writing the answer: %w", err)
	}
	return nil
}
