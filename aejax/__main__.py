"""`python -m aejax`: the same as the command `aejax`."""

from aejax.cli.dispatch import main

if __name__ == "__main__":
    main()
