# Everything works with Go, make, bash, coreutils and git. Tools are modules under test/tools, pinned there and built
# into Go's cache when first used.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules --warn-undefined-variables

# One setting everywhere, or the builds share no compiled packages.
export CGO_ENABLED := 0
GOFLAGS ?=
export GOFLAGS += -trimpath

# A tool runs in this folder, with the versions of its own module.
tool = go tool -modfile=test/tools/$(1)/go.mod $(1)
golangci-lint := $(call tool,golangci-lint)
opa := $(call tool,opa)
controller-gen := $(call tool,controller-gen)
misspell := $(call tool,misspell)

# The folder with etcd, kube-apiserver, kube-controller-manager and kubectl. Not inside `VAR=$$(…) command`: bash
# ignores a failure there.
with-assets := assets=$$(test/controlplane/assets.sh); KUBEBUILDER_ASSETS="$$assets"

build := go build -buildvcs=auto -ldflags '-s -w'
api := webhook/api/v1alpha1
crds := charts/taffrail/crds
FUZZTIME ?= 5m
HOLD ?=
N ?= 150
PACKAGES ?=
PAIRS ?= 100000
# The packages that make race tests. Others with goroutines are RACED='./webhook/rego ./webhook/controller ./webhook/facts'.
# -short leaves out long tests of a single goroutine, which have no races, and those that the detector makes too slow.
RACED ?= ./webhook/rego/compile ./webhook/rego/sandbox
RUN ?=
SCREENSHOTS ?=
SEED ?= 0
ifndef VERSION
VERSION := $(shell sed -n 's/^appVersion: *"*\([^"]*\)"*$$/\1/p' charts/taffrail/Chart.yaml)
endif
IMAGE ?= taffrail.dev/taffrail:$(VERSION)
ARCHS ?= $(shell go env GOARCH)
BASE ?= gcr.io/distroless/static:nonroot

say = @printf '\n== %s\n' "$(1)" >&2

##@ Work

.PHONY: help
help: ## Show this
	@awk 'BEGIN { FS = ":.*## " } \
	  /^##@ / { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: build
build: ## Build bin/taffrail
	$(build) -o bin/taffrail ./cmd/taffrail

.PHONY: demo
demo: build ## Show what Taffrail does on a control plane started here; HOLD=1 keeps it up
	$(call say,demo)
	@$(with-assets) HOLD='$(HOLD)' go run ./test/demo

# tsort puts every package above the packages that it imports, and fails if there is a cycle.
.PHONY: graph
graph: ## Print which package of the product imports which, importers first
	@imports=$$(go list -f '{{$$package := .ImportPath}}{{range .Imports}}{{$$package}} {{.}}{{"\n"}}{{end}}' \
	  ./charts ./cmd/... ./policies ./webhook/... | grep ' taffrail\.dev/' | sed 's|taffrail\.dev/||g'); \
	tsort <<<"$$imports" | awk 'NR == FNR { to[$$1] = to[$$1] " " $$2; next } \
	  { print $$1 (to[$$1] ? " →" to[$$1] : "") }' <(printf '%s\n' "$$imports") -

.PHONY: generate
generate: ## Write what is made from the API types, from METADATA and from the chart's values
	$(controller-gen) object crd paths=./$(api) output:object:dir=$(api) output:crd:dir=$(crds)
	go run ./cmd/taffrail policies list -o markdown >policies/README.md
	go run ./test/chart/readme -w
	go run ./test/chart/entries -w

##@ Check

.PHONY: test
test: ## Run every test, on a real control plane too
	$(call say,control plane: built once and cached; the first time takes 6 minutes on 2 cores)
	@assets=$$(test/controlplane/assets.sh); echo "$$assets"
	$(call say,go test: builds helm 3 and 4 once and caches them; that takes 2 minutes on 2 cores)
	$(with-assets) go test -timeout=30m ./...
	@$(MAKE) --no-print-directory oracle
	@$(MAKE) --no-print-directory browser
	$(call say,fuzzing: 3s per target; instrumented packages are built once and cached)
	@test/fuzz.sh 3s

.PHONY: unit
unit: ## Run the tests that need no control plane
	go list ./... | grep -v /test/integration | xargs go test

.PHONY: integration
integration: ## Run the tests on a real control plane
	$(with-assets) go test -timeout=30m ./test/integration/...

# What is tested needs no registry, BASE=… takes another base. -count=1, as the cluster is no file that go test watches.
.PHONY: e2e
e2e: BASE := scratch
e2e: image ## Run the image and the chart in a kind cluster; RUN=TestName for one, E2E_KEEP=1 keeps the cluster
	$(call say,helm and the end-to-end tests: built once and cached; the first time takes minutes on 2 cores)
	E2E_IMAGE='$(IMAGE)' go test -tags=e2e -count=1 -v -timeout=60m -run='$(RUN)' ./test/e2e/

.PHONY: fuzz
fuzz: ## Fuzz each target in turn for FUZZTIME, 5m if not set
	@test/fuzz.sh $(FUZZTIME)

