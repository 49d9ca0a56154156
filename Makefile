# Set-up is two commands: `make demo`, `make test`. Another Python: make test PYTHON=python3.13 VENV=.venv-3.13
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
STAMP = $(VENV)/.installed
PEER = $(VENV)-bench
PYTEST = $(BIN)/pytest -n auto --dist loadfile --no-loadscope-reorder
PIP = $(BIN)/python -m pip --disable-pip-version-check install --quiet
WHEEL = $(CURDIR)/$(BIN)/python -m hatchling build -t wheel -d $(CURDIR)/dist
COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-emit-find-links

# Otherwise every process that a test starts would compile Loa again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: install demo desk up test test-deep lint docs-check types lock wheel client-ts sbom bench crash cluster-crash check-speed scale-drills readers notice-load callbacks-load door-load first-events races model
install: $(STAMP)

$(STAMP): requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	 echo "Loa needs Python 3.11+ with its venv module / Loa cần Python 3.11 trở lên kèm mô-đun venv (Debian: apt install git make python3-venv)" >&2; exit 2; }
	@echo "1/3 An environment of its own in $(VENV): some seconds / Tạo môi trường riêng trong $(VENV): vài giây"
	@$(PYTHON) -m venv $(VENV)
	@echo "2/3 $$(grep -c == $<) packages of $<, fetched and checked: one to seven minutes, and nothing is printed meanwhile / Tải và kiểm tra $$(grep -c == $<) gói: từ một đến bảy phút, trong lúc đó không in gì"
	@$(PIP) --require-hashes -r requirements-dev.lock
	@echo "3/3 Loa itself: some seconds / Cài chính Loa: vài giây"
	@$(PIP) --no-deps --no-build-isolation -e .
	@touch $@
	@echo "Installed / Đã cài xong"

demo: install
	$(BIN)/loa demo

desk: install
	$(BIN)/loa demo --desk $(ARGS)

up: install
	LOA_LOG_FORMAT=$${LOA_LOG_FORMAT:-pretty} $(BIN)/loa up

test: install
	$(PYTEST) $(ARGS)

test-deep: install
	$(PYTEST) $(or $(ARGS),tests/deep)

lint: install docs-check
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/lint-imports

docs-check: install
	$(PYTEST) -q tests/lint

types: install
	$(BIN)/mypy

lock: install
	for name in requirements requirements-tracing requirements-dev bench/requirements; do $(COMPILE) $$name.in -o $$name.lock || exit 1; done

wheel: install
	$(WHEEL) && cd clients/python && $(WHEEL) && cd compat && $(WHEEL)

client-ts:
	mkdir -p dist && cd clients/typescript && npm ci --silent --ignore-scripts && npm pack --silent --pack-destination ../../dist

sbom: install
	$(BIN)/python -m deploy.sbom dist/loa.cdx.json $(LOCK)

bench: install $(PEER)/.installed
	$(BIN)/python -m bench $(ARGS)

$(PEER)/.installed: bench/requirements.lock
	$(PYTHON) -m venv $(PEER)
	$(PEER)/bin/python -m pip --disable-pip-version-check install --quiet --require-hashes -r $<
	@touch $@

crash: install
	$(BIN)/python -m tests.deep.crash $(ARGS)
	$(if $(ARGS),,$(BIN)/python -m tests.deep.crash.desk_room)

cluster-crash: install
	$(BIN)/python -m tests.deep.cluster $(ARGS)

scale-drills: install
	LOA_TEST_MAILS=$(or $(MAILS),200000) $(BIN)/python -m pytest -s -p no:cacheprovider $(or $(ARGS),tests/deep/upgrade/test_rolling.py tests/deep/cluster/test_growth_under_load.py)

check-speed: install
	$(BIN)/python -m tests.deep.scale.check_speed $(ARGS)

readers: install
	$(BIN)/python -m tests.deep.scale.readers_drill $(or $(READERS),100000) $(ARGS)

notice-load: install
	$(BIN)/python -m tests.deep.scale.notice_load bulk
	$(BIN)/python -m tests.deep.scale.notice_load flood

callbacks-load: install
	$(BIN)/python -m tests.deep.scale.callbacks_load $(ARGS)

door-load: install
	$(BIN)/python -m tests.deep.scale.door_load bombs
	$(BIN)/python -m tests.deep.scale.door_load flood

first-events: install
	$(BIN)/python -m tests.deep.scale.first_event_times $(or $(ARGS),3)

races: install
	$(BIN)/python -m tests.deep.scale.token_races $(or $(ARGS),1000)

model: install
	$(BIN)/python -m tests.deep.model $(or $(SEEDS),20000) --processes 2
