"""Handing a joint key over to another roster and quorum: same N, no dealer, no growth.

A quorum of the old members deals once, the new members get points, and everybody computes the rest
from what is public. Start with ``state``: it says what an epoch's key consists of. What is said
about it on the board, and in which order, is not here. Why it is safe, and what is assumed:
docs/security/handover.md.
"""

from keyshare.handover.bounds import LAMBDA, normal_factor, spread
from keyshare.handover.dealing import (
    Dealing,
    Drawn,
    Fault,
    advance,
    deal,
    draw,
    new_share,
    points_for,
    wrong_dealing,
    wrong_point,
    wrong_points,
)
from keyshare.handover.plan import HandoverPlan
from keyshare.handover.state import KeyState, normal_form, normal_share
