# make test   everything that can be tested here, and a plain word about what cannot
# make truth  real daemons are installed and started, and what they listen on is compared
# make compat every golden file is loaded by the nft and iptables of Debian 11, 12 and 13; needs
#             root, and the network once
# make bench  timings; compare ratios of two runs side by side, not single numbers
# make fuzz   each fuzz target for FUZZTIME
# make docs   the pages that are made from the program: docs/rules, docs/cli.md and the pictures
#             of docs/guides/chart.md
# make build  the program as ./portolan
# make install  the program that was built, its units and its completions below PREFIX, in the
#             tree DESTDIR; nothing is enabled or started. make uninstall takes them away again

GO       ?= go
FUZZTIME ?= 20s
SYSTEMS  := linux windows freebsd darwin openbsd

PROGRAM  ?= ./portolan
PREFIX   ?= /usr/local
BINDIR   ?= $(PREFIX)/bin
UNITDIR  ?= $(PREFIX)/lib/systemd/system
SHAREDIR ?= $(PREFIX)/share
INITDIR  ?= $(SHAREDIR)/portolan

.PHONY: build install uninstall docs test truth compat vet bench fuzz

# Without C the program needs no loader and no libc of the machine that it runs on.
build:
	CGO_ENABLED=0 $(GO) build -trimpath -o portolan ./cmd/portolan

# Root installs what somebody else has built: install needs no Go.
install:
	@test -x $(PROGRAM) || { echo "there is no $(PROGRAM) to install: run make build first"; exit 1; }
	install -d "$(DESTDIR)$(BINDIR)" "$(DESTDIR)$(UNITDIR)" "$(DESTDIR)$(INITDIR)/openrc" "$(DESTDIR)$(INITDIR)/ifupdown" \
		"$(DESTDIR)$(SHAREDIR)/bash-completion/completions" "$(DESTDIR)$(SHAREDIR)/zsh/site-functions" "$(DESTDIR)$(SHAREDIR)/fish/vendor_completions.d"
	install -m 755 $(PROGRAM) "$(DESTDIR)$(BINDIR)/portolan"
	@set -e; umask 022; \
	place() { sed 's|/usr/local/bin/|$(BINDIR)/|g' "$$1" >"$$2"; chmod "$$3" "$$2"; }; \
	for unit in packaging/systemd/*; do place "$$unit" "$(DESTDIR)$(UNITDIR)/$${unit##*/}" 644; done; \
	for script in openrc ifupdown; do place "packaging/$$script/portolan" "$(DESTDIR)$(INITDIR)/$$script/portolan" 755; done; \
	$(PROGRAM) completion bash >"$(DESTDIR)$(SHAREDIR)/bash-completion/completions/portolan"; \
	$(PROGRAM) completion zsh >"$(DESTDIR)$(SHAREDIR)/zsh/site-functions/_portolan"; \
	$(PROGRAM) completion fish >"$(DESTDIR)$(SHAREDIR)/fish/vendor_completions.d/portolan.fish"

# What was kept in /var/lib/portolan stays, and so does the firewall that is in force.
uninstall:
	rm -f "$(DESTDIR)$(BINDIR)/portolan" "$(DESTDIR)$(SHAREDIR)/bash-completion/completions/portolan" \
		"$(DESTDIR)$(SHAREDIR)/zsh/site-functions/_portolan" "$(DESTDIR)$(SHAREDIR)/fish/vendor_completions.d/portolan.fish"
	@for unit in packaging/systemd/*; do rm -f "$(DESTDIR)$(UNITDIR)/$${unit##*/}"; done
	rm -rf "$(DESTDIR)$(INITDIR)"

docs:
	$(GO) test ./lint -run '^TestRulePages$$' -update
	$(GO) test ./cmd/portolan -run '^Test(CommandLineManual|ChartGuide)$$' -update

# Without C, as the program is built: so what vet and the programs of tests need is compiled once.
test: vet
	@.ci/kernel-tools
	@.ci/browser-tools
	PORTOLAN_KERNEL=$${PORTOLAN_KERNEL:-auto} PORTOLAN_BROWSER=$${PORTOLAN_BROWSER:-auto} CGO_ENABLED=0 $(GO) test ./...

truth:
	@.ci/truth-tools
	PORTOLAN_TRUTH=$${PORTOLAN_TRUTH:-auto} $(GO) test -count=1 ./internal/truth

compat:
	@GO="$(GO)" .ci/compat

vet:
	@test -z "$$(gofmt -l cmd internal lint packaging policies render services templates)" || { gofmt -l cmd internal lint packaging policies render services templates; echo "run gofmt -w on these files"; exit 1; }
	@for system in $(SYSTEMS); do echo "vet for $$system"; GOOS=$$system CGO_ENABLED=0 $(GO) vet ./... || exit 1; done

bench:
	$(GO) test -run '^$$' -bench . -benchmem ./...

fuzz:
	@for package in $$($(GO) list ./...); do \
		for target in $$($(GO) test -list '^Fuzz' $$package | grep '^Fuzz'); do \
			echo "$$package $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$package || exit 1; \
		done; \
	done
