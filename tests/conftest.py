"""What all tests share: names that are the same in each process that collects them."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--kubeconfig FILE`: tests/cluster/live talks to that cluster, in place of one of ours."""
    parser.addoption(
        "--kubeconfig",
        metavar="FILE",
        help="Run tests/cluster/live on the cluster of this file's context, in namespaces of its own.",
    )


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """Bytes are named by their argument: those of a packed file may hold the second it was made in, and then
    the processes that share the tests out disagree about the names.
    """
    return argname if isinstance(val, bytes) else None
