# `make` lists what there is. Every target sets up what it needs: nothing has to be installed first
# but make and Python 3.11 or newer.

PYTHON := .venv/bin/python
MANAGE := $(PYTHON) manage.py
WITH_DATABASE := $(PYTHON) -m idp_project.embedded_postgres --
NAMES := python3 python3.14 python3.13 python3.12 python3.11
FOUND := $(shell for name in $(NAMES); do command -v $$name && break; done)
SETUP = $(or $(FOUND),$(error Signet needs Python 3.11 or newer: apt-get install python3)) \
	-I idp_project/setup_environment.py

.DEFAULT_GOAL := help
.PHONY: help run test bench check checks conformance catalogues pictures prove interop lock clean ready-to-run ready-to-test ready-to-browse ready-with-token ready-to-interop

help: ## list the targets
	@sed -n 's/^\([a-z]*\):[^#]*## /\1\t/p' Makefile | while IFS="$$(printf '\t')" read -r name what; do \
		printf '  make %-12s %s\n' "$$name" "$$what"; done

run: ready-to-run ## set everything up and serve on http://localhost:8080 (PORT, IDP_DATA_DIR)
	@$(PYTHON) -m idp_project.quickstart

test: ready-to-browse ready-with-token ## the whole test suite, on a PostgreSQL of its own or the one in DATABASE_URL
	@$(WITH_DATABASE) $(PYTHON) -m pytest $(PYTEST)

prove: ready-to-test ## the long proofs that the test suite holds in short form
	@$(WITH_DATABASE) $(PYTHON) -m pytest -m prove --no-cov $(PYTEST)

interop: ready-to-interop ## real clients, unmodified, against the running server
	@$(WITH_DATABASE) $(PYTHON) -m pytest tests/interop -m '' -n 0 --no-cov $(PYTEST)

bench: ready-to-test ## the verifier's speed beside PyJWT and joserfc, in one run
	@PYTHONPATH=verifier $(PYTHON) -m benchmarks.verifier

check: ready-to-test ## style, types, layers, missing migrations, settings for deployment
	@export IDP_ISSUER=https://id.example.org; \
	IDP_SECRET_KEY="$$($(PYTHON) -c 'import secrets; print(secrets.token_urlsafe(60))')"; \
	IDP_MASTER_SECRETS="k1:$$($(PYTHON) -c 'import base64, secrets; \
	print(base64.b64encode(secrets.token_bytes(32)).decode())')"; \
	export IDP_SECRET_KEY IDP_MASTER_SECRETS IDP_EMAIL_URL=smtp+tls://mail.example.org IDP_DEAD_KEYS_FILE=.venv/dead_keys; \
	touch .venv/dead_keys; \
	$(WITH_DATABASE) $(MAKE) --no-print-directory checks

checks: # with the throw-away environment and database of `make check`
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy .
	.venv/bin/lint-imports
	$(MANAGE) makemigrations --check --dry-run
	$(MANAGE) check --deploy --fail-level WARNING

pictures: ready-to-browse ## draw docs/pictures anew, from the pages as they are
	@$(WITH_DATABASE) $(PYTHON) -m tests.pictures

conformance: ready-to-test ## write docs/conformance.md: which test holds which rule of which specification
	$(PYTHON) -m tests.conformance

catalogues: ready-to-test ## take new sentences for people into locale/, compile the catalogues, and say what is left to translate
	$(PYTHON) -m tests.catalogues

lock: ready-to-test ## lock the dependencies anew (requirements*.in to requirements*.txt)
	@for name in requirements requirements-run requirements-aws-kms requirements-pkcs11 requirements-vault requirements-dev requirements-interop; do \
		echo "→ $$name.txt"; \
		.venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
			--no-annotate --custom-compile-command 'make lock' $$name.in --output-file $$name.txt || exit; \
	done

clean: ## remove the virtual environment and caches; .data (database, secrets) stays
	rm -rf .venv tests/interop/node/node_modules .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis htmlcov .coverage .coverage.*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

ready-to-run:
	@$(SETUP) requirements-run.txt

ready-to-test:
	@$(SETUP) requirements-dev.txt

ready-to-browse: ready-to-test
	@$(PYTHON) -m tests.browser.chromium

ready-with-token: ready-to-test
	@$(PYTHON) -m tests.keys.custodians.softhsm

ready-to-interop:
	@$(SETUP) requirements-interop.txt
	@$(PYTHON) -m tests.interop.apache
