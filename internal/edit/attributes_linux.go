package edit

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// accessList is the attribute that lets single users in, see acl(5). A new file may get one
// from its folder.
const accessList = "system.posix_acl_access"

// ofContent are attributes that the kernel makes from the content of a file.
var ofContent = [...]string{"security.ima", "security.evm"}

// attributesOf are the extended attributes of f, see xattr(7); none on a file system that has
// no such thing.
func attributesOf(f *os.File) ([]attribute, error) {
	fd := int(f.Fd())
	names, err := whole(func(buf []byte) (int, error) { return unix.Flistxattr(fd, buf) })
	if errors.Is(err, unix.ENOTSUP) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading its attributes: %w", err)
	}
	var out []attribute
	for name := range strings.SplitSeq(string(names), "\x00") {
		if name == "" || slices.Contains(ofContent[:], name) {
			continue
		}
		value, err := whole(func(buf []byte) (int, error) { return unix.Fgetxattr(fd, name, buf) })
		if err != nil {
			return nil, fmt.Errorf("reading its attribute %s: %w", name, err)
		}
		out = append(out, attribute{name, value})
	}
	return out, nil
}

// whole is all that get has to give; without a buffer it says how much that is.
func whole(get func([]byte) (int, error)) ([]byte, error) {
	n, err := get(nil)
	if err != nil || n == 0 {
		return nil, err
	}
	buf := make([]byte, n)
	n, err = get(buf)
	return buf[:max(n, 0)], err
}

// keep gives f the attributes of another file, and takes away an access list that the other
// has not. A file that would let other people in than the old one did is no fix.
func keep(f *os.File, attrs []attribute) error {
	has, err := attributesOf(f)
	if err != nil {
		return err
	}
	for _, a := range has {
		if a.name == accessList && !slices.ContainsFunc(attrs, func(old attribute) bool { return old.name == accessList }) {
			if err := unix.Fremovexattr(int(f.Fd()), accessList); err != nil {
				return fmt.Errorf("its access list cannot be kept: %w", err)
			}
		}
	}
	for _, a := range attrs {
		if slices.ContainsFunc(has, func(b attribute) bool { return a.name == b.name && bytes.Equal(a.value, b.value) }) {
			continue
		}
		if err := unix.Fsetxattr(int(f.Fd()), a.name, a.value, 0); err != nil {
			return fmt.Errorf("its attribute %s cannot be kept: %w", a.name, err)
		}
	}
	return nil
}
