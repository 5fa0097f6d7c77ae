"""Care for the key share: its check, its backup, and its return from one."""
