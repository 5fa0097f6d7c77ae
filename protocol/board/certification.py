"""The end of a ceremony, by one rule for all who look at it: machines, board, verdict, audit.

A member's *first* certificate counts, and nothing else that a member says in the last step, but for
an Abort. The key counts if the first certificates of all members are there and are the same, and no
Abort stands before the last of them. A first certificate that differs ends the ceremony. After
either end what is said in the session has no effect.

A certificate names the last entry of the step before, so none that was given earlier can be the
same as the others'.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from protocol.board.post import Post, Posted, of_kind
from protocol.messages import Abort, Body, Certificate
from protocol.terms import Terms


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


def is_aborted(posts: Iterable[Post], n_members: int) -> bool:
    """Whether a ceremony was aborted before all had certified the same; afterwards it is void."""
    found = Certification(n_members)
    for post in posts:
        found.take(post.sender, post.body)
    return found.is_aborted


def certified_by_all(entries: Sequence[Posted], terms: Terms) -> Iterator[Posted[Certificate]]:
    """The certificates with which all members have certified alike, before any abort."""
    sessions = defaultdict[str, Certification](lambda: Certification(terms.n_members))
    for posted in entries:
        post = posted.post
        if not isinstance(post.body, Abort | Certificate):
            continue
        found = sessions[post.session]
        if found.take(post.sender, post.body) and found.is_complete:
            yield from of_kind([posted], Certificate)
