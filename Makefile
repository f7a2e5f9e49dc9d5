# make                 install dependencies, build rsic
# make demo            install dependencies, train and score the models on the built-in scenes
# make test            install dependencies, run all tests
# make reproduce-table2 WEIGHTS=weights          the comparison on UCM-Captions, all models (one paper: PAPER=fe_lws)
# make reproduce-table-V PAPER=fe_lws            any table of a paper by its number
# make help            list the other targets

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := all

CARGO ?= cargo
PYTHON ?= python3
RSIC := target/debug/rsic

PAPER ?=
DATASETS ?= $(DATASET)
WEIGHTS ?= weights
SEEDS ?=
ENCODER ?=
ARGS ?=
empty :=
space := $(empty) $(empty)
comma := ,
list = $(subst $(space),$(comma),$(strip $(1)))
REPRODUCE = $(if $(PAPER),--paper $(call list,$(PAPER))) $(if $(DATASETS),--datasets $(call list,$(DATASETS))) \
	$(foreach weights,$(WEIGHTS),--weights $(weights)) $(foreach encoder,$(ENCODER),--encoder $(encoder)) \
	$(if $(SEEDS),--seeds $(call list,$(SEEDS))) $(ARGS)

.PHONY: all build setup demo test lint fmt metrics-data reproduce-table2 bench clean help

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*##' Makefile | sed 's/:.*## /\t/' | expand -t 20

# An environment's LIBTORCH wins; otherwise it is downloaded once into the user's cache.
setup: ## download LibTorch
	@$(PYTHON) scripts/libtorch.py > /dev/null

all: build ## build the rsic binary and download METEOR's synonyms and paraphrases, if they are not there
	@$(PYTHON) scripts/metrics_data.py $(RSIC) || \
		echo "rsic works; METEOR matches words and stems alone until 'make metrics-data' has succeeded" >&2

build: setup ## build the rsic binary alone
	@LIBTORCH="$$($(PYTHON) scripts/libtorch.py)" $(CARGO) build --locked --workspace

metrics-data: build ## download METEOR's synonyms and paraphrases
	@$(PYTHON) scripts/metrics_data.py $(RSIC)

demo: build metrics-data ## train, caption and score on the built-in scenes
	@$(RSIC) data scenes datasets/scenes
	@$(RSIC) reproduce experiments/demo/table.yaml $(ARGS)

test: setup metrics-data ## run all tests
	@LIBTORCH="$$($(PYTHON) scripts/libtorch.py)" $(CARGO) test --locked --workspace

lint: setup ## check formatting, line lengths and lints
	@$(CARGO) fmt --check
	@$(PYTHON) scripts/line_lengths.py
	@LIBTORCH="$$($(PYTHON) scripts/libtorch.py)" $(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	@$(CARGO) clippy --quiet --manifest-path fuzz/Cargo.toml --locked --all-targets -- -D warnings

fmt: ## format the code
	@$(CARGO) fmt

reproduce-table2: DATASETS := $(or $(DATASETS),ucm)
reproduce-table2: build metrics-data ## reproduce the comparison tables: published and measured scores
	@$(RSIC) reproduce table2 $(REPRODUCE)

reproduce-table-%: build metrics-data
	@$(RSIC) reproduce $* $(REPRODUCE)

clean: ## remove build outputs (keeps LibTorch and the cache)
	@$(CARGO) clean
