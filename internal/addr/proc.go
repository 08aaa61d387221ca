package addr

import (
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"strconv"
	"strings"
)

// FromProc reads an address with its port as the tables of /proc/net have it: "0100007F:0035",
// or the same with four words. Words of four bytes are as the machine keeps them, which order
// says (https://www.kernel.org/doc/Documentation/networking/proc_net_tcp.rst). An IPv4 address
// mapped into IPv6 becomes the IPv4 address. ok is false for anything else.
func FromProc(s string, order binary.ByteOrder) (a netip.AddrPort, ok bool) {
	address, digits, ok := strings.Cut(s, ":")
	raw, err := hex.DecodeString(address)
	number, errPort := strconv.ParseUint(digits, 16, 16)
	if !ok || err != nil || errPort != nil || len(raw) != 4 && len(raw) != 16 {
		return netip.AddrPort{}, false
	}
	for at := 0; at < len(raw); at += 4 { // the text has the number that the word is
		order.PutUint32(raw[at:], binary.BigEndian.Uint32(raw[at:]))
	}
	ip, _ := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(ip.Unmap(), uint16(number)), true
}
