"""A hospital's agent: identity, vault, session with the aggregator, policy, command line."""
