"""Moving a bus between the folders of an agent root and a server, and back."""
