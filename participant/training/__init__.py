"""Training: from the model that all hospitals hold to the next one, round by round."""
