"""Exercises: staging, load, faults, evidence, verdicts and progress."""
