"""Pulling and pushing images over the OCI distribution protocol (distribution-spec v1.1), in threads."""
