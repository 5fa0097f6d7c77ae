"""The end of a ceremony, by one rule for all who look at it: machines, board, verdict, audit.

A member's *first* certificate counts, and nothing else that a member says in the last step, but for
an Abort. The key counts if the first certificates of all members are there and are the same, and no
Abort stands before the last of them. A first certificate that differs ends the ceremony. After
either end what is said in the session has no effect.

A certificate names the last entry of the step before, so none that was given earlier can be the
same as the others'.
"""

from protocol.board.messages import Abort, Body, Certificate


class Certification:
    """Whether a ceremony has come to its end, by the posts of its session in their order.

    first: the certificate of each member that counts; is_complete: whether all members gave the
    same before anybody aborted; is_aborted: whether somebody did before that.
    """

    def __init__(self, n_members: int) -> None:
        self._n_members = n_members
        self.first: dict[int, Certificate] = {}
        self.is_complete = self.is_aborted = False

    @property
    def is_full(self) -> bool:
        """Whether all members have certified, alike or not."""
        return len(self.first) == self._n_members

    def take(self, sender: int, body: Body) -> bool:
        """Take the next post; whether it is a certificate that counts."""
        if self.is_complete or self.is_aborted:
            return False
        if isinstance(body, Abort):
            self.is_aborted = True
        if not isinstance(body, Certificate) or sender in self.first:
            return False
        self.first[sender] = body
        self.is_complete = self.is_full and len(set(self.first.values())) == 1
        return True
