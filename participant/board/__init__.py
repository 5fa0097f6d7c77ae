"""A hospital's own copy of the board: what it has verified once, it does not fetch again.

``copy`` says how the copy is stored, and what binds it to the hospital and the federation.
"""

from participant.board.copy import SELDOM, BoardCopy, often
