# The two commands that matter: `make demo` shows it, `make test` proves it.

VENV := .venv
BIN := $(VENV)/bin
BENCH_VENV := .venv-bench
MODELS_VENV := .venv-models
DATA ?= ../shared/data/demand

.PHONY: help demo test lint unit e2e picture dashboards-pictures render bench bench-verdict fuzz soak models-live clean

help: ## Show this list
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 22

demo: $(VENV)/.installed ## Run the exporter on a simulated fleet; Ctrl-C stops
	@exec $(BIN)/surge-exporter demo

test: $(VENV)/.developed ## Run everything that CI runs
	@deploy/servers.sh
	@deploy/check.sh

lint: $(VENV)/.developed ## Format, lint, types, import directions
	@deploy/check.sh lint

unit: $(VENV)/.developed ## The tests that need no servers
	@$(BIN)/pytest -m "not e2e"

e2e: $(VENV)/.developed ## The tests against real servers
	@deploy/servers.sh
	@SURGE_ALL_SERVERS=1 $(BIN)/pytest -m e2e

picture: $(VENV)/.developed ## Take the README's picture of the demo (needs chromium)
	@$(BIN)/python -m tests.picture exporter/docs/status.png

dashboards-pictures: $(VENV)/.developed ## Draw the dashboards with Grafana's components (nightly; 420 MB of npm)
	@$(BIN)/python -m tests.dashboard_pictures exporter/docs/dashboards

render: $(VENV)/.developed ## Write the generated files
	@for part in rules alertmanager dashboards runbooks k8s docs; do $(BIN)/surge-exporter render $$part || exit 1; done

bench: $(VENV)/.developed ## Measure ingest, append to visible, cold start, pre-flight; against peers
	@$(BIN)/python -m tests.bench.ingest
	@$(BIN)/python -m tests.bench.latency
	@$(BIN)/python -m tests.bench.cold_start
	@$(BIN)/python -m tests.bench.preflight

bench-verdict: ## Score forecast and surges against peers (DATA=folder of series; minutes)
	@if [ -e "$(DATA)/series.json" ]; then \
		$(MAKE) --no-print-directory $(BENCH_VENV)/.installed && \
		$(BENCH_VENV)/bin/python -m tests.bench.verdict --data "$(DATA)"; \
	else \
		echo "skipped: no recorded series in $(DATA); name their folder: make $@ DATA=..."; \
	fi

fuzz: $(VENV)/.developed ## Try the properties on examples that nobody has tried before
	@$(BIN)/pytest -n 2 --timeout 3600 --hypothesis-profile fuzz tests/prop

soak: $(VENV)/.developed ## Run 20 000 random histories of a log directory, and 5 minutes of kills and rotations
	@SURGE_HISTORIES=20000 $(BIN)/pytest -n 2 --timeout 3600 tests/prop/test_tail_histories.py tests/prop/test_tail_restarts.py
	@$(BIN)/python -m tests.soak

models-live: $(VENV)/.developed $(MODELS_VENV)/.installed ## Degrade a real llama.cpp server on tiny models (builds it once: minutes)
	@SURGE_LLAMA_PYTHON=$(abspath $(MODELS_VENV))/bin/python $(BIN)/pytest tests/live

clean: ## Remove everything that was built or installed here
	rm -rf $(VENV) $(BENCH_VENV) $(MODELS_VENV) dist build .coverage .mypy_cache .pytest_cache .ruff_cache .hypothesis
	rm -rf tests/grafana/node_modules tests/grafana/ui/node_modules

$(VENV)/.installed: pyproject.toml deploy/venv.sh
	@deploy/venv.sh $(VENV)
	@$(BIN)/pip install --quiet --editable .
	@touch $@

$(VENV)/.developed: $(VENV)/.installed
	@$(BIN)/pip install --quiet --group dev
	@touch $@

$(BENCH_VENV)/.installed: pyproject.toml deploy/venv.sh
	@deploy/venv.sh $(BENCH_VENV)
	@$(BENCH_VENV)/bin/pip install --quiet --editable . --group bench
	@touch $@

# Text models need none of the image and sound parts, and a test no instructions of this CPU alone.
$(MODELS_VENV)/.installed: pyproject.toml deploy/venv.sh
	@deploy/venv.sh $(MODELS_VENV)
	@CMAKE_ARGS="-DLLAVA_BUILD=OFF -DMTMD_BUILD=OFF -DGGML_NATIVE=OFF -DCMAKE_CXX_FLAGS=-O1 -DCMAKE_C_FLAGS=-O1" \
		$(MODELS_VENV)/bin/pip install --quiet --group models
	@touch $@
