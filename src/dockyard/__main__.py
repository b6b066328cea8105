"""`python -m dockyard` is the command line."""

from dockyard.cli import main

if __name__ == "__main__":
    main()
