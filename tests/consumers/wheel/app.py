"""A program of somebody else's: it says when its users are busy, and watches them."""

from __future__ import annotations

import asyncio

from tim_presence import Client, Server, UserStatus, library_version
from tim_presence.sync import Client as PlainClient


class Board:
    """Who is here, as one client is told."""

    def __init__(self, address: str, app: int) -> None:
        self.client = Client(address, app)
        self.shown: dict[str, str] = {}

    def show(self, user: UserStatus) -> None:
        self.shown[user.user_id] = f"{user.status.name} {user.custom_status}".strip()

    async def watch(self, user_sig: str, *users: str) -> None:
        """Watches until one of them is busy."""
        async with self.client as client:
            changes = client.status_changes()
            await client.login("board", user_sig)
            for user in (await client.subscribe(users)).users:
                self.show(user)
            async for change in changes:
                self.show(change)
                if change.custom_status:
                    return


def be_busy(address: str, app: int, user_sig: str) -> None:
    """Says so without an event loop."""
    with PlainClient(address, app) as alice:
        alice.login("alice", user_sig)
        alice.set_self_status("busy")
        assert alice.get_user_status("alice")[0].custom_status == "busy"
        alice.logout()


async def main() -> None:
    with Server(accounts=["alice", "bob"]) as server:
        board = Board(server.address, server.sdk_app_id)
        watching = asyncio.ensure_future(board.watch(server.issue_user_sig("board"), "alice", "bob"))
        while "bob" not in board.shown:
            await asyncio.sleep(0.01)
        loop = asyncio.get_running_loop()
        busy = loop.run_in_executor(None, be_busy, server.address, server.sdk_app_id, server.issue_user_sig("alice"))
        await asyncio.wait_for(watching, 60)
        await busy
    print(f"tim_presence {library_version()}: alice is {board.shown['alice']}, bob is {board.shown['bob']}")


if __name__ == "__main__":
    asyncio.run(main())
