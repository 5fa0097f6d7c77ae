"""How a joint key comes about: factors that are dealt, a modulus that nobody can factor, shares."""
