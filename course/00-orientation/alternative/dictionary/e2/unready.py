"""Exercise 2: which Pods are not ready?"""


def unready(pods: list[dict]) -> list[str]:
    names = []
    for pod in pods:
        conditions = {item["type"]: item["status"] for item in pod["status"].get("conditions") or ()}
        if conditions.get("Ready") != "True":
            names.append(pod["metadata"]["name"])
    names.sort()
    return names
