package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"portolan/internal/catalog"
	"portolan/internal/diag"
	"portolan/internal/policy"
	"portolan/internal/source"
	"portolan/lint"
	"portolan/policies"
)

// policyFile is the name under which a policy is found when nobody names one.
const policyFile = "portolan.hcl"

// loadPolicy loads and checks the policy. The words say where it is from.
func (a *app) loadPolicy(in *input, cat *catalog.Catalog) (*policy.Policy, string, error) {
	text := in.text
	if text == nil {
		read, err := a.readPolicy(in)
		if err != nil {
			return nil, "", err
		}
		text = &read
	}
	if text.file == nil {
		return a.builtinPolicy(cat)
	}
	return text.policy, text.file.Name, a.refuse(text.check(cat), text.file.Name+" has errors")
}

// A policyText is a policy that was read and not held against the catalogue yet. Without a file
// there is none.
type policyText struct {
	file   *source.File
	policy *policy.Policy
	diags  diag.List
}

// readPolicy reads the policy that --policy names, or else the one that is found.
func (a *app) readPolicy(in *input) (policyText, error) {
	f, err := a.policySource(in)
	if f == nil || err != nil {
		return policyText{}, err
	}
	return parsePolicy(f), nil
}

func parsePolicy(f *source.File) policyText {
	p, diags := policy.Load(f, func(name string) (*source.File, error) { return readBeside(f, name) })
	return policyText{f, p, diags}
}

// check holds the policy against the catalogue, and is all that is found about it.
func (t *policyText) check(cat *catalog.Catalog) diag.List {
	if t.diags.Max() >= diag.Error {
		return t.diags
	}
	listens, connects := cat.Names(t.policy.ServicesByName()...)
	diags := append(t.diags, policy.Check(t.policy, listens, connects)...)
	return append(diags, policy.CheckIgnores(t.policy, lint.Names(), cat.IDs())...)
}

// builtinPolicy is the one that the binary carries.
func (a *app) builtinPolicy(cat *catalog.Catalog) (*policy.Policy, string, error) {
	raw, err := fs.ReadFile(policies.FS, "default.hcl")
	if err != nil {
		return nil, "", err
	}
	const words = "the built-in policy"
	p, diags := checkPolicy(source.New("policies/default.hcl", raw), cat)
	return p, words, a.refuse(diags, words+" has errors")
}

// writtenPolicy is the policy that somebody wrote, and what is wrong with its text; nil
// when nobody did, and when it has a mistake.
func (a *app) writtenPolicy(in *input, cat *catalog.Catalog) (*policy.Policy, diag.List, error) {
	f, err := a.policySource(in)
	if f == nil || err != nil {
		return nil, nil, err
	}
	p, diags := checkPolicy(f, cat)
	switch {
	case diags.Max() == diag.Error:
		p = nil
	case p.OnlyIgnores(): // that it allows nothing is no matter here
		diags = nil
	}
	return p, diags, nil
}

// policySource is the file that --policy names, or else the one that is found; nil when
// there is none.
func (a *app) policySource(in *input) (*source.File, error) {
	if in.policy == "" {
		return a.foundPolicy()
	}
	f, err := source.ReadFile(in.policy)
	if err != nil {
		return nil, fmt.Errorf("--policy %s: %w", in.policy, reason(err))
	}
	f.Name = filepath.ToSlash(f.Name)
	return f, nil
}

// foundPolicy looks for a policy in the working directory and then in each folder above
// it. A folder that holds .git is the last: what lies above a repository is not of it.
//
// This program runs as root, in whatever folder root happens to be, and a policy decides
// what a firewall opens. So a file that somebody else could have put there, such as one in
// /tmp, is not used until it is named.
func (a *app) foundPolicy() (*source.File, error) {
	dir, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil { // "..", below, follows no link
		return nil, plainError(err)
	}
	for above := ""; ; above += "../" {
		name := above + policyFile
		link, err := os.Lstat(filepath.Join(dir, policyFile))
		switch {
		case err == nil:
			return a.readTrusted(name, link)
		case !errors.Is(err, fs.ErrNotExist):
			return nil, plainError(err)
		}
		_, err = os.Lstat(filepath.Join(dir, ".git"))
		parent := filepath.Dir(dir)
		if err == nil || parent == dir {
			return nil, nil
		}
		dir = parent
	}
}

// readTrusted reads a policy that was found, when both its name and its content belong to
// this user, or to root.
func (a *app) readTrusted(name string, link fs.FileInfo) (*source.File, error) {
	refused := fmt.Errorf("%s belongs to another user, and a policy decides what is opened: if it is meant, name it with --policy %s", name, name)
	if !a.trusts(link) {
		return nil, refused
	}
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file: name the policy with --policy", name)
	}
	f, err := source.Open(name)
	if err != nil {
		return nil, plainError(err)
	}
	defer f.Close()
	info, err := f.Stat() // what is read, whatever has happened to the name by now
	if err != nil {
		return nil, plainError(err)
	}
	if !a.trusts(info) {
		return nil, refused
	}
	file, err := source.ReadOpen(f, name)
	if err != nil {
		return nil, plainError(err)
	}
	return file, nil
}

// readBeside reads a file that the policy f names, from its folder unless the name is
// absolute. It has to be a regular file: a policy must not wait for a pipe.
func readBeside(f *source.File, name string) (*source.File, error) {
	if !filepath.IsAbs(name) {
		name = filepath.Join(filepath.Dir(filepath.FromSlash(f.Name)), filepath.FromSlash(name))
	}
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", filepath.ToSlash(name))
	}
	file, err := source.ReadFile(name)
	if err != nil {
		return nil, plainError(err)
	}
	file.Name = filepath.ToSlash(file.Name)
	return file, nil
}

// checkPolicy reads a policy and holds it against the catalogue.
func checkPolicy(f *source.File, cat *catalog.Catalog) (*policy.Policy, diag.List) {
	text := parsePolicy(f)
	return text.policy, text.check(cat)
}
