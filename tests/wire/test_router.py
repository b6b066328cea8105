"""Paths to handlers."""

from __future__ import annotations

from dockyard.wire.http import Request, Response
from dockyard.wire.router import Router


async def handler(request: Request) -> Response:
    return Response()


async def other(request: Request) -> Response:
    return Response()


def router() -> Router:
    routes = Router()
    routes.add("GET", "/images/{name:path}/json", handler)
    routes.add("DELETE", "/images/{name:path}", handler)
    routes.add("GET", "/images/json", other)
    routes.add("GET", "/containers/{id}/json", handler)
    return routes


def test_parameters_are_taken_from_the_path() -> None:
    found = router().match("GET", "/containers/web/json")
    assert found is not None
    assert found.handler is handler
    assert found.parameters == {"id": "web"}
    assert router().match("GET", "/containers/a/b/json") is None


def test_path_parameter_takes_slashes() -> None:
    found = router().match("GET", "/images/localhost:5000/a/b:1/json")
    assert found is not None
    assert found.parameters == {"name": "localhost:5000/a/b:1"}


def test_fixed_path_wins_and_head_is_a_get() -> None:
    found = router().match("HEAD", "/images/json")
    assert found is not None
    assert found.handler is other


def test_other_methods_of_a_known_path_are_told() -> None:
    found = router().match("POST", "/containers/web/json")
    assert found is not None
    assert found.handler is None
    assert found.allowed == ("GET",)
