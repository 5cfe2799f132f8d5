# What a contributor runs; .ci/run runs the same targets. Needs Python 3.11 and a C compiler.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
export PATH := $(CURDIR)/.venv/bin:$(PATH)

# What a case goes through, the metrics, and the house rules.
FAST := test/challenge test/postprocess test/lab/metrics/test_lesionwise.py test/lab/metrics/test_voxel.py \
	test/test_imports.py test/test_security.py

.PHONY: help setup fast test long types style container

help:  ## this list
	@grep -E '^[a-z]+: .*##' Makefile | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 18

setup:  ## a virtual environment in .venv with all that the tests need, and the git hooks
	line=$$(.ci/readme_line test); eval "$${line%&& python -m pytest*}"
	git config core.hooksPath .githooks

fast: style  ## style, and the tests of what a case goes through: under a minute
	python -m pytest -n 2 $(FAST)

test:  ## the README's test command, which sets up .venv first where there is none
	@.ci/readme_line test
	eval "$$(.ci/readme_line test)"

types:  ## mypy
	mypy

style:  ## ruff, both of its ways
	ruff check .
	ruff format --check .

container:  ## both images built, run, rehearsed, exported and loaded (Docker, or root on Debian)
	.ci/container.sh

long:  ## what is too long for CI: before a release
	python -m pytest -n 2 -m long
