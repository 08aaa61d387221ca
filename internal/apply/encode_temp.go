package apply

// This file stands in for the encoder until it is there: delete it then.

import (
	"fmt"
	"strconv"
	"time"

	"portolan/internal/nft"
)

const verdictJump = -3

func verdictData(code int, chain string) string { return "verdict " + strconv.Itoa(code) + " " + chain }

func limitCode(l nft.Limit) (string, error) {
	return fmt.Sprintf("limit %s %d", l.Rate, l.Burst), nil
}

func kindOf(s SetSpec) (Kind, error) {
	k := Kind{KeyType: 7, KeyLength: 4}
	if s.Family == 6 {
		k = Kind{KeyType: 8, KeyLength: 16}
	}
	switch s.What {
	case Addresses:
		k.Flags = flagInterval
	case Ports:
		k = Kind{KeyType: 13, KeyLength: 2, DataType: 0xffffff00, Flags: flagInterval | flagMap}
	case PacketMeter:
		k.Flags, k.Size, k.Timeout = flagEval|flagTimeout, nft.MeterSize, time.Duration(s.Timeout)*time.Second
	case ConnectionsMeter:
		k.Flags, k.Size = flagEval, nft.MeterSize
	case Unconfirmed:
		k = Kind{KeyType: 1, KeyLength: 1, Flags: flagTimeout}
	default:
		return k, fmt.Errorf("a set of kind %d", s.What)
	}
	return k, nil
}

func encode(l Line) (Rule, error) {
	r := Rule{Comment: l.Comment}
	switch {
	case l.Gate != "":
		r.Code, r.Sets, r.Chains = "gate "+l.Gate, []string{Pending}, []string{l.Gate}
		return r, nil
	case l.Map != "":
		r.Code, r.Sets = fmt.Sprintf("vmap %d %s", l.Proto, l.Map), []string{l.Map}
		return r, nil
	}
	r.Counts = true
	x := l.Rule
	code := fmt.Sprint(x.Out, x.Interfaces, x.Proto, x.SourcePorts, x.Ports, x.Protos, x.States, x.Family, x.Peer, x.Types, x.Count, x.Log != nil, x.Notrack, x.Verdict)
	if x.Log != nil {
		code += fmt.Sprint(*x.Log)
	}
	if x.Set != "" {
		code += " set " + x.Set
		r.Sets = append(r.Sets, x.Set)
	}
	for _, m := range []*nft.Meter{x.Connections, x.Meter} {
		if m != nil {
			code += fmt.Sprint(" meter ", *m)
			r.Sets = append(r.Sets, m.Name)
		}
	}
	if x.Limit != nil {
		code += " limit " + x.Limit.Name
		r.Limits = append(r.Limits, x.Limit.Name)
	}
	if x.Jump != "" {
		code += " jump " + x.Jump
		r.Chains = append(r.Chains, x.Jump)
	}
	r.Code = code
	return r, nil
}
