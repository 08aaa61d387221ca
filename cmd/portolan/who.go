package main

import (
	"os"
	"os/user"
	"strconv"
	"strings"
)

// who is the person or the program that runs this process, as far as is known: the user who
// logged in, whom sudo knows, and where the login came from. It is a note, no proof.
func who(getenv func(string) string) string {
	name := "user " + strconv.Itoa(os.Getuid())
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	login := getenv("SUDO_USER")
	if text, err := os.ReadFile("/proc/self/loginuid"); err == nil { // audit; 2^32-1 is nobody
		if u, err := user.LookupId(strings.TrimSpace(string(text))); err == nil {
			login = u.Username
		}
	}
	var more []string
	if login != "" && login != name {
		more = append(more, "login "+login)
	}
	if from, _, _ := strings.Cut(getenv("SSH_CONNECTION"), " "); from != "" {
		more = append(more, "from "+from)
	}
	if len(more) > 0 {
		name += " (" + strings.Join(more, ", ") + ")"
	}
	return name
}
