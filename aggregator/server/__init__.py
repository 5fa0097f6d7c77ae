"""The service: connections on one side, the board and its rounds on the other."""
