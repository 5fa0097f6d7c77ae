"""How a federation stands: a report for programs, a text for people, a file to read it from."""