# In the folder and without naming a package, so that go test prints what the tests print, and never answers from its
# cache. Vet would go through Kubernetes' packages as well, which takes longer than the tests.
.PHONY: oracle
oracle: ## Compare predictions with Kubernetes' own code; PAIRS=1000000 for more, SEED=42 for the same again
	$(call say,$(PAIRS) Pods and LimitRanges through Kubernetes' own code)
	go -C test/oracle test -vet=off -timeout=60m -oracle.pairs=$(PAIRS) -oracle.seed=$(SEED)

# In the folder and without naming a package, so that go test prints that the tests were left out where no Chromium is.
.PHONY: browser
browser: ## Open the HTML report in a headless Chromium; SCREENSHOTS=DIR writes pictures
	$(call say,what browsers show)
	go -C test/browser test -vet=off -count=1 -screenshots='$(abspath $(SCREENSHOTS))'

# Takes an hour or more. A survivor is judged: a test is written, or it is listed in test/mutate/equivalent.yaml.
.PHONY: mutate
mutate: ## See whether tests notice N small changes of what makes up a verdict; SEED=42, PACKAGES=request,rego
	$(call say,mutate: $(N) changes)
	go run ./test/mutate -n='$(N)' -seed='$(SEED)' -packages='$(PACKAGES)'

.PHONY: race
race: ## Run the tests of what requests share with the race detector; RACED=./... for all unit tests
	$(call say,race detector: instrumented packages are built once and cached; the first time takes minutes on 2 cores)
	@if ! command -v "$$(go env CC)" >/dev/null; then \
	  echo 'Left out, as the race detector needs a C compiler.' >&2; exit 0; \
	fi; \
	go list $(RACED) | grep -v /test/integration | CGO_ENABLED=1 xargs go test -race -short -timeout=30m

.PHONY: bench
bench: ## Compare what a request costs, in CPU, with doing nothing, with plain Go and with OPA's interpreter
	$(call say,bench)
	go run ./test/bench

.PHONY: lint
lint: lint-go lint-rego lint-prose ## Check the Go and the Rego code, spelling and phrases

.PHONY: lint-go
lint-go:
	$(call say,golangci-lint: built once and cached; the first time takes 2 minutes on 2 cores)
	$(golangci-lint) config verify
	$(golangci-lint) run ./...
	go -C test/certmanager vet .
	go -C test/browser vet .

.PHONY: lint-rego
lint-rego:
	$(call say,opa fmt; opa check)
	$(opa) fmt --list --fail policies
	$(opa) check --strict policies

# golangci-lint checks the spelling in Go.
.PHONY: lint-prose
lint-prose:
	$(call say,misspell; phrases of test/prose)
	git ls-files -z '*.md' '*.rego' '*.yaml' '*.tpl' '*.txtar' 'charts/*.txt' Makefile | xargs -0 $(misspell) -locale US -error
	go run ./test/prose

.PHONY: verify
verify: ## Check that generated files and go.mod are up to date
	$(call say,generated files; go.mod)
	@fresh=$$(mktemp -d); trap 'rm -rf "$$fresh"' EXIT; \
	$(controller-gen) object crd paths=./$(api) output:object:dir="$$fresh/api" output:crd:dir="$$fresh/crds"; \
	stale=0; \
	diff -u $(api)/zz_generated.deepcopy.go "$$fresh/api/zz_generated.deepcopy.go" || stale=1; \
	diff -ru $(crds) "$$fresh/crds" || stale=1; \
	go run ./test/chart/readme >"$$fresh/README.md"; diff -u charts/taffrail/README.md "$$fresh/README.md" || stale=1; \
	if ((stale)); then echo 'Stale: run make generate.' >&2; exit 1; fi
	go mod tidy -diff
	go -C test/oracle mod tidy -diff
	go -C test/certmanager mod tidy -diff
	go -C test/browser mod tidy -diff

##@ Ship

# An image for each architecture; the manifest list is the registry's. The time of the commit stands in for that of the
# build, so that the same commit makes the same layer anywhere.
.PHONY: image
image: ## Build the container image, for each of ARCHS; needs Docker
	@epoch=$$(git log -1 --format=%ct); \
	for arch in $(ARCHS); do \
	  tag='$(IMAGE)'; [[ '$(ARCHS)' == "$$arch" ]] || tag+="-$$arch"; \
	  printf '\n== %s\n' "$$tag" >&2; \
	  GOOS=linux GOARCH=$$arch $(build) -o bin/linux-$$arch/taffrail ./cmd/taffrail; \
	  touch -d "@$$epoch" bin/linux-$$arch/taffrail; \
	  SOURCE_DATE_EPOCH=$$epoch docker build --no-cache --platform "linux/$$arch" --build-arg BASE='$(BASE)' \
	    --build-arg VERSION='$(VERSION)' --build-arg REVISION="$$(git rev-parse HEAD)" \
	    -t "$$tag" -f Dockerfile bin/linux-$$arch; \
	done

.PHONY: clean
clean: ## Remove what was built here; Go's caches and the control plane stay
	rm -rf bin
