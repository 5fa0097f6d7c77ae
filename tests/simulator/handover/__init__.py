"""Hospitals that refresh their key beside their studies, with real vaults."""
