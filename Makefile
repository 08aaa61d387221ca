# make test   everything that can be tested here, and a plain word about what cannot
# make truth  real daemons are installed and started, and what they listen on is compared
# make compat every golden file is loaded by the nft and iptables of Debian 11, 12 and 13; needs
#             root, and the network once
# make bench  timings; compare ratios of two runs side by side, not single numbers
# make fuzz   each fuzz target for FUZZTIME
# make docs   the pages that are made from the program: docs/rules and docs/cli.md
# make build  the program as ./portolan

GO       ?= go
FUZZTIME ?= 20s
SYSTEMS  := linux windows freebsd darwin openbsd

.PHONY: build docs test truth compat vet bench fuzz

build:
	$(GO) build -trimpath -o portolan ./cmd/portolan

docs:
	$(GO) test ./lint -run '^TestRulePages$$' -update
	$(GO) test ./cmd/portolan -run '^TestCommandLineManual$$' -update

test: vet
	@.ci/kernel-tools
	PORTOLAN_KERNEL=$${PORTOLAN_KERNEL:-auto} $(GO) test ./...

truth:
	@.ci/truth-tools
	PORTOLAN_TRUTH=$${PORTOLAN_TRUTH:-auto} $(GO) test -count=1 ./internal/truth

compat:
	@GO="$(GO)" .ci/compat

vet:
	@test -z "$$(gofmt -l cmd internal lint policies render services templates)" || { gofmt -l cmd internal lint policies render services templates; echo "run gofmt -w on these files"; exit 1; }
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
