"""What may be shown to a person, of a text or of an error? Nothing is imported: a login's own process needs it, too."""

MAX_VALUE_CHARACTERS = 200


def printable(text: str, limit: int = MAX_VALUE_CHARACTERS) -> str:
    """Return `text` safe for a log or a terminal: cut at `limit` characters, control characters escaped."""
    short = text if len(text) <= limit else text[: limit - 3] + "..."
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in short)


def cause_of(error: Exception) -> str:
    """Return the cause in lower case, as the end of a sentence; of an OSError only the text, no number or path."""
    return ((error.strerror if isinstance(error, OSError) else None) or str(error)).lower()
