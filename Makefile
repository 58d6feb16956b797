# The two main commands are `make demo` and `make test`. No target installs a system package.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
DATA   ?=
SCORERS ?= $(DATA)/../bench
FIELD  ?=
CARGO  ?= cargo
MINUTES ?= 30
SEEDS  ?= 2 3 4 5 6
# processes of the Python tests: they wait for servers half of their time
JOBS   ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)

SOURCES := $(shell find mad-core/src mad-py/src python -type f -not -path '*/__pycache__/*' -not -name '*.so') \
           Cargo.toml Cargo.lock mad-core/Cargo.toml mad-py/Cargo.toml pyproject.toml

.PHONY: help demo serve-demo demo-live test test-rust test-real properties test-python test-panic test-tables test-engines test-field test-deep lint quality quality-shop quality-public quality-causes quality-quiet quality-promise quality-early quality-spans quality-cascades quality-lasting quality-calm quality-worlds quality-methods bench-core bench-metrics bench-forest bench-svm bench-graph bench-storm bench bench-service bench-spark bench-page bench-logs bench-sources bench-postgres bench-capacity bench-dashboard pictures bench-overload soak faults quality-late quality-culprits quality-words quality-together quality-log-rates quality-ablation quality-views quality-logs quality-log-evidence bench-culprits fuzz clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(VENV)/.made:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check --upgrade 'pip>=23.1'
	$(BIN)/python -m pip install -q --disable-pip-version-check 'maturin>=1.9,<2'
	@touch $@

# an editable install: the Rust core built for release, the Python files as they stand
$(VENV)/.installed: $(VENV)/.made $(SOURCES)
	@echo "building the core and installing the package (minutes when nothing is built yet)"
	@VIRTUAL_ENV="$(abspath $(VENV))" $(BIN)/maturin develop --release -q
	@touch $@

$(VENV)/.tested: requirements-test.txt $(VENV)/.made
	$(BIN)/python -m pip install -q --disable-pip-version-check -r requirements-test.txt
	@touch $@

demo: $(VENV)/.installed ## simulate a shop, find its incident, name the culprit, write the report
	@$(BIN)/mad demo $(if $(SEED),--seed $(SEED))

serve-demo: $(VENV)/.installed $(VENV)/.tested ## run the live service with a demo shop and a failure
	@$(BIN)/mad serve --demo

# prints one address; Ctrl-C stops the server and the shop
demo-live: $(VENV)/.installed $(VENV)/.tested ## open the live page over a demo shop that breaks after a minute
	@$(BIN)/mad serve --demo --port $(or $(PORT),0) --scenario all --accelerate 30 2>&1 | sed -un \
	  -e 's#^mad listens on \([^;]*\);.*#Open \1/   A service breaks after about a minute. Ctrl-C stops everything.#p' \
	  -e '/^mad: /p'

test: lint test-rust test-python test-panic test-tables test-field ## run all tests; names the tests that it left out
	@DATA="$(DATA)" FIELD="$(FIELD)" sh tests/left_out.sh
	@echo "make test: all passed"

lint: $(VENV)/.installed $(VENV)/.tested ## check formats, lints, types, prose and docs
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -q -- -D warnings
	$(CARGO) clippy -p mad-core --no-default-features -q -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc -p mad-core --no-deps -q
	$(BIN)/python tests/prose.py
	$(BIN)/ruff check python tests examples benches deploy
	$(BIN)/ruff format --check python tests examples benches deploy
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest mad._core

# the properties draw the same cases in every run; `make properties` draws others
test-rust: ## run unit, property and doc tests of the crates
	PROPTEST_RNG_SEED=1 $(CARGO) test --workspace --exclude mad-py -q

properties: ## run the properties on other cases; SEEDS="2 3 4"
	for seed in $(SEEDS); do echo "seed $$seed"; \
	  PROPTEST_RNG_SEED=$$seed $(CARGO) test --workspace --exclude mad-py -q --tests --no-fail-fast; done

test-python: $(VENV)/.installed $(VENV)/.tested ## run the tests of the Python package; JOBS=1 for one process
	DATA="$(DATA)" $(BIN)/python -m pytest -q $(if $(filter-out 1,$(JOBS)),-n $(JOBS) --dist loadfile --no-loadscope-reorder)

# on free ports of the loopback; tests/real.sh says what has to be installed
test-real: $(VENV)/.installed $(VENV)/.tested ## test sources and sinks over real servers
	@sh tests/real.sh
	MAD_TEST_ALL=1 $(BIN)/python -m pytest -q -m real

