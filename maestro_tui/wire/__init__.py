"""The wire: only cells that changed go to the terminal, and never more than the line carries.

`sgr` and `cells` turn what Textual composed into cells, `screen` turns the difference to what
the terminal shows into bytes, `flow` says how many of them may go now, `link` puts them
between an app and its driver. Off, or with a Textual it does not know, everything is stock.
"""
