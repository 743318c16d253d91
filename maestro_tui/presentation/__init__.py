"""Pure functions from what the core tells to styled text: no widgets, no I/O, no clock.

Style names ("ok", "muted", "bar") are resolved by the theme when a widget paints.
"""
