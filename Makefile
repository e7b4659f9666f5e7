SPARK ?= 4.1
PYTHON ?= python3
VENV := .venv$(if $(filter-out 4.1,$(SPARK)),-$(SPARK))
BIN := $(CURDIR)/$(VENV)/bin
export PATH := $(BIN):$(PATH)
export PYSPARK_PYTHON := $(BIN)/python
PIP = python -m pip install --quiet --disable-pip-version-check
# What every Spark and Kafka here runs on; a shell function, for it needs the environment that setup makes.
JAVA = JAVA_HOME=$$(python -m emr.jars java)

help:            ## prints this
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 24

setup: $(VENV)/.ready  ## makes .venv with everything pinned, and fetches the jars (SPARK=3.5 makes .venv-3.5)

demo: setup      ## 200,000 events through a real broker and the real job, killed half-way (KEEP=1 keeps it all up)
	@python -m tests.kit.demo $(if $(KEEP),--keep)

run: setup $(VENV)/fast-start.jsa  ## runs the job on a local master: make run ARGS="--bootstrap-servers … --topics … --table …"
	@python -m emr.local jobs/ingest.py $(ARGS)

check: setup     ## says what would keep the job from running, with the flags of `run`: make check ARGS="…"
	@python -m emr.local jobs/check.py $(ARGS)

replay: setup    ## reads a range of topics, or a quarantine, once more into another table: make replay ARGS="…"
	@python -m emr.local jobs/replay.py $(ARGS)

rebuild: setup   ## makes a lost ledger again from its table: make rebuild ARGS="--table …"
	@python -m emr.local jobs/rebuild.py $(ARGS)

emr: setup       ## how the job gets to EMR: make emr ARGS="--help"; make package, render, submit, stop, … ARGS="…"
	@$(JAVA) python -m emr $(ARGS)

package render submit status logs stop upgrade policy: setup
	@$(JAVA) python -m emr $@ $(ARGS)

test:            ## every test on both Spark lines (T=sink: only tests/test_sink.py; LINES=4.1: only that line)
	@$(foreach line,$(LINES),$(MAKE) --no-print-directory setup SPARK=$(line) &&) true
	@$(foreach line,$(LINES),$(MAKE) --no-print-directory test-line SPARK=$(line) &&) true
LINES ?= 4.1 3.5

test-line: setup
	@echo "== Spark $(SPARK)"
	@$(JAVA) python -m pytest -n 3 --dist worksteal $(if $(T),tests/test_$(T).py)

soak: setup      ## every fault in full, for hours (FAULTS=9,13 SEEDS=1,2 KILLS=67 RECORDS=340000 STORE=s3 MINUTES=240)
	@$(JAVA) python -m tests.soak $(SOAK)
SOAK = $(if $(FAULTS),--faults $(FAULTS)) $(if $(SEEDS),--seeds $(SEEDS)) $(if $(KILLS),--kills $(KILLS)) \
	$(if $(RECORDS),--records $(RECORDS)) $(if $(STORE),--store $(STORE)) $(if $(MINUTES),--minutes $(MINUTES))

BENCH_READY = setup $(VENV)/.bench $(VENV)/fast-start.jsa
ROWS_RUNS = $(if $(ROWS),--rows $(ROWS)) $(if $(RUNS),--runs $(RUNS))
SOME = $(if $(ONLY),--only "$(ONLY)")

bench: $(BENCH_READY)  ## the job beside what else one might use (ROWS=2000000 RUNS=3 STORE=s3 ONLY=Floodmark,Spark)
	@$(JAVA) python -m tests.bench drain $(ROWS_RUNS) $(if $(STORE),--store $(STORE)) $(SOME)

bench-latency: $(BENCH_READY)  ## how soon a record can be read, at triggers of 0 and 10 s (SECONDS=120 ONLY=Spark)
	@$(JAVA) python -m tests.bench latency $(if $(SECONDS),--seconds $(SECONDS)) $(SOME)

bench-age: $(BENCH_READY)  ## what a batch costs in an old table (BATCHES=2000 STORE=s3 ONLY=Floodmark)
	@$(JAVA) python -m tests.bench age $(if $(BATCHES),--batches $(BATCHES)) $(if $(STORE),--store $(STORE)) $(SOME)

bench-requests: $(BENCH_READY)  ## the requests to S3 of a batch, and what they cost a month (ONLY=Spark)
	@$(JAVA) python -m tests.bench requests $(SOME)

bench-start: $(BENCH_READY)  ## where the time goes until the first file is there (ROWS=100000 RUNS=3)
	@$(JAVA) python -m tests.bench start $(ROWS_RUNS)

profile: $(BENCH_READY)  ## a drain's flame graph, bench-profile.svg, and its tasks' work beside the sink's; needs a whole JDK (ROWS=2000000)
	@$(JAVA) python -m tests.bench profile $(if $(ROWS),--rows $(ROWS))

lint: setup      ## checks style and imports
	ruff check . && ruff format --check .

fmt: setup       ## formats the code
	ruff check --fix . && ruff format .

lock: setup      ## pins what setup.py's pins need, with their hashes, in requirements-*.txt
	@$(PIP) uv==0.13.9
	$(foreach line,$(LINES),uv pip compile --quiet --universal --python-version 3.10 --generate-hashes --no-annotate \
		--no-header --extra spark$(subst .,,$(line)) --extra dev setup.py -o requirements-$(line).txt &&) true
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
		--constraint requirements-4.1.txt --extra bench setup.py -o requirements-bench.txt

clean:           ## removes what setup, tests and runs made
	rm -rf .venv .venv-* .jars .pytest_cache .ruff_cache .hypothesis *.egg-info dist spark-warehouse artifacts
	find . -name __pycache__ -prune -exec rm -rf {} +

$(VENV)/.ready: setup.py requirements-$(SPARK).txt emr/jars.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Python 3.10 or newer is needed: make PYTHON=python3.11 …")'
	@echo "== Spark $(SPARK): installing into $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) --require-hashes -r requirements-$(SPARK).txt
	@$(PIP) --no-deps -e .
	@python -m emr.jars fetch broker kafka-$(SPARK) s3-$(SPARK)
	@touch $@

$(VENV)/.bench: $(VENV)/.ready requirements-bench.txt
	@$(PIP) --require-hashes -r requirements-bench.txt
	@touch $@

$(VENV)/fast-start.jsa: $(VENV)/.ready
	@echo "== Spark $(SPARK): running the job once, small, for fast starts from now on"
	@$(JAVA) python -m tests.kit.train || echo "== no archive was made: starts stay slow, the job runs all the same"

.PHONY: help setup demo run check replay rebuild emr package render submit status logs stop upgrade policy test test-line soak bench bench-latency bench-age bench-requests bench-start profile lint fmt lock clean
