"""A hospital's part in the key ceremony, and in the verdict on one that was aborted."""
