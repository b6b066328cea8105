"""`kubectl apply` of a FastAPI Deployment until all replicas are Available, and a rolling update of it.

The first probe comes at once, before an interpreter can have loaded FastAPI, and the next one after the
period, which is 1 s, the shortest there is: so nobody is Available before 1 s and a little. The row without a
probe says what all else takes. A real cluster of one node took 4.1-6.1 s and 6.4 s on such a machine.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.build import build, clocked, connect
from bench.place import home, kubectl, with_kubeconfig
from bench.rows import Row, main

APP = """
from fastapi import FastAPI
app = FastAPI()
@app.get("/readyz")
def readyz():
    return {"ready": True}
"""


def manifest(replicas: int, *, probe: bool = True) -> str:
    """A ConfigMap with the app and a Deployment of it, as JSON documents."""
    container: dict[str, Any] = {
        "name": "app",
        "image": "orders:bench",
        "command": ["uvicorn", "probe:app", "--host", "0.0.0.0", "--port", "8000", "--app-dir", "/src"],
        "ports": [{"name": "http", "containerPort": 8000}],
        "volumeMounts": [{"name": "src", "mountPath": "/src"}],
    }
    if probe:
        container["readinessProbe"] = {"httpGet": {"path": "/readyz", "port": "http"}, "periodSeconds": 1}
    template = {
        "metadata": {"labels": {"app": "web"}},
        "spec": {
            "terminationGracePeriodSeconds": 2,
            "containers": [container],
            "volumes": [{"name": "src", "configMap": {"name": "src"}}],
        },
    }
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}
    source = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "src"}, "data": {"probe.py": APP}}
    return "\n---\n".join(json.dumps(obj) for obj in (source, deployment))


def measure(rounds: int) -> list[Row]:
    """One home, the image built before the clock starts."""
    created: list[float] = []
    unprobed: list[float] = []
    updated: list[float] = []
    with home() as environ:
        client = connect(environ)
        build(client)
        client.close()
        environ = with_kubeconfig(environ)

        def create(replicas: int, *, probe: bool = True) -> None:
            kubectl(environ, "apply", "-f", "-", stdin=manifest(replicas, probe=probe))
            kubectl(environ, "wait", "--for=condition=Available", "deployment/web", "--timeout=60s")

        def update(number: int) -> None:
            kubectl(environ, "set", "env", "deployment/web", f"ROUND={number}")
            kubectl(environ, "rollout", "status", "deployment/web", "--timeout=60s")

        def clear() -> None:
            kubectl(environ, "delete", "deployment", "web", "--now", "--cascade=foreground", "--timeout=60s")

        create(1)  # the first start writes the byte code of the libraries
        clear()
        for _ in range(rounds):
            created.append(clocked(lambda: create(3)))
            clear()
            unprobed.append(clocked(lambda: create(3, probe=False)))
            clear()
        create(2)
        for number in range(rounds):
            updated.append(clocked(lambda: update(number)))  # noqa: B023  - called before the loop goes on
        clear()
    return [
        Row("kubectl apply to 3 FastAPI replicas Available", "s", created, 1.0, "readiness period 1 s"),
        Row(
            "the same without a probe", "s", unprobed, 1.0, "kubectl apply and wait, three interpreters begun"
        ),
        Row("rolling update of 2 FastAPI replicas", "s", updated, None, "readiness period 1 s"),
    ]


if __name__ == "__main__":
    main(measure, __doc__)
