"""The backoffice as its image, beside Postgres on our engine: its pages, and life without a database."""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from http.cookiejar import CookieJar
from typing import Any
from urllib.parse import urlencode

import docker
import pytest

from dockyard.home import Home, project_root
from tests.deadline import eventually
from tests.engine.serving import EngineProcess

APP = project_root() / "course" / "apps" / "backoffice"
ROWS = """
CREATE TABLE orders (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer text, item text, quantity integer
);
INSERT INTO orders (customer, item, quantity)
    SELECT 'customer ' || n, 'lamp', 2 FROM generate_series(1, 25) n;
"""


@dataclass
class Backoffice:
    url: str
    container: Any
    database: Any
    opener: urllib.request.OpenerDirector

    def ask(self, path: str, form: dict[str, str] | None = None) -> tuple[int, str]:
        body = urlencode(form).encode() if form is not None else None
        try:
            with self.opener.open(self.url + path, body, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    def sql(self, text: str) -> str:
        code, said = self.database.exec_run(["psql", "-U", "orders", "-v", "ON_ERROR_STOP=1", "-Atc", text])
        assert code == 0, said
        return str(said.decode().strip())


@pytest.fixture(scope="module")
def backoffice(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backoffice]:
    if not Home.find().wheelhouse.is_dir():
        pytest.skip("no wheelhouse to install Django from")
    engine = EngineProcess(tmp_path_factory.mktemp("engine"))
    engine.start()
    client = docker.DockerClient(base_url=engine.url, timeout=300)
    try:
        client.images.build(path=str(APP), tag="backoffice:1")
        client.networks.create("shop")
        settings = {"POSTGRES_USER": "orders", "POSTGRES_PASSWORD": "secret", "POSTGRES_DB": "orders"}
        database = client.containers.run(
            "postgres:17", name="db", network="shop", environment=settings, detach=True
        )
        settings = {
            "DATABASE_URL": "postgresql://orders:secret@db:5432/orders",
            "SECRET_KEY": "of the test",
            "BASE_PATH": "/backoffice",
        }
        container = client.containers.run(
            "backoffice:1", network="shop", environment=settings, ports={"8000": None}, detach=True
        )
        container.reload()
        port = container.attrs["NetworkSettings"]["Ports"]["8000/tcp"][0]["HostPort"]
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
        found = Backoffice(f"http://127.0.0.1:{port}", container, database, opener)
        eventually(lambda: found.ask("/healthz")[0] == 200, "the backoffice answers")
        ready = ["pg_isready", "-h", "127.0.0.1", "-U", "orders"]
        eventually(lambda: database.exec_run(ready).exit_code == 0, "the database is ready")
        yield found
        for item in client.containers.list(all=True):
            item.remove(force=True, v=True)
    finally:
        client.close()
        engine.close()


@pytest.fixture
def filled(backoffice: Backoffice) -> Backoffice:
    backoffice.sql("DROP TABLE IF EXISTS orders;" + ROWS)
    return backoffice


def test_it_is_alive_and_not_ready_without_its_table(backoffice: Backoffice) -> None:
    backoffice.sql("DROP TABLE IF EXISTS orders")
    assert backoffice.ask("/healthz")[0] == 200
    status, said = backoffice.ask("/readyz")
    assert (status, "no table" in said) == (503, True)
    assert backoffice.ask("/")[0] == 503


def test_it_is_ready_with_its_table_and_lists_orders_by_pages(filled: Backoffice) -> None:
    assert filled.ask("/readyz")[0] == 200
    _, first = filled.ask("/")
    assert "25 orders, 50 pieces" in first
    assert re.findall(r"<td>(customer \d+)</td>", first)[:2] == ["customer 25", "customer 24"]
    assert len(re.findall(r"<td>customer", filled.ask("/?page=2")[1])) == 5


def test_it_finds_customers_and_shows_their_words_as_text(filled: Backoffice) -> None:
    filled.sql("INSERT INTO orders (customer, item, quantity) VALUES ('<script>ada', 'chair', 1)")
    _, found = filled.ask("/?q=ADA")
    assert "1 order, 1 piece." in found
    assert "&lt;script&gt;ada" in found
    assert "<script>" not in found


def test_links_lead_through_the_gateway(filled: Backoffice) -> None:
    assert 'href="/backoffice/orders/25/"' in filled.ask("/")[1]


def test_a_quantity_is_corrected_by_a_form_with_its_token_only(filled: Backoffice) -> None:
    assert filled.ask("/orders/25/", {"quantity": "7"})[0] == 403
    token = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', filled.ask("/orders/25/")[1])[0]
    assert filled.ask("/orders/25/", {"quantity": "0", "csrfmiddlewaretoken": token})[0] == 400
    filled.ask("/orders/25/", {"quantity": "7", "csrfmiddlewaretoken": token})
    assert filled.sql("SELECT quantity FROM orders WHERE id = 25") == "7"


def test_an_order_that_is_not_there_gives_404(filled: Backoffice) -> None:
    assert filled.ask("/orders/999/")[0] == 404


def test_it_does_not_run_as_root(backoffice: Backoffice) -> None:
    assert backoffice.container.exec_run(["id", "-u"]).output.decode().strip() == "1000"


def test_it_stays_alive_without_a_database_and_comes_back_with_it(filled: Backoffice) -> None:
    filled.database.stop(timeout=5)
    assert filled.ask("/healthz")[0] == 200
    assert filled.ask("/readyz")[0] == 503
    assert filled.ask("/")[0] == 503
    filled.database.start()
    eventually(lambda: filled.ask("/readyz")[0] == 200, "it is ready again")
    assert filled.ask("/")[0] == 200
