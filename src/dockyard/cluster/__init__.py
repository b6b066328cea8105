"""Kubernetes: the API server, the controllers, the scheduler and the node agent."""
