"""FAILURES → OPERATOR: sign-ons that fail in a row, sign-outs that reached no app, fields that somebody fights over."""
