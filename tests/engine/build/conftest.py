"""What tests of the builder share: one engine, and files to build from."""

import os
from collections.abc import Iterator

import docker
import pytest

from tests.engine.build.served import Served


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """An engine with nothing in it but what the tests before have built.

    DOCKYARD_TEST_DRIVER names the driver, where it should not be the best one here.
    """
    driver = os.environ.get("DOCKYARD_TEST_DRIVER")
    served = Served(tmp_path_factory.mktemp("home"), driver=driver)
    yield served
    served.close()


@pytest.fixture
def client(served: Served) -> docker.DockerClient:
    """The docker SDK, talking to it."""
    return served.client
