"""The agent: it reads the board and does a task, over restarts and lost links."""
