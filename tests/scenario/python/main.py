#!/usr/bin/env python3
"""The runner in Python: main.py STORY ADDRESS APP_ID. See ../README.md."""
import asyncio
import re
import sys

import tim_presence
from tim_presence import (
    Client,
    ConnectionChanged,
    ConnectionState,
    KickedOffline,
    Platform,
    SubscriptionsEvicted,
    TimError,
    UserResult,
    UserStatus,
)

#: How long anything may take that the story waits for.
DEADLINE_S = 30
#: Of more users than this only the first, the last and the number are printed.
ITEMS_SHOWN = 5

PLATFORMS = {
    Platform.OTHER: "Other", Platform.IOS: "iOS", Platform.ANDROID: "Android", Platform.WEB: "Web",
    Platform.WINDOWS: "Windows", Platform.MAC: "Mac", Platform.LINUX: "Linux", Platform.IPAD: "iPad",
}  # fmt: skip


def say(line):
    print(line, flush=True)


async def ask(request):
    """Asks the driver; its answer comes on the standard input, while the event loop goes on."""
    say(f"!{request}")
    answer = await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    if not answer.startswith("ok "):
        raise SystemExit(f"the driver answers {answer!r}")
    return answer[3:].rstrip("\n")


def words_of(line):
    words = []
    for quoted, plain in re.findall(r'"([^"]*)"|([^ "][^ ]*)', line):
        repeated, numbered = re.fullmatch(r"(.*)\{\*(\d+)\}", plain), re.fullmatch(r"(.*)\{(\d+)\.\.(\d+)\}", plain)
        if repeated:
            words.append(repeated[1] * int(repeated[2]))
        elif numbered:
            words.extend(f"{numbered[1]}{i}" for i in range(int(numbered[2]), int(numbered[3]) + 1))
        else:
            words.append(plain or quoted)
    return words


def code_text(code):
    return f"{code} {TimError(code).name}"