# Spark, Dask and Ray in local mode, in a virtual environment for them alone: 1.2 GB; Spark needs Java 17 or 21
ENGINES := $(VENV)-engines
$(ENGINES)/.made: requirements-test-engines.txt
	$(PYTHON) -m venv $(ENGINES)
	$(ENGINES)/bin/python -m pip install -q --disable-pip-version-check -r requirements-test-engines.txt
	@echo "$(abspath python)" > "$$($(ENGINES)/bin/python -c 'import site; print(site.getsitepackages()[0])')/mad.pth"
	@touch $@

test-engines: $(VENV)/.installed $(ENGINES)/.made ## test Spark, Dask and Ray against one process; ENGINE_TESTS=
	@command -v java >/dev/null || echo "left out: the tests of Spark: apt-get install -y openjdk-17-jre-headless"
	$(ENGINES)/bin/python -m pytest -q -p no:cacheprovider $(or $(ENGINE_TESTS),tests/engines)

bench-spark: $(VENV)/.installed $(ENGINES)/.made ## measure Spark over the core alone; REQUESTS=
	$(ENGINES)/bin/python benches/spark.py --requests $(or $(REQUESTS),10000000)

# the oldest pandas line that is supported, and no pyarrow
test-tables: $(VENV)/.installed
	@test -f $(VENV)-pandas2/.made || { $(PYTHON) -m venv $(VENV)-pandas2 && \
	  $(VENV)-pandas2/bin/python -m pip install -q --disable-pip-version-check -r requirements-test-pandas2.txt && \
	  touch $(VENV)-pandas2/.made; }
	@echo "$(abspath python)" > "$$($(VENV)-pandas2/bin/python -c 'import site; print(site.getsitepackages()[0])')/mad.pth"
	MAD_TEST_TABLES=pandas $(VENV)-pandas2/bin/python -m pytest -q tests/python/test_tables.py \
	  tests/python/test_kinds.py tests/python/test_detect_kinds.py tests/python/test_results.py

