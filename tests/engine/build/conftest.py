"""What tests of the builder share: one engine, and files to build from."""

from collections.abc import Iterator

import docker
import pytest

from tests.engine.build.served import Served


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """An engine with nothing in it but what the tests before have built."""
    served = Served(tmp_path_factory.mktemp("home"))
    yield served
    served.close()


@pytest.fixture
def client(served: Served) -> docker.DockerClient:
    """The docker SDK, talking to it."""
    return served.client
