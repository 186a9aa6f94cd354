"""What a client was told and nobody read yet: a bounded queue that merges the changes of one user.

Knows nothing of event loops: whoever owns a Mailbox is told by `on_change` that there is something new. One thread puts, others
may take at the same time.
"""

from __future__ import annotations

import itertools
import threading
import weakref
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any, Callable, Generic, Optional, TypeVar, Union

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
        try:
            return self._waiting.popitem(last=False)[1]
        except KeyError:
            return None

    def ready(self) -> bool:
        """Whether take has something to say, or never will."""
        return bool(self._waiting) or self._lost or self.closed

    def close(self) -> None:
        """Nothing more comes; what waits can still be taken."""
        self.closed = True
        self._on_change()


class Mailboxes:
    """Who is told what happens: mailboxes that somebody else keeps. One that is dropped is forgotten.

    Threads may add and discard while another goes through them, which sees those of when it began.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # Never changed, but replaced: whoever goes through one needs no lock.
        self._all: tuple[weakref.ref[Mailbox[Any]], ...] = ()

    def add(self, mailbox: Mailbox[Any]) -> None:
        """From now on it is told."""
        with self._lock:
            self._all = (*self._others(mailbox), weakref.ref(mailbox))

    def discard(self, mailbox: Mailbox[Any]) -> None:
        """It is told no more."""
        with self._lock:
            self._all = self._others(mailbox)

    def _others(self, mailbox: Mailbox[Any]) -> tuple[weakref.ref[Mailbox[Any]], ...]:
        return tuple(other for other in self._all if other() is not None and other() is not mailbox)

    def __iter__(self) -> Iterator[Mailbox[Any]]:
        for reference in self._all:
            mailbox = reference()
            if mailbox is not None:
                yield mailbox


def statuses(event: Event) -> Optional[UserStatus]:
    """Wants changes of status alone."""
    return event if isinstance(event, UserStatus) else None


def everything(event: Event) -> Optional[Event]:
    """Wants every event."""
    return event
