"""Programs of the hospital's own, such as a framework's clients, which come to a socket and go.

``doorkeeper`` lets them in, ``visit`` talks with one of them, and ``desk`` has what training wants
and what they have brought. ``beginning`` keeps what the first of them began with.
"""

from participant.program.at_socket import AppAtSocket
from participant.program.beginning import forget_beginning
from participant.program.not_answered import Words
