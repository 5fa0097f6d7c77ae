"""The suites compared."""
