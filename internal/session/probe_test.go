package session

import (
	"context"
	"errors"
	"net"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestParseProbe(t *testing.T) {
	for in, want := range map[string]Probe{
		"tcp:10.1.0.5:22":             {"10.1.0.5", 22},
		"tcp:[2001:db8::5]:22":        {"2001:db8::5", 22},
		"tcp:[fe80::5%eth0]:22":       {"fe80::5%eth0", 22},
		"tcp:gate.example.com:443":    {"gate.example.com", 443},
		"tcp:gate_1.example.com.:443": {"gate_1.example.com.", 443},
		"tcp:localhost:1":             {"localhost", 1},
	} {
		got, err := ParseProbe(in)
		if err != nil || got != want || got.String() != in {
			t.Errorf("%q: %+v, %v, as text %q", in, got, err, got.String())
		}
	}
	for in, why := range map[string]string{
		"":                      "it does not begin with tcp:",
		"udp:10.1.0.5:22":       "it does not begin with tcp:",
		"tcp:10.1.0.5":          "it needs a host and a port",
		"tcp:2001:db8::5:22":    "it needs a host and a port",
		"tcp:10.1.0.5:0":        `"0" is not a port from 1 to 65535`,
		"tcp:10.1.0.5:65536":    `"65536" is not a port from 1 to 65535`,
		"tcp:10.1.0.5:ssh":      `"ssh" is not a port from 1 to 65535`,
		"tcp::22":               `"" is neither an address nor a name`,
		"tcp:10.1.0:22":         `"10.1.0" is neither an address nor a name`,
		"tcp:a..b:22":           `"a..b" is neither an address nor a name`,
		"tcp:-a:22":             `"-a" is neither an address nor a name`,
		"tcp:a\x1b:22":          `"a\x1b" is neither an address nor a name`,
		"tcp:[gate.example]:22": `"gate.example" is neither an address nor a name`,
		"tcp:[10.1.0.5]:22":     "brackets are for IPv6 addresses, and only for them",
		"tcp:0.0.0.0:22":        "0.0.0.0 is not the address of one host",
		"tcp:[ff02::1]:22":      "ff02::1 is not the address of one host",
	} {
		if p, err := ParseProbe(in); err == nil || !strings.HasSuffix(err.Error(), ": "+why) {
			t.Errorf("%q: %+v, %v, want %q", in, p, err, why)
		}
	}
}

func FuzzParseProbe(f *testing.F) {
	f.Add("tcp:[fe80::5%eth0]:22")
	f.Add("tcp:gate.example.com:443")
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParseProbe(s)
		if err != nil {
			return
		}
		if again, err := ParseProbe(p.String()); err != nil || again != p {
			t.Errorf("%q is %+v, but %q is %+v, %v", s, p, p.String(), again, err)
		}
	})
}

// TestTry: how often and how long is tried, told by a clock that does not wait.
func TestTry(t *testing.T) {
	silent := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	refuses := func(context.Context) error {
		return &net.OpError{Op: "dial", Err: &net.AddrError{Err: "x"}, Net: "tcp"}
	}
	refused := func(context.Context) error { return &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED} }
	unnamed := func(context.Context) error { return &net.DNSError{Err: "no such host", Name: "gate"} }
	accepts := func(context.Context) error { return nil }
	cases := []struct {
		name     string
		attempts []func(context.Context) error
		limit    time.Duration // of the context
		want     string        // what the error has; "" for success
		tries    int
		after    time.Duration
	}{
		{"at once", []func(context.Context) error{accepts}, time.Minute, "", 1, 0},
		{"at the third time", []func(context.Context) error{silent, refuses, accepts}, time.Minute, "", 3, 4 * time.Second},
		{"never", []func(context.Context) error{silent, silent, silent}, time.Minute, "probe tcp:gate:22: no answer, tried 3 times", 3, 9 * time.Second},
		{"refused", []func(context.Context) error{refused, refused, refused}, time.Minute, "refused: the path is open both ways", 3, 2 * time.Second},
		{"no name", []func(context.Context) error{unnamed, unnamed, unnamed}, time.Minute, "the name cannot be resolved", 3, 2 * time.Second},
		{"interrupted", []func(context.Context) error{silent, silent, silent}, 4 * time.Second, context.DeadlineExceeded.Error(), 2, 4 * time.Second},
		{"interrupted between", []func(context.Context) error{refused, refused}, 500 * time.Millisecond, context.DeadlineExceeded.Error(), 1, 500 * time.Millisecond},
	}
	for _, c := range cases {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), c.limit)
			defer cancel()
			tries, begin := 0, time.Now()
			err := Probe{"gate", 22}.Try(ctx, func(ctx context.Context, network, address string) (net.Conn, error) {
				if network != "tcp" || address != "gate:22" {
					t.Errorf("%s %s", network, address)
				}
				tries++
				if err := c.attempts[tries-1](ctx); err != nil {
					return nil, err
				}
				near, far := net.Pipe()
				far.Close()
				return near, nil
			})
			got := ""
			if err != nil {
				got = err.Error()
			}
			if (c.want == "") != (err == nil) || !strings.Contains(got, c.want) || tries != c.tries || time.Since(begin) != c.after {
				t.Errorf("%s: %v after %d tries and %s", c.name, err, tries, time.Since(begin))
			}
			if c.name == "refused" && !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("the cause is lost: %v", err)
			}
		})
	}
}
