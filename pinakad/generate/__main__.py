"""Write the files of a checkout that are made from the programs: `python -m pinakad.generate`.

They are the JSON Schemas (pinakad/schemas), the journal catalog and the manual pages (systemd). Tests compare them.
"""

from pathlib import Path

from pinakad.generate import catalog, manual, schema

CHECKOUT = Path(__file__).parents[2]


def texts() -> dict[Path, str]:
    """Return every generated file, with its path in a checkout."""
    systemd = Path("systemd")
    return {
        **{Path("pinakad", "schemas", name): text for name, text in schema.texts().items()},
        systemd / "pinakad.catalog": catalog.catalog_text(),
        **{systemd / "man" / name: text for name, text in manual.pages().items()},
    }


def main() -> None:
    """Write them all."""
    for path, text in texts().items():
        (CHECKOUT / path).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
