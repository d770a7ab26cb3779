"""What has gone wrong beside the jobs, as the panel says it, and how the timer outlives it."""

import traceback
from collections.abc import Callable

FAULT = (
    "Restage has failed ({error}). Restart Blender; if this comes back, report what its console says "
    "(Window > Toggle System Console, or the terminal that Blender was started from)."
)


class Troubles:
    """One text for the backend itself and one for the library, each until it is put right."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}

    def __str__(self) -> str:
        return " ".join(text for text in self._texts.values() if text)

    def note(self, about: str, text: str) -> bool:
        """Say what is wrong, or that nothing is any more; whether that is news."""
        before, self._texts[about] = self._texts.get(about, ""), text
        return text != before

    def guarded(self, about: str, step: Callable[[], object]) -> bool:
        """Do a step of the timer's; whether that gave news to draw. What goes wrong is said, not raised:
        Blender drops a timer that raises, and no job would ever end.
        """
        try:
            return bool(step())
        except Exception as error:
            news = self.note(about, FAULT.format(error=repr(error)))
            if news:  # not at each tick
                traceback.print_exc()
            return news
