"""What another party wrote, fed to everything that shows it."""
