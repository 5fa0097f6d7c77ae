"""One-time lattice keys: they encrypt long vectors, and the joint key encrypts only them."""
