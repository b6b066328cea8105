"""Return the names of the Pods that are not ready."""


def unready(pods):
    return [pod["name"] for pod in pods if not pod["ready"]]
