"""An app that knocks at the agent's door: by itself, and by a process that it has let go of."""

import json
import os
import socket
import time
from pathlib import Path

from participant.door.framing import Unframer, framed
from participant.door.messages import Greeting, read_answer

DOOR, FINDINGS = os.environ["DOOR"], Path(os.environ["FINDINGS"])


def knocked() -> str:
    """What the agent says to a greeting."""
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(20)
        line.connect(DOOR)
        line.sendall(framed(Greeting("administration", 1)))
        unframer = Unframer(1 << 20)
        while data := line.recv(1 << 16):
            for frame in unframer.feed(data):
                return type(read_answer(frame)).__name__
    return "nothing"


def left_behind() -> None:
    """Knock from a process of another session, whose parent has ended."""
    if child := os.fork():
        os.waitpid(child, 0)
        return
    os.setsid()
    if not os.fork():
        time.sleep(1)  # until its parent has ended
        FINDINGS.with_name("left").write_text(json.dumps([os.getpid(), knocked()]))
    os._exit(0)


FINDINGS.with_name("own").write_text(knocked())
left_behind()
