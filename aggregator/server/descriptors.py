"""How many file descriptors this process may have."""

import resource


def raise_limit(wanted: int) -> int:
    """Raise the soft limit to the hard one, to ``wanted`` where that has no end; the new one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return wanted
    target = max(soft, wanted if hard == resource.RLIM_INFINITY else hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (target, hard))
    except (OSError, ValueError):  # some systems have a limit below their hard one
        return soft
    return target
