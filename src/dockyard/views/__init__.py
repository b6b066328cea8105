"""What a notebook shows: tables and plots, each with a text twin."""
