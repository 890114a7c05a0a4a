"""Names and texts as SQL writes them."""


def named(name: str) -> str:
    """The name of a column."""
    return '"' + name.replace('"', '""') + '"'


def quoted(text: str) -> str:
    """A text."""
    return "'" + text.replace("'", "''") + "'"
