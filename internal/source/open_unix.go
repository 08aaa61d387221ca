//go:build unix

package source

import "syscall"

// NoWait is the flag for opening a file without waiting: what was a file when somebody
// looked may be a pipe by now, which waits for its writer.
const NoWait = syscall.O_NONBLOCK | syscall.O_NOCTTY
