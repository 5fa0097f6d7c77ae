"""What hospitals meet in the field: one file a kind, several members of each."""
