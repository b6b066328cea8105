"""Similar Events: many that differ in nothing but their words become one, as client-go's aggregator does."""

from __future__ import annotations

PREFIX = "(combined from similar events): "
MOST = 10
INTERVAL_SECONDS = 600.0


class Similar:
    """Remembers for ten minutes what was said; the tenth different message about the same is combined."""

    def __init__(self) -> None:
        self._said: dict[tuple[str, ...], tuple[set[str], float]] = {}

    def too_many(self, key: tuple[str, ...], message: str, now: float) -> bool:
        """Note a message (`key` is all that an Event has but its words); whether to combine it."""
        messages, last = self._said.get(key, (set(), now))
        if now - last > INTERVAL_SECONDS:
            messages = set()
        messages.add(message)
        self._said[key] = (messages, now)
        if len(messages) < MOST:
            return False
        messages.pop()  # upstream forgets one, so that the next different message is combined, too
        return True

    def sweep(self, now: float) -> None:
        """Forget what was said too long ago."""
        self._said = {k: said for k, said in self._said.items() if now - said[1] <= INTERVAL_SECONDS}
