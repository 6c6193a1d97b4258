"""python -m pinakad.cli."""

from pinakad.cli.program import main

if __name__ == "__main__":
    main()
