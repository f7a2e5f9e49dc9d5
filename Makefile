# make demo            set everything up, train and score the models on the built-in scenes
# make test            set everything up, run every test
# make reproduce-table2 WEIGHTS=weights          the comparison on UCM-Captions, all models (PAPER=fe_lws narrows it)
# make reproduce-table-V PAPER=fe_lws            any table of a paper by its number
# make help            the other targets

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := build

CARGO ?= cargo
PYTHON ?= python3
RSIC := target/release/rsic

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

.PHONY: build setup demo test lint fmt metrics-data reproduce-table2 bench clean help

help: ## print the targets
	@grep -hE '^[a-z0-9-]+:.*##' Makefile | sed 's/:.*## /\t/' | expand -t 20

# An environment's LIBTORCH wins; otherwise it is obtained once into the user's cache.
setup: ## obtain LibTorch
	@$(PYTHON) scripts/libtorch.py > /dev/null

build: setup ## build the rsic binary
	@LIBTORCH="$$($(PYTHON) scripts/libtorch.py)" $(CARGO) build --release --locked

metrics-data: build ## obtain METEOR's synonyms and paraphrases
	@$(PYTHON) scripts/metrics_data.py $(RSIC)

demo: build metrics-data ## train, caption and score on the built-in scenes
	@$(RSIC) data scenes datasets/scenes
	@$(RSIC) reproduce experiments/demo/table.yaml $(ARGS)

test: setup metrics-data ## run every test
	@LIBTORCH="$$($(PYTHON) scripts/libtorch.py)" $(CARGO) test --release --locked

lint: setup ## check the format and the lints
	@$(CARGO) fmt --check
	@LIBTORCH="$$($(PYTHON) scripts/libtorch.py)" $(CARGO) clippy --release --locked --all-targets -- -D warnings

fmt: ## format the code
	@$(CARGO) fmt

reproduce-table2: DATASETS := $(or $(DATASETS),ucm)
reproduce-table2: build metrics-data ## published and measured scores of the comparison tables
	@$(RSIC) reproduce table2 $(REPRODUCE)

reproduce-table-%: build metrics-data
	@$(RSIC) reproduce $* $(REPRODUCE)

clean: ## remove what was built (LibTorch and the cache stay)
	@$(CARGO) clean
