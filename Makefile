# Everything is one of: build, run, test, bench, check. `make` alone lists them.

GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
SUDO    := $(shell [ "$$(id -u)" -eq 0 ] || echo sudo)
# The tests are built as the user and run as root: the toolchain's caches stay the user's.
AS_ROOT := $(if $(SUDO),-exec "sudo env PATH=$$PATH REQUIRE_BPF=1")

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

KERNTAP := CGO_ENABLED=0 GOOS=linux $(GO) build -trimpath -ldflags "-s -w -X main.version=$(VERSION)"

.PHONY: build
build: bin/kerntap ## build the static binary bin/kerntap, and bin/kerntap-amd64 and bin/kerntap-arm64 for other machines
	GOARCH=amd64 $(KERNTAP) -o bin/kerntap-amd64 ./cmd/kerntap
	GOARCH=arm64 $(KERNTAP) -o bin/kerntap-arm64 ./cmd/kerntap

.PHONY: bin/kerntap
bin/kerntap: # Go knows whether it is up to date
	$(KERNTAP) -o bin/kerntap ./cmd/kerntap

.PHONY: run
run: bin/kerntap ## build, then watch this machine on the console (sudo only if you are not root)
	$(SUDO) ./bin/kerntap run --console text --metric-interval 10s

.PHONY: deps
deps: ## install what the tests need from Debian's packages, only if missing
	@scripts/deps.sh

.PHONY: generate
generate: deps ## compile the BPF objects and write their bindings
	$(GO) generate ./...

.PHONY: test
test: deps collector ## every test, unprivileged and privileged
	$(if $(SUDO),$(GO) test -race ./...)
	REQUIRE_BPF=1 $(GO) test -race -count=1 -timeout 30m $(AS_ROOT) ./...

.PHONY: lint
lint: deps ## formatting, vet, staticcheck, and generated files that are up to date
	@scripts/lint.sh

.PHONY: collector
collector: ## build a real OpenTelemetry Collector, once (three minutes), and print its path
	@scripts/collector.sh

.PHONY: validate
validate: ## have that collector validate otel-collector.yaml with every overlay
	@scripts/validate-collector.sh

.PHONY: demo
demo: deps bin/kerntap ## show the way from the kernel into a real collector's file, with four connections made for it
	@scripts/demo.sh

.PHONY: test-kernels
test-kernels: deps ## run the kernel's tests on other kernels, emulated: KERNELS="5.10 6.1", TESTS=core or RUN=TestX choose (half an hour; the core less)
	@scripts/test-kernels.sh

.PHONY: test-compose
test-compose: ## bring examples/docker-compose up with a real engine and look for what it must find
	@scripts/test-compose.sh

.PHONY: pictures
pictures: ## render docs/pictures anew, with a real browser, from that shop's problems and a real Prometheus (seven minutes)
	@scripts/pictures.sh

.PHONY: release
release: ## build what is released into dist/: tar, deb, rpm, image and SBOM for amd64 and arm64, and their checksums
	@VERSION="$(VERSION)" scripts/release.sh

.PHONY: test-release
test-release: ## build it twice and compare, install the deb, run its check and its service's command, remove it
	@scripts/test-release.sh

.PHONY: test-kubernetes
test-kubernetes: ## decode examples/kubernetes strictly against the types of Kubernetes' API
	cd examples/kubernetes && $(GO) vet ./... && $(GO) test -count=1 ./...

.PHONY: bench
bench: deps ## the benchmarks behind the README's numbers
	@scripts/bench.sh

.PHONY: soak
soak: deps build collector ## half an hour of mixed load with restarts and reloads: DURATION=10m shortens it; prints a table
	$(GO) test -c -o bin/soak.test ./cmd/kerntap
	cd cmd/kerntap && $(SUDO) env PATH="$$PATH" REQUIRE_BPF=1 SOAK_TIME=$(or $(DURATION),30m) SOAK_BINARY=$(CURDIR)/bin/kerntap \
		../../bin/soak.test -test.v -test.timeout 0 -test.run '^TestSoak$$'

.PHONY: fuzz
fuzz: ## fuzz every fuzz function of every package for ten seconds each: DURATION=1m lengthens it
	@GO="$(GO)" DURATION="$(DURATION)" scripts/fuzz.sh

.PHONY: clean
clean: ## remove what build left
	rm -rf bin dist examples/docker-compose/bin
