package verify

import (
	"strings"

	"portolan/internal/ruleset"
	"portolan/internal/source"
)

// netshProgram is the SHA-256 of all lines of the batch file that are not data.
const netshProgram = "3f9b00169c4956a8720336dcf31acb378f9861300e8a2e91b75df14444d8bb90"

// Longer lines cmd.exe cuts.
const maxCmdLine = 8191

// ParseNetsh reads a batch file of ours into the ruleset that Windows Firewall is after
// running it, where it speaks of what leaves, with block-outbound.
func ParseNetsh(f *source.File) (*ruleset.Ruleset, error) {
	h := newWinHost(f)
	program := programOf{comment: "rem "}
	inRules, outbound := false, ""
	for l := range lines(f) {
		if err := l.plain(); err != nil {
			return nil, err
		}
		switch {
		case !strings.HasSuffix(l.whole(), "\r"):
			return nil, l.errorf("a line without a carriage return at its end, and cmd.exe may look for labels in the middle of lines")
		case len(l.whole()) > maxCmdLine-2:
			return nil, l.errorf("longer than cmd.exe takes")
		case l.text == "rem" || strings.HasPrefix(l.text, "rem "):
			// cmd.exe looks for some characters before it knows that a line is a remark.
			if inRules || strings.ContainsAny(l.text, `%^&|<>!"?`) {
				return nil, l.errorf("a remark that cmd.exe may take for more")
			}
			if outbound == "" {
				continue // the header
			}
		case outbound == "":
			if value, ok := strings.CutPrefix(l.text, `set "PL_OUTBOUND=`); ok {
				switch outbound = value; value {
				case `block"`:
					h.blockOutbound()
				case `allow"`:
				default:
					return nil, l.errorf("not what happens to what leaves")
				}
				continue
			}
		case l.text == ":rules":
			inRules = true
		case inRules && l.text == "exit /b 0":
			inRules = false
		case inRules:
			if err := h.netshRule(l); err != nil {
				return nil, err
			}
			continue
		}
		program.line(l)
	}
	if sum := program.sum(); sum != netshProgram {
		return nil, unfamiliar(f, sum)
	}
	return h.rs, nil
}

// netshRule reads `call :%1 PL-ssh-0123456789ab "dir=in action=allow ..."`.
func (h *winHost) netshRule(l line) error {
	rest, ok := strings.CutPrefix(l.text, "call :%1 ")
	name, arguments, cut := strings.Cut(rest, " ")
	arguments, closed := strings.CutSuffix(arguments, `"`)
	arguments, opened := strings.CutPrefix(arguments, `"`)
	if !ok || !cut || !opened || !closed || strings.ContainsAny(arguments, "\"%^&|<>!()\t") {
		return l.errorf("not a rule")
	}
	r := &winRule{name: name}
	// The arguments stand in one order, each at most once.
	fields := strings.Split(arguments, " ")
	take := func(key string) (string, bool) {
		if len(fields) == 0 {
			return "", false
		}
		value, ok := strings.CutPrefix(fields[0], key+"=")
		if ok {
			fields = fields[1:]
		}
		return value, ok
	}
	var types string
	direction, ok1 := take("dir")
	action, ok2 := take("action")
	protocol, ok3 := take("protocol")
	if !ok1 || !ok2 || !ok3 || action != "allow" {
		return l.errorf("not an allow rule with a direction and a protocol")
	}
	r.direction = direction
	if r.protocol, types, ok = strings.Cut(protocol, ":"); ok {
		if types, ok = strings.CutSuffix(types, ",any"); !ok {
			return l.errorf("not an ICMP type with any code")
		}
		r.types = []string{types}
	}
	if list, ok := take("localport"); ok {
		r.local = strings.Split(list, ",")
	}
	if list, ok := take("remoteport"); ok {
		r.remote = strings.Split(list, ",")
	}
	list, ok := take("remoteip")
	if !ok {
		return l.errorf("no remoteip")
	}
	var err error
	if r.peers, err = l.winPeers(strings.Split(list, ","), "any"); err != nil {
		return err
	}
	if strings.Join(fields, " ") != "profile=any enable=yes" {
		return l.errorf("not a rule that is switched on in every profile")
	}
	return h.add(l, l, r)
}
