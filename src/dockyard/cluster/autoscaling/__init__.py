"""Horizontal autoscaling: how many replicas the metrics ask for, and how fast that may change."""
