"""`python -m broker`, and the console script."""

import gc


def main() -> None:
    """Start the command line. What it imports lives as long as the process: to look for garbage in it would be in vain, now and later."""
    gc.disable()
    from broker import cli  # noqa: PLC0415 (the point is what comes before)

    gc.freeze()
    gc.enable()
    cli.main()


if __name__ == "__main__":
    main()
