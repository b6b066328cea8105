"""Benchmarks. Each script prints rows; `bench/run` writes them all to docs/benchmarks.md."""
