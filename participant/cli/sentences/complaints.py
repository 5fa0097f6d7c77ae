"""What complaints about partial decryptions show, in a line each."""


def complaint_line(about: str, by: str, entry: int, verdict: str) -> str:
    """A line for people; verdict: as ``protocol.rounds.complaints.judge_complaint`` has it."""
    if verdict == "proven":
        return f"{about} sent a wrong partial decryption, left out. Entry {entry} is the evidence"
    if verdict == "false":
        return f"{by} complains of {about} without cause (entry {entry})"
    return (
        f"{by} could not open {about}'s partial decryption and left it out. Entry {entry} says so, "
        "which nobody else can check"
    )
