"""The command `seesaw`, also as `python -m seesaw`. What it needs is imported when it runs: a Ctrl-C in that second ends it
without a trace."""

import sys


def main() -> int:
    """`seesaw.cli.main.main` of this process's arguments; returns the exit code."""
    try:
        from seesaw.cli.main import main as command

        return command()
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    if not sys.flags.safe_path:  # the current folder goes behind the installed packages, so that no file in it shadows one
        sys.path.append(sys.path.pop(0))
    sys.exit(main())
