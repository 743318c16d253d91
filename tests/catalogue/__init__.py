"""The fault catalogue: 52 faults as data (`rows`), and the tests that no other place has."""
