"""A whole federation for the tests of adapters: an aggregator, agents that stay, and sockets."""
