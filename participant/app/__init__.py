"""The hospital's training code: how it is found, called, and kept from harming the agent."""
