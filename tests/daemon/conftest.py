"""The daemon's tests drive it through the command line, as everybody does."""

from tests.cli.conftest import cli

__all__ = ["cli"]
