"""A hospital at work inside any program: each of its tasks as a coroutine."""
