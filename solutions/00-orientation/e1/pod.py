"""Exercise 1: a Pod, as data."""


def pod() -> dict:
    """A Pod `hello` that serves HTTP on port 8080."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "hello"},
        "spec": {
            "containers": [
                {
                    "name": "hello",
                    "image": "python:3.12-slim",
                    "command": ["python", "-m", "http.server", "8080"],
                    "readinessProbe": {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1},
                }
            ],
        },
    }
