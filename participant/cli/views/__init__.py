"""What people watch: a ceremony, an upload, how a federation stands."""
