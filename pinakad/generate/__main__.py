"""Writes the generated files of a checkout: `python -m pinakad.generate`.

They are the JSON Schemas (pinakad/schemas), the journal catalog and the manual pages (systemd). Tests compare them with
the checkout.
"""

from pathlib import Path

from pinakad.generate import catalog, manual, openapi, schema

CHECKOUT = Path(__file__).parents[2]


def texts() -> dict[Path, str]:
    """Return the generated files: path in a checkout -> content."""
    systemd = Path("systemd")
    return {
        **{Path("pinakad", "schemas", name): text for name, text in schema.texts().items()},
        Path("pinakad", "schemas", "openapi.json"): openapi.openapi_text(),
        systemd / "pinakad.catalog": catalog.catalog_text(),
        **{systemd / "man" / name: text for name, text in manual.pages().items()},
    }


def main() -> None:
    """Write all generated files. Raises OSError."""
    for path, text in texts().items():
        (CHECKOUT / path).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
