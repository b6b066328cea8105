"""Return the names of the Pods that are not ready."""


def unready(pods):
    return []
