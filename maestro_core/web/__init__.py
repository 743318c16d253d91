"""The console in a browser on this machine: who may see it, and the bridge to its process."""

VARIABLE = "MAESTRO_WEB"
"""Set for a console that draws for a browser."""
