"""What the API server fills into an object that leaves it out, once, at admission."""
