"""Whether this process is about to stop: it still serves, and asks everybody to go elsewhere.

A balancer sends requests until it has seen that we are not ready, and reuses connections that it holds. So a stop begins with some seconds in
which readiness says "stopping", and every answer closes its connection; only then nobody is left whose request would be cut.
"""


class Draining:
    """A switch that goes one way."""

    def __init__(self) -> None:
        """Not yet."""
        self.has_begun = False

    def begin(self) -> None:
        """From now on."""
        self.has_begun = True
