package main

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"portolan/internal/neighbour"
	"portolan/internal/netlink"
	"portolan/internal/nft"
	"portolan/internal/port"
	"portolan/internal/ruleset"
	"portolan/internal/session"
)

// A cutOff is a connection of an administrator that would not live on.
type cutOff struct {
	session session.Session
	packet  session.Packet
	by      string // who drops it
}

// String says which packet proves it.
func (c cutOff) String() string {
	return fmt.Sprintf("%s: %s: %s, is dropped by %s", c.session, c.packet.Words, c.packet.Packet, c.by)
}

// found are the sessions of administrators on this host, which has the interfaces.
func (p *pilot) found(interfaces []session.Interface) (session.Found, error) {
	return session.Find(session.Proc(), p.getenv, os.Getpid(), interfaces)
}

// alive are the sessions that live, of those who have logged in: no administrator is who tries
// passwords.
func alive(found session.Found) []session.Session {
	return slices.DeleteFunc(slices.Clone(found.Sessions), func(s session.Session) bool { return !s.Live || !s.LoggedIn })
}

// sessions finds the connections of administrators that live now and would not behind the aim
// of a view, each with the packet that proves it. What is dropped already is no matter of the
// change. Where nobody knows what is in force, everything is supposed to pass now.
func (v *view) sessions() {
	v.hidden, v.living = v.found.Hidden, alive(v.found)
	for _, s := range v.living {
		for _, packet := range session.Packets(s) {
			if v.aim.rules.Decide(packet.Packet).Verdict() == ruleset.Accept {
				continue
			}
			if now := v.live.means().inForce; now != nil && now.Decide(packet.Packet).Verdict() == ruleset.Drop {
				continue
			}
			v.cut = append(v.cut, cutOff{s, packet, v.aim.side.who(v.aim.rules.Decider(packet.Packet))})
			break
		}
	}
}

// surroundings are what else is on the host, whatever the policy says.
type surroundings struct {
	interfaces []session.Interface
	found      session.Found
	chains     []netlink.Chain // of others
	legacy     []neighbour.Legacy
}

// surroundings looks around.
func (p *pilot) surroundings() (s surroundings, err error) {
	c, err := netlink.Open()
	if err != nil {
		return s, err
	}
	defer c.Close()
	if s.chains, err = c.Chains(nft.Name); err != nil {
		return s, err
	}
	if s.legacy, err = neighbour.ReadLegacy(); err != nil {
		return s, err
	}
	if s.interfaces, err = session.Interfaces(); err != nil {
		return s, err
	}
	s.found, err = p.found(s.interfaces)
	return s, err
}

// neighbours finds the firewalls of others that can drop what the aim of a view accepts.
func (v *view) neighbours() (err error) {
	c, err := netlink.Open()
	if err != nil {
		return err
	}
	defer c.Close()
	var local []netip.Addr
	for _, i := range v.interfaces {
		local = append(local, i.Addrs...)
	}
	if v.others, err = neighbour.Find(v.chains, v.legacy, c.Set, local, asks(v.aim.rules)); err != nil {
		return err
	}
	v.mixed, err = neighbour.Mixed(v.chains, v.legacy)
	return err
}

// asks are the ports that a ruleset opens to others, for those who may drop what comes to
// them; none for no ruleset.
func asks(rs *ruleset.Ruleset) []neighbour.Ask {
	if rs == nil {
		return nil
	}
	var out []neighbour.Ask
	for _, proto := range port.Protos {
		var ports []port.Range
		for i := range rs.Input.Rules {
			r := &rs.Input.Rules[i]
			if len(r.Origins) > 0 && r.Effect.Verdict == ruleset.Accept && r.Match.Protos.Has(uint8(proto)) && r.Match.States&ruleset.New != 0 && !r.Match.Ports.IsAll() {
				ports = slices.AppendSeq(ports, r.Match.Ports.Each())
			}
		}
		if ask := (neighbour.Ask{Proto: proto, Ports: port.Of(ports...)}); !ask.Ports.IsEmpty() {
			out = append(out, ask)
		}
	}
	return out
}

// numbersWords are numbers for people.
func numbersWords(ns []int) string {
	var parts []string
	for _, n := range ns {
		parts = append(parts, strconv.Itoa(n))
	}
	return strings.Join(parts, ", ")
}
