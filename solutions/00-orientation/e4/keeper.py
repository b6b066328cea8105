"""Exercise 4: a controller of your own. It keeps three Pods with the label app=mine."""

from uuid import uuid4

from kubernetes import client, config

WANTED = 3


def pod(name):
    container = {"name": "web", "image": "python:3.12-slim", "command": ["python", "-m", "http.server"]}
    metadata = {"name": name, "labels": {"app": "mine"}}
    return {"metadata": metadata, "spec": {"containers": [container], "terminationGracePeriodSeconds": 1}}


def reconcile(namespace):
    """Look at what is there, and do what is missing. Called again and again."""
    config.load_kube_config()
    core = client.CoreV1Api()
    found = core.list_namespaced_pod(namespace, label_selector="app=mine").items
    there = [each.metadata.name for each in found if not each.metadata.deletion_timestamp]
    for name in there[WANTED:]:
        core.delete_namespaced_pod(name, namespace)
    for _ in range(WANTED - len(there)):
        core.create_namespaced_pod(namespace, pod(f"mine-{uuid4().hex[:6]}"))
