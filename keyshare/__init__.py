"""The mathematics of a threshold Paillier key: pure functions, no input or output, no clock."""
