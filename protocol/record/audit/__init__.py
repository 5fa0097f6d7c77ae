"""The audit of a federation's record: numbered checks that anyone can run, without any secret."""
