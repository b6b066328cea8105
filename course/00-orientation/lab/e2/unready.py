"""Exercise 2: which Pods are not ready?"""


def unready(pods: list[dict]) -> list[str]:
    """The names of the Pods that are not ready, sorted. `pods` is what the API lists under `items`."""
    return sorted(pod["metadata"]["name"] for pod in pods if pod["status"]["phase"] != "Running")
