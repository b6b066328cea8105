"""Set-up: from a fresh clone to a complete virtual environment, with nothing but the standard library."""
