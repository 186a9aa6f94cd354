"""What a client was told and nobody read yet: a bounded queue that merges the changes of one user.

Knows nothing of threads and event loops: whoever owns a Mailbox is told by `on_change` that there is something new.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict
from typing import Callable, Generic, Optional, TypeVar, Union

from .errors import EventsLostError
from .values import Event, UserStatus

#: How many events wait for a reader at most. Changes of one user count once, so statuses alone reach it only if somebody
#: watches more users than this.
EVENTS_MAX = 10_000

E = TypeVar("E")


class Mailbox(Generic[E]):
    """Events that wait for one reader. Of each user only the last status is kept, in the place of the newest (R6.3)."""

    def __init__(self, wanted: Callable[[Event], Optional[E]], on_change: Callable[[], None]) -> None:
        self._wanted = wanted
        self._on_change = on_change
        self._waiting: OrderedDict[Union[int, str], E] = OrderedDict()
        self._numbers = itertools.count()
        self._lost = False
        self.closed = False

    def put(self, event: Event) -> None:
        """Takes an event in; past EVENTS_MAX everything is dropped, and the reader is told so."""
        wanted = self._wanted(event)
        if wanted is None or self.closed or self._lost:
            return
        key: Union[int, str] = next(self._numbers)
        if isinstance(event, UserStatus):
            key = event.user_id
            self._waiting.pop(key, None)
        self._waiting[key] = wanted
        if len(self._waiting) > EVENTS_MAX:
            self._waiting.clear()
            self._lost = True
        self._on_change()

    def take(self) -> Optional[E]:
        """The oldest event that waits; None if none does. EventsLostError once if it overflowed, and then it is closed."""
        if self._lost:
            self._lost = False
            self.closed = True
            raise EventsLostError(-6, f"more than {EVENTS_MAX} events waited to be read")
        return self._waiting.popitem(last=False)[1] if self._waiting else None

    def ready(self) -> bool:
        """Whether take has something to say, or never will."""
        return bool(self._waiting) or self._lost or self.closed

    def close(self) -> None:
        """Nothing more comes; what waits can still be taken."""
        self.closed = True
        self._on_change()


def statuses(event: Event) -> Optional[UserStatus]:
    """Wants changes of status alone."""
    return event if isinstance(event, UserStatus) else None


def everything(event: Event) -> Optional[Event]:
    """Wants every event."""
    return event
