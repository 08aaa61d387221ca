// Package pilot holds the tests that try the whole program on a live kernel: what packets
// meet while it changes the firewall, what it leaves behind when it is killed, and what
// becomes of the session of who used it. There is nothing else in it.
//
// Each test runs in namespaces of its own (package kernel; the variable PORTOLAN_KERNEL).
// PORTOLAN_PILOT says how long the tests go on: unset or "short" for some seconds each,
// "long" for the numbers that CI holds the program to, hundreds of kills and 1,000
// replacements, in a minute and a half on a machine that does nothing else.
package pilot
