"""Names and texts as the SQL of a query writes them: whatever is in them, they end nothing."""


def named(name: str) -> str:
    """The name of a column."""
    return '"' + name.replace('"', '""') + '"'


def quoted(text: str) -> str:
    """A text."""
    return "'" + text.replace("'", "''") + "'"
