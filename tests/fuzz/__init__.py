"""Proof that nothing that is sent to the events endpoint breaks it."""
