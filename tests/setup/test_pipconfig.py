"""What pip is configured with reaches uv."""

from __future__ import annotations

from dockyard.setup.pipconfig import uv_environment

LISTING = """:env:.find-links='/opt/wheels'
global.index-url='https://mirror.example/simple'
global.extra-index-url='file:///a\\nfile:///b'
global.cert='/etc/company.pem'
install.trusted-host='mirror.example'
global.no-index='true'
"""


def test_mirror_of_pip_reaches_uv() -> None:
    environ = uv_environment(LISTING, {"HOME": "/home/me"})
    assert environ["HOME"] == "/home/me"
    assert environ["UV_DEFAULT_INDEX"] == "https://mirror.example/simple"
    assert environ["UV_INDEX"] == "file:///a file:///b"
    assert environ["UV_FIND_LINKS"] == "/opt/wheels"
    assert environ["SSL_CERT_FILE"] == "/etc/company.pem"
    assert environ["UV_INSECURE_HOST"] == "mirror.example"
    assert environ["UV_NO_INDEX"] == "true"


def test_what_is_set_for_uv_already_stays() -> None:
    environ = uv_environment(LISTING, {"UV_DEFAULT_INDEX": "https://mine.example/"})
    assert environ["UV_DEFAULT_INDEX"] == "https://mine.example/"


def test_machine_without_configuration_sets_nothing_of_an_index() -> None:
    assert not [
        name
        for name in uv_environment("", {})
        if name.startswith("UV_") and "INDEX" in name and name != "UV_INDEX_STRATEGY"
    ]
