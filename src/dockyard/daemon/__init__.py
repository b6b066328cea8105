"""The composition root: one process and one event loop in which runtime, engine and cluster live."""
