"""Boards that have grown for years: how they are made, and what each party pays for them."""
