//go:build !unix

package source

// NoWait is the flag for opening a file without waiting; here nothing in a folder waits.
const NoWait = 0
