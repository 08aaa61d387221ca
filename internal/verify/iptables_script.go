package verify

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"portolan/internal/source"
)

// iptablesProgram is the SHA-256 of all lines of the shell script that are not data. A
// shell cannot be read with a small grammar, so the program must be the one this version
// knows to the letter, and only the data in its here-documents is read.
const iptablesProgram = "d619d2871b96168a09740b839d30d2c6f22d6a110f61a44ae2050fc489f76144"

// The here-documents of the script, by the line that ends them.
var iptHeredocs = map[string]int{"PORTOLAN_RULES_V4": 4, "PORTOLAN_RULES_V6": 6, "PORTOLAN_SETS": 0}

// isIptablesScript reports whether f is the shell script of ours.
func isIptablesScript(f *source.File) bool {
	return bytes.HasPrefix(f.Text, []byte("#!/bin/sh\n")) && bytes.Contains(f.Text, []byte("<<'PORTOLAN_RULES_V4'\n"))
}

// script cuts a script into its parts. Lines are taken as they are, blanks and all,
// because a here-document ends only at a line that is exactly its end.
func (t *iptTexts) script(f *source.File) error {
	program := sha256.New()
	part, seen := "", map[string]bool{}
	header := true  // the comment lines that name program, policy and files
	var held []byte // comment lines: a part of the program only when code follows
	for l := range lines(f) {
		if err := l.plain(); err != nil {
			return err
		}
		begin := bytes.LastIndexByte(f.Text[:l.start], '\n') + 1
		end := len(f.Text)
		if i := bytes.IndexByte(f.Text[l.end:], '\n'); i >= 0 {
			end = l.end + i
		}
		raw := string(f.Text[begin:end])
		if part != "" && raw != part {
			if number := iptHeredocs[part]; number != 0 {
				t.families[number].lines = append(t.families[number].lines, l)
			} else if err := t.setLine(l); err != nil {
				return err
			}
			continue
		}
		part = ""
		if header && l.number > 1 {
			if strings.HasPrefix(raw, "#") && !strings.Contains(raw, "\r") {
				continue
			}
			header = false
		}
		if strings.HasPrefix(raw, "# ") && !strings.Contains(raw, "\r") {
			held = append(append(held, raw...), '\n')
			continue
		}
		program.Write(held)
		held = held[:0]
		program.Write([]byte(raw))
		program.Write([]byte{'\n'})
		_, name, _ := strings.Cut(raw, "<<'")
		name = strings.TrimSuffix(name, "'")
		number, known := iptHeredocs[name]
		if !known || raw != "\tcat <<'"+name+"'" {
			continue
		}
		if seen[name] {
			return l.errorf("a second here-document of this name")
		}
		part, seen[name] = name, true
		if number != 0 {
			if t.families[number] != nil {
				return l.errorf("a second part for this family")
			}
			t.of(number, f)
		}
	}
	if part != "" {
		return unfinished(f, part)
	}
	if !bytes.HasSuffix(f.Text, []byte("\n")) {
		return unfinished(f, "a line end")
	}
	if sum := hex.EncodeToString(program.Sum(nil)); sum != iptablesProgram {
		return unfamiliar(f, sum)
	}
	return nil
}
