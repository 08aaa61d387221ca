package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"portolan/internal/port"
	"portolan/internal/ruleset"
	"portolan/render"
)

// opened is a ruleset with one open port, and with a log that Windows cannot write.
func opened(log bool) *ruleset.Ruleset {
	m := ruleset.Any()
	m.Protos, m.Ports = ruleset.BytesOf(uint8(port.TCP)), port.Of(port.Single(22))
	established, loopback, broken := ruleset.Any(), ruleset.Any(), ruleset.Any()
	established.States, broken.States = ruleset.Established|ruleset.Related, ruleset.Broken
	loopback.Interfaces = ruleset.InterfacesOf(ruleset.Loopback)
	accept := ruleset.Effect{Verdict: ruleset.Accept}
	rs := &ruleset.Ruleset{Input: ruleset.Chain{Default: ruleset.Drop, Rules: []ruleset.Rule{
		{Match: established, Effect: accept, Name: "established"}, {Match: loopback, Effect: accept, Name: "loopback"},
		{Match: broken, Effect: ruleset.Effect{Verdict: ruleset.Drop}, Name: "invalid"}, {Match: m, Effect: accept, Name: "ssh"},
	}}}
	if log {
		rs.Input.Rules = append(rs.Input.Rules, ruleset.Rule{Match: ruleset.Any(), Name: "log", Effect: ruleset.Effect{
			Verdict: ruleset.Continue, Log: ruleset.Log{Rate: ruleset.Rate{Count: 5, Period: "minute"}, Burst: 5, Prefix: "x"}}})
	}
	return rs
}

func backend(t *testing.T, name string) render.Backend {
	b, err := render.Find(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestExtraFormsAreLeftOut: a further form that cannot say the policy is named and left out,
// and the first one decides.
func TestExtraFormsAreLeftOut(t *testing.T) {
	var talk bytes.Buffer
	a := &app{stdout: io.Discard, stderr: &talk, getenv: noEnv}
	nft, windows := backend(t, "nftables"), backend(t, "windows")
	jobs := []formJob{{backend: nft, form: nft.Forms[0]}, {windows, windows.Forms[0], true}}
	out, err := a.write(jobs, opened(true), "portolan.hcl")
	if err != nil || slices.ContainsFunc(out, func(o render.Output) bool { return o.Name == "portolan.ps1" }) {
		t.Fatalf("%d outputs, %v", len(out), err)
	}
	if got := talk.String(); !strings.HasPrefix(got, `left out the form "powershell" of windows: windows cannot express`) || strings.Count(got, "\n") != 1 {
		t.Errorf("got %q", got)
	}
	talk.Reset()
	jobs[0], jobs[1] = formJob{backend: windows, form: windows.Forms[0]}, formJob{nft, nft.Forms[0], true}
	if out, err = a.write(jobs, opened(true), "portolan.hcl"); err == nil || out != nil || err.(*exitError).code != exitFindings {
		t.Errorf("the first form cannot say it: %d outputs, %v", len(out), err)
	}
}

// TestFormsDoNotShareAFile: the second of two forms with a file of one name would be lost.
func TestFormsDoNotShareAFile(t *testing.T) {
	a := &app{stdout: io.Discard, stderr: io.Discard, getenv: noEnv}
	nft := backend(t, "nftables")
	_, err := a.write([]formJob{{backend: nft, form: nft.Forms[0]}, {nft, nft.Forms[0], true}}, opened(false), "portolan.hcl")
	if err == nil || !strings.Contains(err.Error(), "two forms have a file portolan.nft") {
		t.Errorf("got %v", err)
	}
}

// TestFormsHaveFilesOfTheirOwn: all forms of all firewalls fit into one folder.
func TestFormsHaveFilesOfTheirOwn(t *testing.T) {
	jobs, err := chosenForms(render.Backends[:], "", true)
	if err != nil {
		t.Fatal(err)
	}
	a := &app{stdout: io.Discard, stderr: io.Discard, getenv: noEnv}
	if _, err := a.write(jobs, opened(false), "portolan.hcl"); err != nil {
		t.Error(err)
	}
}

func TestChosenForms(t *testing.T) {
	for _, b := range render.Backends {
		for _, f := range b.Forms {
			if jobs, err := chosenForms([]render.Backend{b}, f.Name, true); err != nil || len(jobs) != 1 || jobs[0].form.Name != f.Name || jobs[0].extra {
				t.Errorf("%s %s: %v %v", b.Name, f.Name, jobs, err)
			}
		}
		if jobs, err := chosenForms([]render.Backend{b}, "", false); err != nil || len(jobs) != 1 || jobs[0].form.Name != b.Forms[0].Name {
			t.Errorf("%s: %v %v", b.Name, jobs, err)
		}
		_, err := chosenForms([]render.Backend{b}, "none", false)
		for _, f := range b.Forms {
			if err == nil || !strings.Contains(err.Error(), f.Name+" ("+f.Title+")") {
				t.Errorf("%s: the error does not list %s: %v", b.Name, f.Name, err)
			}
		}
	}
}

// TestSaveModes: what is to be executed can be, and what stands aside is not called proved.
func TestSaveModes(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("files have no mode there")
	}
	var talk bytes.Buffer
	a := &app{stdout: io.Discard, stderr: &talk, getenv: noEnv}
	dir := t.TempDir()
	err := a.save(dir, []render.Output{{Name: "a.sh", Data: []byte("x"), Program: true}, {Name: "a.tests", Data: []byte("y"), Aside: true}})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]os.FileMode{"a.sh": 0o755, "a.tests": 0o644} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	want := "wrote " + dir + "/a.sh, proved to mean the policy\nwrote " + dir + "/a.tests, which goes with it\n"
	if talk.String() != want {
		t.Errorf("got %q", talk.String())
	}
}

// TestFormsNameTheirFiles: a folder is searched for the files that a form says it writes.
func TestFormsNameTheirFiles(t *testing.T) {
	for _, b := range render.Backends {
		for _, f := range b.Forms {
			out, refused, err := f.Files(opened(false), render.Header{Program: "portolan", Policy: "portolan.hcl"})
			if err != nil || len(refused) > 0 {
				t.Fatalf("%s %s: %v %v", b.Name, f.Name, refused, err)
			}
			for _, o := range out {
				if slices.Contains(f.Names, o.Name) == o.Aside {
					t.Errorf("%s %s writes %s, and says %q", b.Name, f.Name, o.Name, f.Names)
				}
			}
		}
	}
}
