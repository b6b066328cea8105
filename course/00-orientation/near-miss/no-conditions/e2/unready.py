"""Exercise 2: which Pods are not ready?"""


def unready(pods: list[dict]) -> list[str]:
    found = []
    for pod in pods:
        for condition in pod["status"].get("conditions", []):
            if condition["type"] == "Ready" and condition["status"] == "False":
                found.append(pod["metadata"]["name"])
    return sorted(found)
