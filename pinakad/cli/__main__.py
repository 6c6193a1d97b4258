"""python -m pinakad.cli."""

from pinakad.cli import main

if __name__ == "__main__":
    main()
