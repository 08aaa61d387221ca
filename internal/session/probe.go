package session

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A Probe is a service elsewhere that must stay reachable from this host.
type Probe struct {
	Host string // an address, with its zone if need be, or a name
	Port uint16
}

// ParseProbe reads "tcp:HOST:PORT". HOST is an IPv4 address, an IPv6 address in brackets, or
// a name, which is resolved each time that it is tried.
func ParseProbe(s string) (Probe, error) {
	fail := func(why string) (Probe, error) {
		return Probe{}, fmt.Errorf("%q is not a probe such as tcp:10.1.0.5:22 or tcp:[2001:db8::5]:22: %s", s, why)
	}
	rest, ok := strings.CutPrefix(s, "tcp:")
	if !ok {
		return fail("it does not begin with tcp:")
	}
	host, digits, err := net.SplitHostPort(rest)
	if err != nil {
		return fail("it needs a host and a port")
	}
	n, err := parsePort(digits)
	if err != nil {
		return fail(err.Error())
	}
	if a, err := netip.ParseAddr(host); err == nil {
		switch {
		case a.IsUnspecified() || a.IsMulticast():
			return fail(host + " is not the address of one host")
		case a.Is6() != strings.HasPrefix(rest, "["):
			return fail("brackets are for IPv6 addresses, and only for them")
		}
		return Probe{host, n}, nil
	}
	if !isName(host) || strings.HasPrefix(rest, "[") {
		return fail(strconv.Quote(host) + " is neither an address nor a name")
	}
	return Probe{host, n}, nil
}

// isName reports whether s is a name of a host: labels of letters, digits, hyphens and
// underscores, of which the last does not look like a part of an address (RFC 1123, section 2.1).
func isName(s string) bool {
	s = strings.TrimSuffix(s, ".")
	if len(s) > 253 {
		return false
	}
	labels := strings.Split(s, ".")
	for _, l := range labels {
		if l == "" || len(l) > 63 || l[0] == '-' || l[len(l)-1] == '-' {
			return false
		}
		for _, c := range []byte(l) {
			if (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
				return false
			}
		}
	}
	last := labels[len(labels)-1]
	return strings.Trim(last, "0123456789") != ""
}

// String is the form that ParseProbe reads.
func (p Probe) String() string { return "tcp:" + p.address() }

func (p Probe) address() string { return net.JoinHostPort(p.Host, strconv.Itoa(int(p.Port))) }

// How long an attempt may take, how many there are, and how long lies between the starts of
// two at the least.
const (
	AttemptTimeout = 3 * time.Second
	Attempts       = 3
	attemptPause   = time.Second
)

// Dial makes a connection, as net.Dialer's DialContext does.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// Try connects until one of three attempts succeeds: the handshake is done. It sends nothing
// and closes at once. A refusal is a failure, because the service is not reached, but its words
// say that the path is open: both the packet and its answer came through. The error is that of
// the last attempt; that of the context comes through as it is.
func (p Probe) Try(ctx context.Context, dial Dial) error {
	var last error
	for i := range Attempts {
		pause := time.NewTimer(attemptPause)
		attempt, cancel := context.WithTimeout(ctx, AttemptTimeout)
		conn, err := dial(attempt, "tcp", p.address())
		cancel()
		if err == nil {
			pause.Stop()
			conn.Close() // the handshake is what was asked for
			return nil
		}
		last = err
		if i+1 < Attempts {
			select {
			case <-pause.C:
			case <-ctx.Done():
			}
		}
		pause.Stop()
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("probe %s: %w", p, err)
		}
	}
	var dns *net.DNSError
	why := "no answer"
	switch {
	case errors.As(last, &dns):
		why = "the name cannot be resolved"
	case errors.Is(last, syscall.ECONNREFUSED):
		why = "refused: the path is open both ways, but nobody listens there, or a firewall rejects"
	}
	return fmt.Errorf("probe %s: %s, tried %d times: %w", p, why, Attempts, last)
}
