"""Return the names of the Pods that are not ready."""


def unready(pods):
    print("a learner may print")
    ready = {pod["name"] for pod in pods if pod["ready"]}
    return sorted({pod["name"] for pod in pods} - ready)
