"""The door for programs: keys, ciphertexts, shares and parts as plain objects, checked."""
