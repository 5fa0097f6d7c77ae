"""A hospital's part in any round: contributing, checking the sum, helping to decrypt it."""
