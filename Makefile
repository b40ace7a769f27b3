# nubo: build, run, test. "make help" lists the targets.
SHELL := /bin/bash
export CGO_ENABLED ?= 0
GO ?= go
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)

.PHONY: help build ui up test lint generate conformance-api conformance bench fuzz clean

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 18

build: web/dist/index.html ## build bin/nubo, a static binary with the dashboard in it
	$(GO) build -trimpath -ldflags '-s -w -X nubo/app.Version=$(VERSION)' -o bin/nubo ./cmd/nubo

web/dist/index.html: $(shell git ls-files web 2>/dev/null)
	tools/ui

ui: ## build the dashboard's front end anew, check and test it
	tools/ui check

up: ## set this machine up and start the cloud: packages, build, guest image, next steps
	tools/up

test: ## run all tests, installing what they need (what CI runs)
	tools/test all

lint: ## vet, format and golangci-lint, pinned
	tools/test lint

generate: ## make generated code anew
	$(GO) generate ./...

conformance-api: ## gophercloud's and the openstack client's tests against a simulated cloud
	test/conformance/gophercloud.sh
	test/conformance/openstackclient.sh

conformance: ## real AMQP clients' own test suites against the broker, as root
	tools/test conformance

bench: ## run the benchmarks whose figures are in docs/performance.md
	$(GO) test -run '^$$' -bench . -benchmem ./bench/... ./internal/... ./broker/... ./identity/...

fuzz: ## fuzz every parser, FUZZTIME each (60s)
	tools/test fuzz

clean: ## remove what was built
	rm -rf bin .cache/bin web/node_modules web/dist/assets web/dist/index.html
