# Go is all that has to be there. What the tests need besides, .ci/install brings.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

GORELEASER  := github.com/goreleaser/goreleaser/v2@v2.15.1
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
FUZZTIME    ?= 10s
BENCH       ?= .
SPEED       ?=
SOAK        ?= 30m
BASE        ?= HEAD~1
DEMO        ?=

# Every target compiles with the flags of images and releases, so that Go compiles each package once for all of
# them, and for all clones. Only the race detector needs cgo. At its exit it would wait a second for
# races that are being reported: after the last test no goroutine runs.
export CGO_ENABLED := 0
export GOFLAGS     := $(strip $(shell go env GOFLAGS) -trimpath)
RACE := CGO_ENABLED=1 GORACE=atexit_sleep_ms=0 go test -race

E2E  := ./cmd/e2e
UNIT := $$(go list ./... | grep -v '/cmd/e2e$$')

# What the examples in other languages are run with.
LANGUAGES := python3 python3-redis python3-qrcode node npm php php-redis php-bacon-qr-code

BUILD   := github.com/qfpay-worker/qfpay-worker/cmd/internal/build
VERSION ?= $(shell git describe --tags --match 'v*' 2>/dev/null)
COMMIT  ?= $(shell git describe --always --abbrev=12 --exclude '*' --dirty=+changes 2>/dev/null)

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## Watch orders become QR codes, with nothing installed (DEMO='--orders 40')
	go run ./cmd/qfpay-sandbox demo $(DEMO)

.PHONY: build
build: ## Build static binaries into bin/
	go build -o bin/ \
		-ldflags '-s -w -X $(BUILD).version=$(VERSION) -X $(BUILD).commit=$(COMMIT)' \
		./cmd/qfpay-worker ./cmd/qfpay-sandbox

# The parts of make test, which leaves vet to make lint. test-race keeps two cores busy, and its tests of limits need their
# time, so it runs by itself. Of the others, test-e2e waits more than it computes.
PARTS := test-race test-e2e test-deploy test-walks test-bench

.PHONY: test $(PARTS)
test: ## Run the tests, with the race detector: before a commit; 5 min on two cores
	.ci/install gcc redis-server curl python3 promtool prometheus $(LANGUAGES)
	@status=0; for parts in test-race '$(filter-out test-race,$(PARTS))'; do \
		$(MAKE) --no-print-directory --keep-going --jobs=2 --output-sync=target $$parts || status=1; \
	done; exit $$status

test-race:
	$(RACE) -vet=off -count=1 -timeout 10m -p 2 -parallel 8 ./worker $(UNIT)

test-e2e:
	$(RACE) -vet=off -count=1 -timeout 10m -parallel 16 $(E2E)

test-deploy:
	cd deploy/tests && go test -vet=off -count=1 -parallel 8 ./...

test-walks:
	go test -vet=off -count=1 -run '^Test(Model_(BreaksNoPromise|SeesEvery|SeesAnOrder|HasTheReal)|Batch_CountersEqual|Reopen_NeverLeads)' ./worker

test-bench:
	cd bench && go test -vet=off -count=1 ./...

.PHONY: quick
quick: ## Run the tests that need neither Redis nor time: while writing; seconds
	go test -short $(UNIT)

.PHONY: e2e
e2e: ## Run the end-to-end tests only, and show them
	.ci/install gcc redis-server curl $(LANGUAGES)
	$(RACE) -count=1 -v $(E2E)

OBSERVE_FOR ?= 5m

.PHONY: observe-test
observe-test: ## See every panel with data of real workers, and draw them (OBSERVE_FOR=5m) into docs/img
	.ci/install redis-server prometheus
	cd deploy/tests && go test -count=1 -timeout 60m -run TestDashboard_EveryPanelHasDataUnderLoad -v . \
		-observe.for=$(OBSERVE_FOR) -observe.images=../../docs/img

.PHONY: incidents
incidents: ## Play the runbook's three incidents in real time, half an hour, and print which alerts fired
	.ci/install redis-server prometheus
	cd deploy/tests && go test -tags incidents -count=1 -timeout 60m -parallel 3 -run Incident -v .

.PHONY: image-test
image-test: ## Build the images and run the worker's, read-only and without capabilities (needs root; ends with 3 where no engine runs)
	.ci/image

TARGETS ?=

.PHONY: release-test
release-test: ## Build a release twice and compare the bytes, install the deb in an empty root, work the examples off (root; 20 min; TARGETS=linux_amd64)
	.ci/release $(GORELEASER) $(TARGETS)

PREVIOUS ?= fb0816e
UPGRADE  ?=

.PHONY: upgrade-test
upgrade-test: ## Roll workers from the version before this one and back, under load (PREVIOUS=fb0816e UPGRADE='-upgrade.orders=2400'); 3 min
	.ci/install git redis-server
	.ci/upgrade $(PREVIOUS) $(UPGRADE)

.PHONY: lint
lint: ## Check format, vet, staticcheck, import rules, words and modules
	.ci/lint $(STATICCHECK)

# The Go of releases and images, which may be another than this machine's.
RELEASE_GO = $$(sed -nE 's/.*GOTOOLCHAIN=(go[0-9.]+).*/\1/p' .goreleaser.yml)

.PHONY: vuln
vuln: ## Look for known holes that the code reaches; fails for one that .ci/vuln/accepted has not; 1 min
	go run ./.ci/vuln $(RELEASE_GO) .

.PHONY: vuln-all
vuln-all: ## The same for the modules of tests and benchmarks too; 3 min
	go run ./.ci/vuln $(RELEASE_GO) . deploy/tests bench

