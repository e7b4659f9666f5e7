"""What tries to break the promise for as long as it is let: `python -m tests.soak --help`."""
