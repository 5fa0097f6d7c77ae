"""A board in PostgreSQL: what an append costs beside SQLite, and how fast the next leader leads."""
