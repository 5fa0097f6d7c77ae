"""Several studies at once: who says what when, and what must hold whatever happens."""
