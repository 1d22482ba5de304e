"""`python -m segmentation.cli` is the `segmentation` command."""

from segmentation.cli.app import main

if __name__ == "__main__":
    main()
