"""Where the tests' own files are."""

from pathlib import Path

TESTS = Path(__file__).parents[1]
CHECKOUT = TESTS.parent
DATA = TESTS / "support" / "data"
PROGRAMS = TESTS / "programs"
SUPPORT = TESTS / "support"
