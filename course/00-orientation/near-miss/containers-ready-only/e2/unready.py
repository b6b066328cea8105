"""Exercise 2: which Pods are not ready?"""


def unready(pods: list[dict]) -> list[str]:
    statuses = {pod["metadata"]["name"]: pod["status"].get("containerStatuses", []) for pod in pods}
    return sorted(name for name, containers in statuses.items() if not all(each["ready"] for each in containers))
