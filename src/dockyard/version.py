"""The version of dockyard; pyproject.toml reads it from here."""

VERSION = "0.1.0"
