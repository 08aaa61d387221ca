package history

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"portolan/internal/nft"
)

// A Record is what people want to know of a state. Its text comes from whoever applied it and
// is untrusted. Text that is not UTF-8 comes back with marks where it is not, and a text of
// more than 4 KiB comes back cut.
type Record struct {
	// Number is from 1 on; a later state has a higher one, whatever the clock said, and no
	// number is used again. It is the name of the file. What waits to be confirmed has 0.
	Number int `json:"-"`
	// Firewall says that there is a table; without one, the state is that of a host without
	// the table "inet portolan". It is set by whoever writes the file.
	Firewall bool `json:"firewall"`

	Time        time.Time `json:"time"` // of applying
	By          string    `json:"by"`   // who applied it
	Confirmed   time.Time `json:"confirmed,omitzero"`
	ConfirmedBy string    `json:"confirmed_by,omitempty"`
	Until       time.Time `json:"until,omitzero"`          // when the kernel gives it up unless it is confirmed
	Program     string    `json:"program,omitempty"`       // the version that applied it
	Policy      string    `json:"policy,omitempty"`        // where the policy was, or what it was in words
	PolicySum   string    `json:"policy_sha256,omitempty"` // of its text, in hex
	Ruleset     string    `json:"ruleset,omitempty"`       // hash of what the policy meant
	State       string    `json:"state,omitempty"`         // hash of what the kernel had after it was applied
	// Opens is what the policy opens, closes and connects, each "ALLOW: SERVICE", in order.
	Opens []string `json:"opens,omitempty"`
	// Names are what rules are for, "ALLOW: SERVICE" as in Opens, by their comments in the kernel,
	// where these say something else. Rules for several can have the same comment.
	Names map[string][]string `json:"names,omitempty"`
	// Zones are the addresses of each zone, as ranges in order.
	Zones map[string][]string `json:"zones,omitempty"`
	Note  string              `json:"note,omitempty"` // such as "rollback to 3"
}

// longest is how many bytes of a text of a record are kept, so that a long command line keeps
// nobody from applying.
const longest = 4096

// format is the number of the form of files. A form with another number must still begin with
// a line of JSON that has "format", and a line with the SHA-256 of the first in hex.
const format = 1

// A header is the first line of a file, for people as well: head -n 1 FILE | jq.
type header struct {
	Format int `json:"format"`
	Record
	TableBytes int    `json:"table_bytes"`  // how many there are behind the second line
	TableSum   string `json:"table_sha256"` // their SHA-256 in hex
}

// Why a file cannot be used.
var (
	// ErrDamaged says that the file is not what was written.
	ErrDamaged = errors.New("the file is damaged")
	// ErrFormat says that another version of the program wrote it.
	ErrFormat = errors.New("the file is of another version of portolan")
)

// encodeHead is what a file has before the bytes of a table, which are none without a firewall.
// tableSum is their sum.
func encodeHead(r Record, table []byte, tableSum string) ([]byte, error) {
	r.Time, r.Confirmed, r.Until = r.Time.UTC(), r.Confirmed.UTC(), r.Until.UTC()
	for _, s := range []*string{&r.By, &r.ConfirmedBy, &r.Program, &r.Policy, &r.PolicySum, &r.Ruleset, &r.State, &r.Note} {
		*s = cut(*s)
	}
	b := &bytes.Buffer{}
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false) // people read it
	if err := e.Encode(header{format, r, len(table), tableSum}); err != nil {
		return nil, fmt.Errorf("what is known of the state: %w", err)
	}
	line := plain(b.Bytes())
	return append(line, sum(line)+"\n"...), nil
}

// plain is a line of JSON whose texts do nothing to a terminal. JSON itself escapes the controls
// of ASCII, but neither those above it nor what turns the direction of writing.
func plain(line []byte) []byte {
	if !slices.ContainsFunc(line, func(b byte) bool { return b >= 0x7f }) {
		return line
	}
	var out []byte
	for _, r := range string(line) {
		if r < 0x7f || unicode.IsPrint(r) {
			out = utf8.AppendRune(out, r)
			continue
		}
		for _, unit := range utf16.AppendRune(nil, r) {
			out = fmt.Appendf(out, `\u%04x`, unit)
		}
	}
	return out
}

// A keeper takes the bytes of a table as they are read.
type keeper interface {
	io.Writer
	Grow(int)
}

// decodeFile checks a file of that size and is its record, which has no number yet. A keeper that is
// not nil gets the bytes of its table, which are worth nothing after an error.
func decodeFile(file io.Reader, size int64, table keeper) (Record, error) {
	in := bufio.NewReaderSize(io.LimitReader(file, size), int(min(size, 1<<16)))
	line, err := in.ReadBytes('\n')
	var check []byte
	if err == nil {
		check, err = in.ReadBytes('\n')
	}
	if err != nil && err != io.EOF {
		return Record{}, err
	}
	if string(bytes.TrimSuffix(check, []byte("\n"))) != sum(line) {
		return Record{}, fmt.Errorf("%w: its first two lines do not fit each other", ErrDamaged)
	}
	// One of another format may have anything else in its line: only then is that asked first.
	var h header
	if err := json.Unmarshal(line, &h); err != nil || h.Format != format {
		var f struct{ Format int }
		if err := json.Unmarshal(line, &f); err != nil {
			return Record{}, fmt.Errorf("%w: its first line: %w", ErrDamaged, err)
		}
		if f.Format != format {
			return Record{}, fmt.Errorf("%w: its format is %d, and this one reads %d", ErrFormat, f.Format, format)
		}
		return Record{}, fmt.Errorf("%w: its first line: %w", ErrDamaged, err)
	}
	left := size - int64(len(line)+len(check))
	if int64(h.TableBytes) != left {
		return Record{}, fmt.Errorf("%w: its table has %d bytes instead of %d", ErrDamaged, left, h.TableBytes)
	}
	digest := sha256.New()
	to := io.Writer(digest)
	if table != nil {
		table.Grow(h.TableBytes)
		to = io.MultiWriter(digest, table)
	}
	if _, err := io.Copy(to, in); err != nil {
		return Record{}, err
	}
	if h.TableSum != hex.EncodeToString(digest.Sum(nil)) || !h.Firewall && h.TableBytes > 0 {
		return Record{}, fmt.Errorf("%w: its table is not what was written", ErrDamaged)
	}
	return h.Record, nil
}

// tableOf is the table of a file that decodeFile has checked; nil without a firewall.
func tableOf(r Record, table string) (*nft.Table, error) {
	if !r.Firewall {
		return nil, nil
	}
	t, err := decodeTable(table)
	if err != nil {
		return nil, fmt.Errorf("%w: its table: %w", ErrDamaged, err)
	}
	return t, nil
}

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

// cut is at most the longest text, of whole characters.
func cut(s string) string {
	if s = strings.ToValidUTF8(s, "\uFFFD"); len(s) <= longest {
		return s
	}
	n := longest - len("…")
	for !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}
