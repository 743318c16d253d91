"""Every legal state that a stop of the machine can leave, laid out and recovered from."""
