"""The way to the aggregator: proxies, TLS with a pinned key, sessions that begin again."""