# in a separate extension that is built with faults; the installed one has none
test-panic: $(VENV)/.installed $(VENV)/.tested ## test a panic of the core
	@VIRTUAL_ENV="$(abspath $(VENV))" $(BIN)/maturin build --release -q --features faults --out target/panic/wheels
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --upgrade --target target/panic target/panic/wheels/*.whl
	PYTHONPATH=target/panic $(BIN)/python -m pytest -q tests/panic

# PyTorch takes gigabytes, so that it has a separate environment
test-deep: ## compare the LSTM autoencoder with PyTorch
	@test -f $(VENV)-deep/.made || { $(PYTHON) -m venv $(VENV)-deep && \
	  $(VENV)-deep/bin/python -m pip install -q --disable-pip-version-check torch numpy pytest && touch $(VENV)-deep/.made; }
	$(CARGO) build -q -p mad-benches --bin model-peers
	$(VENV)-deep/bin/python -m pytest -q tests/deep

# situations that other projects reported, with the right answer; these kinds and cases are printed and do not fail the run
FIELD_REPORTED := culprits words incidents-flapping
test-field: $(VENV)/.installed $(VENV)/.tested ## run field cases; FIELD=DIR
	@if [ -n "$(FIELD)" ]; then $(BIN)/python tests/field.py "$(FIELD)" $(patsubst %,--reported %,$(FIELD_REPORTED)); fi

quality: quality-shop quality-public ## measure accuracy with the shipped defaults

quality-public: $(VENV)/.installed $(VENV)/.tested ## measure accuracy on public data; DATA=DIR SCORERS=DIR
	@if [ -d "$(DATA)/detection" ] && [ -f "$(SCORERS)/detection.py" ]; then \
	  $(BIN)/python "$(SCORERS)/detection.py" --data "$(DATA)/detection" --method mad && \
	  $(BIN)/python benches/halves.py "$(DATA)/detection" "$(SCORERS)/detection.py" && \
	  $(BIN)/python "$(SCORERS)/rca.py" --data "$(DATA)/rca" --method mad; \
	else echo "left out: no public data in $(DATA) or no scorers in $(SCORERS); make quality DATA=DIR SCORERS=DIR"; fi

quality-logs: $(VENV)/.installed $(VENV)/.tested ## measure log templates on public data; DATA=DIR SCORERS=DIR
	@if [ -d "$(DATA)/logs" ] && [ -f "$(SCORERS)/logs.py" ]; then \
	  $(BIN)/python "$(SCORERS)/logs.py" --data "$(DATA)/logs" && \
	  if [ -d "$(DATA)/rca/nezha_tt" ]; then $(BIN)/python "$(SCORERS)/logs.py" --service-logs "$(DATA)/rca/nezha_tt"; fi; \
	else echo "left out: no public data in $(DATA) or no scorers in $(SCORERS); make quality-logs DATA=DIR SCORERS=DIR"; fi

quality-causes: $(VENV)/.installed $(VENV)/.tested ## say why events of public data are missed; DATA=DIR SCORERS=DIR
	$(BIN)/python benches/causes.py "$(DATA)/detection" "$(SCORERS)/detection.py"

quality-quiet: $(VENV)/.installed ## measure false alarms on 200 kinds of quiet series
	$(BIN)/python benches/quiet.py

quality-promise: $(VENV)/.installed $(VENV)/.tested ## measure flagged normal rows of public data at each sensitivity; DATA=DIR SCORERS=DIR
	$(BIN)/python benches/promise.py "$(DATA)/detection" "$(SCORERS)/detection.py"

quality-shop: ## measure accuracy on simulated shops
	$(CARGO) run --release -q -p mad-benches --bin quality-shop

quality-worlds: $(VENV)/.installed $(VENV)/.tested ## measure the simulated systems MELT, API and AIOps
	$(BIN)/python benches/worlds.py

quality-methods: $(VENV)/.installed $(VENV)/.tested ## measure the other methods on the simulated systems
	$(BIN)/python benches/methods.py

quality-early: ## measure early warning of slow change
	$(CARGO) run --release -q -p mad-benches --bin early-warning

quality-lasting: ## measure outages of 30 minutes to 24 hours
	$(CARGO) run --release -q -p mad-benches --bin quality-lasting

quality-calm: ## measure false incidents in 14 calm days with a rhythm and cron jobs
	$(CARGO) run --release -q -p mad-benches --bin quality-calm

bench-storm: ## measure a storm of 5,000 anomalous series
	$(CARGO) run --release -q -p mad-benches --bin alert-storm

quality-spans: ## measure accuracy on missing spans
	$(CARGO) run --release -q -p mad-benches --bin missing-spans

quality-cascades: $(VENV)/.installed ## measure culprits of faults that only spans show
	$(BIN)/python benches/cascades.py

quality-culprits: ## measure culprits in simulated situations: faults, canaries, quiet windows
	$(CARGO) run --release -q -p mad-benches --bin quality-culprits

quality-words: $(VENV)/.installed $(VENV)/.tested ## compare the sentences of 10,000 incidents with the written files
	$(BIN)/python benches/words.py

quality-together: $(VENV)/.installed ## measure faults of hosts that only several metrics show together
	$(BIN)/python benches/together.py

quality-log-rates: $(VENV)/.installed $(VENV)/.tested ## measure the rates of single log templates: false alarms, and faults that are found
	$(BIN)/python benches/log_rates.py

quality-log-evidence: $(VENV)/.installed $(VENV)/.tested ## check the log evidence of a saturated database in 50 seeds
	$(BIN)/python benches/log_evidence.py

quality-late: ## measure culprits when the alarm is 30 and 60 s late
	$(CARGO) run --release -q -p mad-benches --bin late-onset

# builds the extension with the feature `ablation`; the next target builds it again without
quality-ablation: $(VENV)/.installed $(VENV)/.tested ## measure the parts of the ranking; DATA=DIR SCORERS=DIR
	@VIRTUAL_ENV="$(abspath $(VENV))" $(BIN)/maturin develop --release -q --features ablation
	@rm -f $(VENV)/.installed
	$(BIN)/python benches/ablation.py "$(DATA)/rca" "$(SCORERS)/rca.py"

# builds the extension with the feature `ablation`; the next target builds it again without
quality-views: $(VENV)/.installed $(VENV)/.tested ## measure the views of a gauge; DATA=DIR SCORERS=DIR
	@VIRTUAL_ENV="$(abspath $(VENV))" $(BIN)/maturin develop --release -q --features ablation
	@rm -f $(VENV)/.installed
	$(BIN)/python benches/views.py "$(DATA)/detection" "$(SCORERS)/detection.py"

bench-core: $(VENV)/.installed $(VENV)/.tested ## compare CPU and memory with DuckDB and pandas
	$(BIN)/python benches/peers.py

bench-metrics: $(VENV)/.installed $(VENV)/.tested ## compare metrics with pandas; measure state and memory
	$(BIN)/python benches/metrics.py

bench-forest: $(VENV)/.installed $(VENV)/.tested ## compare the Isolation Forest with scikit-learn
	$(BIN)/python benches/forest.py

bench-svm: $(VENV)/.installed $(VENV)/.tested ## compare the one-class SVM with scikit-learn
	$(CARGO) build --release -q -p mad-benches --bin model-peers
	$(BIN)/python benches/svm.py

bench-graph: $(VENV)/.installed $(VENV)/.tested ## measure a service graph of a million spans
	$(BIN)/python benches/graph.py

bench-service: $(VENV)/.installed $(VENV)/.tested ## measure the live service
	$(BIN)/python benches/service.py

bench-page: $(VENV)/.installed $(VENV)/.tested ## measure the live page in Chromium
	$(BIN)/python benches/page.py

bench-logs: $(VENV)/.installed $(VENV)/.tested ## measure the intake of log lines
	$(BIN)/python benches/log_intake.py

bench-postgres: $(VENV)/.installed $(VENV)/.tested ## measure the journal in PostgreSQL: pace, acknowledgement, takeover
	$(BIN)/python benches/postgres.py

bench-sources: $(VENV)/.installed $(VENV)/.tested ## measure the receivers of OpenTelemetry and Prometheus, Kafka, and access logs
	$(BIN)/python benches/sources.py
	$(BIN)/python benches/kafka.py
	$(BIN)/python benches/kafka_group.py
	$(BIN)/python benches/access_log.py

pictures: $(VENV)/.installed $(VENV)/.tested ## render the pictures of the README and the docs
	$(BIN)/python examples/pictures.py
	$(BIN)/python benches/fleet.py

bench-capacity: $(VENV)/.installed $(VENV)/.tested ## measure the costs of a record and a series; calculate and simulate a fleet
	$(BIN)/python benches/capacity.py measure
	$(BIN)/python benches/capacity.py need
	$(BIN)/python benches/fleet.py --out target/capacity.svg

bench-dashboard: $(VENV)/.installed $(VENV)/.tested ## measure the first view of the dashboard with a million rows
	$(BIN)/python benches/dashboard.py

bench-overload: $(VENV)/.installed $(VENV)/.tested ## overload the live service, with slow clients; check its limits
	$(BIN)/python benches/overload.py

soak: $(VENV)/.installed $(VENV)/.tested ## run the service for half an hour; kill and recover it
	$(BIN)/python benches/soak.py --recovery
	$(BIN)/python benches/soak.py --minutes $(MINUTES)

# each part prints its figures and may be run by itself, with other moments: SEED=8 KILLS=100 FLIPS=1000 CUTS=1000
KILLS  ?= 500
FLIPS  ?= 10000
CUTS   ?= 65536
faults: $(VENV)/.installed $(VENV)/.tested test-panic ## kill the service, damage its files and break its disk for hours
	MAD_KILLS=$(KILLS) MAD_SEED=$(or $(SEED),7) MAD_THREAD_SECONDS=60 $(BIN)/python -m pytest -q -s tests/python/test_crash.py
	@mkdir -p target/faults && for part in $$(seq 0 31); do \
	  mark=target/faults/damage-$(or $(SEED),7)-$(CUTS)-$(FLIPS)-$$part; [ -e $$mark ] || { \
	  MAD_PART=$$part/32 MAD_DAMAGE=$(CUTS) MAD_FLIPS=$(FLIPS) MAD_SEED=$(or $(SEED),7) \
	  $(BIN)/python -m pytest -q -s tests/python/test_damage.py && touch $$mark; } || exit 1; done
	MAD_FAULTS=20 $(BIN)/python -m pytest -q -s tests/python/test_storage.py tests/python/test_poison.py
	MAD_REQUESTS=20000 MAD_SEED=$(or $(SEED),7) $(BIN)/python -m pytest -q tests/python/test_hostile_service.py
	MAD_NAMES=1000000 $(BIN)/python -m pytest -q tests/python/test_name_floods.py

# each target runs for MINUTES (20) and continues where the last run stopped; with FUZZER=cargo-fuzz the
# core's targets are drawn by coverage (cargo install cargo-fuzz)
FUZZ_TARGETS := csv jsonl formats checkpoint config template graph observe
FUZZER ?= mutate
FUZZ_MINUTES = $(if $(filter command,$(firstword $(origin MINUTES))),$(MINUTES),20)
fuzz: $(VENV)/.installed $(VENV)/.tested ## attack every reader with changed inputs; MINUTES=20 a target
	@if [ "$(FUZZER)" = cargo-fuzz ]; then for target in $(FUZZ_TARGETS); do \
	  mkdir -p target/fuzz/$$target/corpus && \
	  RUSTC_BOOTSTRAP=1 $(CARGO) fuzz run -s none --fuzz-dir fuzz --features libfuzzer $$target \
	    target/fuzz/$$target/corpus $$(ls -d fuzz/crashes/$$target 2>/dev/null) -- -timeout=10 -malloc_limit_mb=64 \
	    -max_total_time=$$((60 * $(FUZZ_MINUTES))) || exit 1; done; \
	else $(CARGO) run -q --profile fuzz -p mad-fuzz --bin mutate -- all $$((60 * $(FUZZ_MINUTES))); fi
	$(BIN)/python fuzz/bodies.py all $$((60 * $(FUZZ_MINUTES)))

bench-culprits: $(VENV)/.installed $(VENV)/.tested ## measure the time of a ranking
	$(BIN)/python benches/culprits.py

bench: ## run the criterion benchmarks
	$(CARGO) bench -p mad-benches

clean: ## delete everything that was built
	rm -rf target $(VENV) $(VENV)-pandas2 $(VENV)-deep python/mad/*.so
