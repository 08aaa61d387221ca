package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"portolan/internal/draw"
	"portolan/internal/report"
)

// terminal opens a pseudo-terminal (pts(4)) of some columns: what programs write to its slave comes
// out of its master as it is, and no window shows it.
func terminal(t *testing.T, columns uint16) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("no pseudo-terminals here: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	fd := int(master.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	slave, err = os.OpenFile(fmt.Sprint("/dev/pts/", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { slave.Close() })
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Col: columns, Row: 50}); err != nil {
		t.Fatal(err)
	}
	return master, slave
}

// TestChartInATerminal: without --width a chart is as wide as the terminal, whatever COLUMNS says,
// and in colour. Where the terminal does not know how wide it is COLUMNS counts.
func TestChartInATerminal(t *testing.T) {
	sgr := regexp.MustCompile(`\x1b\[[0-9;]*m`)
	for _, c := range []struct {
		columns uint16
		env     string
		want    int
	}{
		{80, "", 80},
		{132, "200", 132},
		{200, "", 200},
		{20, "", draw.LeastColumns},
		{0, "120", 120},
		{0, "", 80},
	} {
		master, slave := terminal(t, c.columns)
		shown := make(chan []byte)
		go func() {
			all, _ := io.ReadAll(master) // fails when the slave is closed (EIO), with all that was written
			shown <- all
		}()
		var stderr bytes.Buffer
		env := map[string]string{"COLUMNS": c.env, "TERM": "xterm"}
		code := run(context.Background(), []string{"chart", "--root", "../../testdata/hosts/ivr-01"}, strings.NewReader(""), slave, &stderr, func(name string) string { return env[name] })
		slave.Close()
		if code != exitOK || stderr.Len() > 0 {
			t.Fatalf("exit code %d: %s", code, &stderr)
		}
		text := strings.ReplaceAll(string(<-shown), "\r\n", "\n")
		if !strings.Contains(text, "\x1b[1;31m╳") {
			t.Errorf("%d columns: no colour", c.columns)
		}
		text = sgr.ReplaceAllString(text, "")
		widest := 0
		for line := range strings.Lines(text) {
			widest = max(widest, report.Width(strings.TrimSuffix(line, "\n")))
		}
		var flat bytes.Buffer
		run(context.Background(), []string{"chart", "--root", "../../testdata/hosts/ivr-01", "--width", fmt.Sprint(c.want)}, strings.NewReader(""), &flat, io.Discard, func(string) string { return "" })
		if widest != c.want || text != flat.String() {
			t.Errorf("%d columns, COLUMNS=%s: %d columns wide, want %d:\n%s", c.columns, c.env, widest, c.want, text)
		}
	}
}
