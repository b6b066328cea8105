"""Exercise 1: a Pod, as data."""


def pod() -> dict:
    """A Pod `hello` that serves HTTP on port 8080."""
    serve = "import http.server as h, os; h.test(h.SimpleHTTPRequestHandler, port=int(os.environ['PORT']))"
    container = {
        "name": "server",
        "image": "python:3.12-slim",
        "command": ["python", "-c", serve],
        "env": [{"name": "PORT", "value": "8080"}],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "hello"}, "spec": {"containers": [container]}}
