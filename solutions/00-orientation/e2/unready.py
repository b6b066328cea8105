"""Exercise 2: which Pods are not ready?"""


def unready(pods: list[dict]) -> list[str]:
    """The names of the Pods that are not ready, sorted. `pods` is what the API lists under `items`."""
    return sorted(pod["metadata"]["name"] for pod in pods if not is_ready(pod))


def is_ready(pod: dict) -> bool:
    conditions = pod["status"].get("conditions", [])
    return any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)
