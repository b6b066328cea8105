"""The Docker Engine API, one file per family of endpoints."""
