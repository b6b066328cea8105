"""The node agent: Pods as processes, probes, back-off, volumes, logs."""
