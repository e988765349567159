# The commands of the README; .ci/run and developers use the same ones.
.PHONY: help lab test test-long attack chaos fuzz bench check docs fix test-hub-versions test-farm coverage lock

help: ## list these commands
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST)

lab: ## install what is missing, build the image once, start the lab
	@scripts/bootstrap lab
	@.venv/bin/vmlab up

test: ## the whole test suite: unit, contract, hub, browser, real machines
	@scripts/bootstrap dev
	@scripts/test $(ARGS)

test-long: ## the suite's long plays: whole courses in a machine, twenty machines at once, a thousand starts, JupyterHub's own suites (half an hour)
	@scripts/bootstrap dev
	@scripts/test --long -m long $(ARGS)

COVERED = tests/hub tests/contract tests/front tests/ssh tests/volumes tests/guest tests/acquisition tests/unit
coverage: ## which lines the tests without machines and browsers reach, the least covered modules first
	@scripts/bootstrap dev
	@rm -rf artifacts/coverage && mkdir -p artifacts/coverage
	.venv/bin/python -m coverage run -m pytest -q -m "not vm" -n $$((2 * $$(nproc))) --dist loadfile --no-loadscope-reorder $(or $(ARGS),$(COVERED))
	@.venv/bin/python -m coverage combine -q
	@.venv/bin/python -m coverage report --sort=cover

test-hub-versions: ## hub and contract tests with the oldest and the newest JupyterHub that VMLab allows (an hour)
	@scripts/bootstrap dev
	@scripts/test-hub-versions $(ARGS)

test-farm: ## rehearse the acquisition farm on real machines, and play its exercise (half an hour)
	@scripts/bootstrap dev
	@.venv/bin/vmlab image build desk
	@.venv/bin/vmlab image build server
	@mkdir -p artifacts
	.venv/bin/vmlab rehearse labs/farm --page artifacts/farm.md $(ARGS)
	@cat artifacts/farm.md

attack: ## play every attack on the promises of SECURITY.md, and make their table (half an hour)
	@scripts/bootstrap dev
	@.venv/bin/vmlab image build desk
	@.venv/bin/vmlab image template desk
	@mkdir -p artifacts
	.venv/bin/python -m pytest -m attack --attack-table artifacts/attacks.md $(ARGS)
	@cat artifacts/attacks.md

chaos: ## break everything that can break, for ten minutes, and count what was lost (ARGS="--seed 7")
	@scripts/bootstrap dev
	@.venv/bin/vmlab image build desk
	@.venv/bin/vmlab image template desk
	@mkdir -p artifacts
	PYTHONPATH=tests .venv/bin/python -m chaos.run --json artifacts/chaos.json $(ARGS)

fuzz: ## odd inputs for all parsers, for an hour; crashes become cases (ARGS="--seconds 600 --only lab-toml")
	@scripts/bootstrap dev
	PYTHONPATH=tests:images/guest/src:images/narval/src .venv/bin/python -m fuzz.run --seconds 3600 --runs 1000000 $(ARGS)

bench: ## how fast machines and groups start, beside local processes, and the links of the acquisition and of events (an hour; see docs/performance.md)
	@scripts/bootstrap dev
	PYTHONPATH=images/narval/src .venv/bin/python -m narval.bench --json tests/bench/results/narval-links.json
	.venv/bin/vmlab bench network --json tests/bench/results/network.json
	.venv/bin/vmlab bench group --files --json tests/bench/results/group.json --logs artifacts/bench
	.venv/bin/vmlab bench start --seats 1,5,20 --compare --json tests/bench/results/start.json --logs artifacts/bench $(ARGS)
	.venv/bin/vmlab bench show tests/bench/results/start.json --plot docs/pictures/start-times.svg

check: ## style, types, spelling, shell scripts, documents and their site
	@scripts/bootstrap dev
	@scripts/check

docs: ## the documentation as a site of pages, below artifacts/docs
	@scripts/bootstrap dev
	@scripts/docs

fix: ## repair formatting and what ruff can repair
	@scripts/bootstrap dev
	@scripts/check fix

lock: ## write the lock files anew
	@scripts/lock
