"""FAILURES → OPERATOR: a word to whoever looks after an installation whose people can't sign on."""
