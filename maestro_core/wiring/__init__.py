"""Which parts an agent root is made of: those of its own folders, or those of a fleet's server.

The one place that looks at the setting; everything else is handed what it works with. Nothing of
a fleet is imported where there is no server.
"""
