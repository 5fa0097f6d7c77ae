"""What the demo measured, beside a computation in the clear; and how that is shown."""
