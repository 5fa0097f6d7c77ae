"""Handing the key over: whole processes on one machine, and shares over many refreshes."""
