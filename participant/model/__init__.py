"""The model: its entries, their layout, the master copy of it, and its files."""
