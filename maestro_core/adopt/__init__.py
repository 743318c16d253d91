"""Taking over an agent root that another program made: what is there, what a start would do."""