.PHONY: fuzz
fuzz: ## Fuzz each target in turn (FUZZTIME=10s, or FUZZTIME=5m/all for all together)
	.ci/install redis-server
	.ci/fuzz $(FUZZTIME)

.PHONY: bench
bench: ## Measure the worker beside a plain asynq handler; under 10 min (SPEED='--only idle --plots docs/img')
	.ci/install redis-server
	cd bench && go run . speed --module .. $(SPEED)

.PHONY: microbench
microbench: ## Run the Go benchmarks (BENCH=Sign)
	.ci/install redis-server
	go test -run '^$$' -bench '$(BENCH)' -benchmem $(UNIT)

.PHONY: benchstat
benchstat: ## Compare the Go benchmarks with those of another commit, in turns (BASE=HEAD~1 BENCH=Reserve)
	.ci/install redis-server
	bench/compare $(BASE) '$(BENCH)'

QUOTA ?=

.PHONY: quota
quota: ## Keep the limits and use them up, beside other limiters, and print it as a table; 20 min (QUOTA='--only killed')
	.ci/install redis-server
	cd bench && go run . quota $(QUOTA)

.PHONY: soak
soak: ## Watch a loaded worker for leaks; fails when anything grows (SOAK=30m)
	.ci/install redis-server
	cd bench && go run . soak --module .. --for $(SOAK)

.PHONY: profile
profile: ## Write cpu.prof and allocs.prof of the happy path into bench/
	.ci/install redis-server
	cd bench && go run . profile --module .. --dir .

.PHONY: cover
cover: ## Measure coverage into cover.out and cover.html, without the end-to-end tests
	.ci/install redis-server python3 promtool
	go test -count=1 -coverpkg=./... -coverprofile=cover.out $(UNIT)
	go tool cover -html=cover.out -o cover.html
	go tool cover -func=cover.out | tail -n 1

.PHONY: clean
clean: ## Remove what the other targets made
	rm -rf bin cover.out cover.html bench/cpu.prof bench/allocs.prof

.PHONY: model
model: ## Explore the model further than make test does (BUDGET=5; 6 GB, two minutes)
	go test -run 'TestModel_BreaksNoPromise' -count=1 -timeout 60m -v ./worker/ -model.budget=$(or $(BUDGET),5)

.PHONY: mutants
mutants: ## Break the worker in every way on the list; a test must notice each
	.ci/install redis-server git
	go run ./.ci/mutants

CHAOS ?=
LONG   = .ci/install redis-server && go test -count=1 -timeout 60m -v $(E2E) -run

.PHONY: chaos
chaos: ## Kill workers among 10,000 orders with 10 % faults; 4 min (CHAOS='-chaos.seed=2')
	$(LONG) '^(TestChaos_EveryOrderHasOneTrueResult|TestTakeover_OrdersOfAKilledWorkerAreInFlightAgain|TestRollingRestart_CutsNoCallOff)$$' -parallel 1 -args -raced=false \
		-chaos.orders=10000 -chaos.rate=120 -chaos.workers=4 -chaos.kill=300ms -chaos.calm=0 -chaos.within=15m -chaos.drain \
		-takeover.default -rolling.orders=5000 -rolling.rate=60 $(CHAOS)

.PHONY: chaos-hard
chaos-hard: ## The same with 20,000 orders, 30 % faults and frozen workers
	$(LONG) '^TestChaos_EveryOrderHasOneTrueResult$$' -args -raced=false \
		-chaos.orders=20000 -chaos.rate=200 -chaos.workers=4 -chaos.kill=300ms -chaos.calm=0 -chaos.within=25m -chaos.drain \
		-chaos.faults=0.3 -chaos.late=8s -chaos.frozen=0.05 $(CHAOS)

.PHONY: chaos-payments
chaos-payments: ## Kill workers among 10,000 codes, lose and forge notifications of payments; 13 min (CHAOS='-payments.codes=1000')
	$(LONG) '^TestPaymentsChaos_EveryCodeHasOneTrueEvent$$' -tags payments -args -raced=false \
		-payments.codes=10000 -payments.minute=2000 $(CHAOS)

.PHONY: quota-payments
quota-payments: ## See payments in time while a bulk run uses the rest of the quota; 12 min (CHAOS='-payments.for=30m')
	$(LONG) '^TestPaymentsQuota_EventsComeInTimeBesideABulkRun$$' -tags payments -args -raced=false $(CHAOS)

.PHONY: large
large: ## Enqueue a file of 1 GB, read a million results that a consumer has missed, kill a bulk run of 10,000 orders; 10 min, 2 GB
	$(LONG) '^(TestEnqueue_LargeFileNeedsNoMoreMemoryThanASmallOne|TestResults_ConsumerThatWasAwayReadsEverything|TestAwait_KilledCommandGoesOnToTheSameFile)$$' \
		-parallel 1 -args -raced=false -large.file=1000000000 -large.results=1000000 -await.orders=10000

.PHONY: points
points: ## Kill workers at each point between two steps of an order, 100 times each
	$(LONG) '^TestFailpoint_LosesNothing$$' -args -raced=false -failpoints.deaths=100

.PHONY: redis-hard
redis-hard: ## Redis in trouble, the long versions: 5,000 orders, killed every 5 s; away for 15 s
	go test -count=1 -timeout 60m -v ./worker -run 'Redis|Cluster' -args -redis.hard
	$(LONG) 'Redis|Failover|Cluster' -args -raced=false -redis.hard
