"""What holds for every test."""

from __future__ import annotations

from hypothesis import settings

# A busy machine is slow, not wrong: no deadline for a single example.
settings.register_profile("quorate", deadline=None)
settings.load_profile("quorate")
