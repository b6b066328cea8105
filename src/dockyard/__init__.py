"""dockyard: learn containers and Kubernetes on live systems."""
