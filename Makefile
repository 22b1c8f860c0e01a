# Hummingbird: the steps that a person or a CI job runs. `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
TARGET := $(or $(CARGO_TARGET_DIR),target)
BINARY := $(TARGET)/release/hummingbird-dataplane
# rustup's cargo, also where no login shell has put it on the path.
export PATH := $(PATH):$(or $(CARGO_HOME),$(HOME)/.cargo)/bin

.PHONY: help
help: ## This list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | awk -F'\t' '{printf "  make %-8s %s\n", $$1, $$2}'

.PHONY: build
build: ## Install the system packages (Debian 12) and build target/release/hummingbird-dataplane
	@scripts/bootstrap.sh build run
	cargo build --release --locked -p hummingbird-dataplane

.PHONY: demo
demo: build ## Run the site-gateway chain over the example captures and print what happened
	@scripts/demo.sh $(BINARY)

.PHONY: test
test: ## Every test: Rust, kernels, judges, end to end
	@scripts/bootstrap.sh build run test
	@scripts/test.sh

.PHONY: bench
bench: ## Measure against the peers; writes docs/performance.md (QUICK=1: a short form)
	@scripts/bootstrap.sh build run bench
	cargo build --release --locked -p hummingbird-dataplane -p hummingbird-bench
	@$(TARGET)/release/hummingbird-bench --dataplane $(BINARY) $(if $(QUICK),--quick)

SOAK_MINUTES ?= 10
.PHONY: soak
soak: build ## Everything at once and at random for SOAK_MINUTES (10): changes, bad traffic, hanging clients
	/usr/bin/python3 tests/soak/soak.py --minutes $(SOAK_MINUTES) $(if $(SOAK_SEED),--seed $(SOAK_SEED))

.PHONY: lint
lint: ## Formatting, clippy and Python syntax, warnings denied
	cargo fmt --all --check
	cargo clippy --release --locked --workspace --all-targets -- -D warnings
	scripts/python-syntax.sh

.PHONY: docs
docs: ## The crates' documentation, warnings denied
	RUSTDOCFLAGS="-D warnings" cargo doc --release --locked --workspace --no-deps

.PHONY: crds
crds: ## Write the generated CRD YAML anew
	cargo run --release --locked -q -p hummingbird-crds --bin crdgen crds

.PHONY: examples
examples: ## Put the example rules into the example bundles anew
	scripts/bundle-examples

.PHONY: readme
readme: build ## Put what the demo prints into the README anew
	@scripts/readme-demo.sh $(BINARY)

.PHONY: deny
deny: ## Licences, sources, duplicate crates and, where reachable, advisories
	scripts/deny.sh

.PHONY: clean
clean: ## Remove what was built and written
	rm -rf $(TARGET) out