class Person:
    """A client, and what it was told and nobody printed yet."""

    def __init__(self, server, app_id, platform):
        self.client = Client(server, app_id, platform=platform, backoff_base=0.02, backoff_max=0.2, disconnected_wait=1)
        self.told = []
        self.marks = {}
        self.came = asyncio.Condition()
        self.reading = asyncio.create_task(self.read(self.client.events()))

    async def read(self, events):
        async for event in events:
            async with self.came:
                self.told.append(event)
                self.came.notify_all()

    async def take(self, wanted, wait=True):
        """Takes the first event that is wanted; None if none came."""

        def first():
            return next((index for index, event in enumerate(self.told) if wanted(event)), None)

        async with self.came:
            if wait and first() is None:
                try:
                    await asyncio.wait_for(self.came.wait_for(lambda: first() is not None), DEADLINE_S)
                except asyncio.TimeoutError:
                    return None
            index = first()
            return None if index is None else self.told.pop(index)

    async def take_all(self):
        """Takes all that is there, connection states excepted, after a round trip."""
        if self.client.login_user:
            await self.client.get_user_status(self.client.login_user)
        await asyncio.sleep(0)  # the reader's turn: what arrived before the answer
        events = []
        while (event := await self.take(lambda event: not isinstance(event, ConnectionChanged), wait=False)) is not None:
            events.append(event)
        return events

    def seen(self, user):
        known = self.marks.get(user.user_id, -1)
        self.marks[user.user_id] = max(known, user.version)
        return "newer" if user.version > known else "same" if user.version == known else "older"

    def say_event(self, event):
        if event is None:
            say("nothing came")
        elif isinstance(event, UserStatus):
            say(f'{event.user_id} {event.status.name} "{event.custom_status}" {event.reason.name} {self.seen(event)}')
        elif isinstance(event, ConnectionChanged):
            say("connected" if event.state is ConnectionState.CONNECTED else "disconnected")
        elif isinstance(event, KickedOffline):
            say(f"kicked {code_text(event.error.code)}")
        elif isinstance(event, SubscriptionsEvicted):
            say(f"evicted {' '.join(event.user_ids)}")

    def item(self, user):
        if isinstance(user, str):
            return f"  {user}"
        name = user.user_id or '""'
        if not user.ok:
            return f"  {name} {code_text(user.code)}"
        if isinstance(user, UserResult):
            return f"  {name}"
        platforms = "+".join(text for platform, text in PLATFORMS.items() if platform in user.platforms) or "nowhere"
        return f'  {name} {user.status.name} "{user.custom_status}" {user.reason.name} {platforms} {self.seen(user)}'

    async def say_result(self, call):
        try:
            result = await call
        except TimError as error:
            say(f"error {code_text(error.code)}{', retry later' if error.retry_after else ''}")
            return
        users, evicted = result if isinstance(result, tim_presence.Subscribed) else (result or [], [])
        if len(users) > ITEMS_SHOWN:
            say(f"ok, {len(users)} users")
            users = [users[0], users[-1]]
        else:
            say("ok")
        for user in users:
            say(self.item(user))
        for user in evicted:
            say(f"  evicted {user}")

    # ---- steps ----

    async def login(self, user, how="", text=""):
        if how == "with":
            user_sig = text
        elif how == "signed-for":
            user_sig = await ask(f"sig {text}")
        else:
            user_sig = await ask(f"sig {user}{' another-key' if how == 'signed-with-another-key' else ''}")
        await self.say_result(self.client.login(user, user_sig))

    async def logout(self):
        await self.say_result(self.client.logout())

    async def set(self, text):
        await self.say_result(self.client.set_self_status(text))

    async def get(self, *users):
        await self.say_result(self.client.get_user_status(users))

    async def subscribe(self, *users):
        await self.say_result(self.client.subscribe(users))

    async def unsubscribe(self, *users):
        await self.say_result(self.client.unsubscribe(users))

    async def unsubscribe_all(self):
        await self.say_result(self.client.unsubscribe_all())

    async def subscriptions(self):
        await self.say_result(self.client.get_subscriptions())

    async def friends(self):
        await self.say_result(self.client.get_friends())

    async def burst(self, times, user):
        for succeeded in range(int(times)):
            try:
                await self.client.get_user_status(user)
            except TimError as error:
                later = ", retry later" if error.retry_after else ""
                say(f"ok {succeeded} times, then error {code_text(error.code)}{later}")
                return
        say(f"ok {times} times")

    async def state(self):
        logged_in = self.client.login_state is tim_presence.LoginState.LOGGED_IN
        say(f"logged in as {self.client.login_user}" if logged_in else "logged out")

    async def await_(self, kind, what=""):
        if kind == "connection":
            event = await self.take(lambda event: isinstance(event, ConnectionChanged))
            while event is not None and event.state is not ConnectionState[what.upper()]:
                event = await self.take(lambda event: isinstance(event, ConnectionChanged))
        elif kind == "status":
            event = await self.take(lambda event: isinstance(event, UserStatus) and event.user_id == what)
        else:
            wanted = {"kicked": KickedOffline, "evicted": SubscriptionsEvicted}[kind]
            event = await self.take(lambda event: isinstance(event, wanted))
        self.say_event(event)

    async def until(self, user, custom):
        while True:
            event = await self.take(lambda event: isinstance(event, UserStatus) and event.user_id == user)
            if event is None or event.custom_status == custom:
                self.say_event(event)
                return
            self.seen(event)

    async def quiet(self):
        events = await self.take_all()
        if not events:
            say("nothing")
        for event in events:
            self.say_event(event)

    async def skip(self):
        for event in await self.take_all():
            if isinstance(event, UserStatus):
                self.seen(event)
        say("ok")

    async def close(self):
        await self.client.close()
        await self.reading
        say("ok")


async def main(story, server, app_id):
    people = {}
    with open(story, encoding="utf-8") as lines:
        for line in lines.read().splitlines():
            if line.startswith("##"):
                say(line)
            if not line or line.startswith("#"):
                continue
            say(f"> {line}")
            step, name, *rest = words_of(line)
            if step == "client":
                people[name] = Person(server, int(app_id), *rest)
                say("ok")
            elif step in ("server", "kick"):
                await ask(f"{step} {name}")
                say("ok")
            else:
                run = {"await": Person.await_, "unsubscribe-all": Person.unsubscribe_all}.get(step) or getattr(Person, step)
                await run(people[name], *rest)


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")
    asyncio.run(main(*sys.argv[1:]))
