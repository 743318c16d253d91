"""One file for each screen and overlay; each is imported when it is first shown."""
