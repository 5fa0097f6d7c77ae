"""The record of a federation, from what the aggregator has stored."""
