"""Who manages which field."""
