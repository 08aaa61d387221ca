// Package browser starts a real browser without a window, for tests of what people look at.
//
// The environment variable PORTOLAN_BROWSER says what happens where there is none.
package browser

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// Variable names the environment variable with the mode of these tests: auto, which is also what
// an unset variable means, runs a test where it can run and skips it with a reason elsewhere;
// require fails instead of skipping; off skips.
const Variable = "PORTOLAN_BROWSER"

// programs are the names of browsers that speak the DevTools protocol.
var programs = [...]string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"}

// limit bounds one test with a browser, which takes seconds.
const limit = 2 * time.Minute

// find is the browser to use under a mode. Without an error and a path the test is to be skipped
// for the reason; a mode that is not known is an error, so that a misspelt "require" is no skip.
func find(mode string, look func(string) (string, error)) (path, reason string, err error) {
	switch mode {
	case "", "auto", "require":
	case "off":
		return "", Variable + "=off", nil
	default:
		return "", "", fmt.Errorf("%s is %q: use auto, require or off", Variable, mode)
	}
	for _, name := range programs {
		if path, err := look(name); err == nil {
			return path, "", nil
		}
	}
	if mode == "require" {
		return "", "", errors.New(Variable + "=require: no chromium is installed")
	}
	return "", "no chromium is installed", nil
}

// A Tab is a page in a browser. Its methods end the test when the browser fails them.
type Tab struct {
	t   testing.TB
	ctx context.Context

	mu             sync.Mutex
	said, requests []string
}

// Start gives a tab of a new browser, which ends with the test. The test is skipped where no
// browser is installed, or fails under PORTOLAN_BROWSER=require.
func Start(t testing.TB) *Tab {
	t.Helper()
	path, reason, err := find(os.Getenv(Variable), exec.LookPath)
	if err != nil {
		t.Fatal(err)
	}
	if path == "" {
		t.Skip(reason)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path))
	if os.Geteuid() == 0 { // its sandbox is not for root
		options = append(options, chromedp.NoSandbox)
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	tab := &Tab{t: t, ctx: ctx}
	if err := chromedp.Listen(ctx, tab.hear); err != nil {
		t.Fatal(err)
	}
	Call(tab, network.Enable, network.EnableParams{})
	return tab
}

// hear keeps what the page says and asks for. It must not wait.
func (tab *Tab) hear(event any) {
	tab.mu.Lock()
	defer tab.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		tab.requests = append(tab.requests, e.Request.URL)
	case *runtime.EventConsoleAPICalled:
		text := "console:"
		for _, arg := range e.Args {
			text += " " + string(arg.Value) + arg.Description
		}
		tab.said = append(tab.said, text)
	case *runtime.EventExceptionThrown:
		text := "exception: " + e.ExceptionDetails.Text
		if x := e.ExceptionDetails.Exception; x != nil {
			text += " " + x.Description
		}
		tab.said = append(tab.said, text)
	case *log.EventEntryAdded:
		tab.said = append(tab.said, "log: "+e.Entry.Text)
	}
}

// Do runs actions one after the other.
func (tab *Tab) Do(steps ...chromedp.Action[chromedp.Void]) {
	tab.t.Helper()
	if err := chromedp.Do(tab.ctx, steps...); err != nil {
		tab.t.Fatal(err)
	}
}

// Run runs an action that has a result.
func Run[T any](tab *Tab, action chromedp.Action[T]) T {
	tab.t.Helper()
	v, err := chromedp.Run(tab.ctx, action)
	if err != nil {
		tab.t.Fatal(err)
	}
	return v
}

// Value is what an expression of JavaScript gives; of a promise, what it comes to.
func Value[T any](tab *Tab, expression string) T {
	tab.t.Helper()
	return Run(tab, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}

// Call runs a command of the DevTools protocol.
func Call[P, R any](tab *Tab, command cdp.Command[P, R], params P) R {
	tab.t.Helper()
	r, err := chromedp.Call(tab.ctx, command, params)
	if err != nil {
		tab.t.Fatal(err)
	}
	return r
}

// Said is what stood on the console since it was asked last: messages, errors and refusals.
func (tab *Tab) Said() []string {
	tab.mu.Lock()
	defer tab.mu.Unlock()
	said := tab.said
	tab.said = nil
	return said
}

// Requests are the addresses that were asked for since it was asked last.
func (tab *Tab) Requests() []string {
	tab.mu.Lock()
	defer tab.mu.Unlock()
	requests := tab.requests
	tab.requests = nil
	return requests
}
