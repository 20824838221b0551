# make without a target lists what there is.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

GO      ?= go
T       ?= 30s
ROUNDS  ?= 3
CYCLES  ?= 100
ARGS    ?=

##@ Use
.PHONY: run build
run: build ## Start a server with a ready App, import a sample, serve until Ctrl-C
	@exec bin/muster dev $(ARGS)

build: ## Build the static binary bin/muster
	@CGO_ENABLED=0 $(GO) build -trimpath -o bin/muster ./cmd/muster

##@ Check
.PHONY: test race lint fmt tidy check fuzz soak golden
test: ## Run all tests, with the race detector where a C compiler is found or can be installed
	@scripts/test.sh

race: ## The same, and fail if the race detector cannot run
	@MUSTER_RACE=required scripts/test.sh

lint: bin/golangci-lint ## Run the linters
	bin/golangci-lint run ./...

fmt: bin/golangci-lint ## Format the code
	bin/golangci-lint fmt ./...

tidy: ## Fail if go.mod or go.sum need tidying
	$(GO) mod tidy -diff
	$(GO) mod verify

check: tidy lint race ## Everything that CI runs: the one command before a push

fuzz: ## Run every fuzz target for T (default 30s) each
	@scripts/fuzz.sh $(T)

soak: build ## Kill a server CYCLES times (default 100) under load and check what it kept
	MUSTER_CRASH_CYCLES=$(CYCLES) $(GO) test -count=1 -v -timeout 2h -run 'TestCrash|TestImportKilled' ./internal/crashtest

golden: ## Rewrite the golden wire files and the generated docs from what the code does
	$(GO) test ./internal/rest ./internal/config ./internal/errcode -update

##@ Measure
.PHONY: bench bench-bulk bench-login bench-message microbench
bench: build ## Measure the service against its ceiling, ROUNDS rounds (default 3) in one go
	bin/muster bench suite --rounds $(ROUNDS) $(ARGS)

bench-bulk: build ## Measure import and export of a large file, ROUNDS rounds (default 3) in one go
	bin/muster bench bulk --rounds $(ROUNDS) $(ARGS)

bench-login: build ## Measure logins, sessions, kicks and status queries, ROUNDS rounds (default 3) in one go
	bin/muster bench login --rounds $(ROUNDS) $(ARGS)

bench-message: build ## Measure sending and delivery of messages, ROUNDS rounds (default 3) in one go
	bin/muster bench message --rounds $(ROUNDS) $(ARGS)

microbench: ## Run the Go benchmarks
	$(GO) test -run '^$$' -bench . -benchmem ./...

##@ Tools
.PHONY: tools clean help
tools: bin/golangci-lint ## Build the pinned tools into bin/

bin/golangci-lint: internal/tools/go.mod internal/tools/go.sum
	cd internal/tools && GOFLAGS=-mod=readonly $(GO) build -o ../../bin/ tool

clean: ## Remove what was built; leaves ./muster-data alone
	rm -rf bin dist

help: ## Show this list
	@awk 'BEGIN {FS = ":.*##"} /^##@/ {printf "\n%s\n", substr($$0, 5)} \
	  /^[a-z-]+:.*##/ {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
