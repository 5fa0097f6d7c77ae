"""The joint key as the members hold it: the epoch, their shares, and a test of them."""
