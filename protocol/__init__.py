"""What is said, by whom, in which order: messages, board, and the machines that speak them."""
