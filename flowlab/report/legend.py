"""Legends in which each thing stands once, however often it is drawn."""


class Legend:
    """Labels of one legend."""

    def __init__(self) -> None:
        self._labelled: set[str] = set()

    def once(self, text: str) -> str:
        """The text when it is asked for first; then what matplotlib leaves out of a legend."""
        if text in self._labelled:
            return "_nolegend_"
        self._labelled.add(text)
        return text
