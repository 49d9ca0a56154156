"""People at the desk, each in a browser, and intake, which carries out what they decide."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from consumers.intake.handler import Intake
from contracts import subjects
from contracts.vocabulary import DEFAULT
from tests.support.desk_app import Browser, DeskApp

NAMES = {"an": "Lê An", "binh": "Trần Bình", "chi": "Vũ Chi", "dung": "Đỗ Dung"}
ROLES = {
    "an": "nguoi-gui-tin",
    "binh": "lanh-dao-don-vi",
    "chi": "bien-tap-vien",
    "dung": "lanh-dao-duyet",
}
TEXT = {
    "unit": "van-phong-bo",
    "title": "Hướng dẫn nộp hồ sơ trực tuyến",
    "body": "Đoạn một.\r\n\r\nĐoạn hai.",
    "topic": "cai-cach-hanh-chinh",
    "channels": ["portal", "email"],
    "lane": "normal",
    "broadcast": "1",
}
FIELDS = {name: value for name, value in TEXT.items() if name != "unit"}
"""Fields in the form of an item; its unit stays."""


class Newsroom:
    """The browsers of the people of a desk, and intake, which carries out what they decide."""

    def __init__(self, desk: DeskApp, browsers: dict[str, Browser]) -> None:
        self.desk, self.browsers = desk, browsers
        self.intake = Intake(desk.bus, DEFAULT, desk.clock)
        self.carried_out = 0

    def __getitem__(self, login: str) -> Browser:
        return self.browsers[login]

    async def written(self, **changes) -> str:
        """The path of a new text of the officer."""
        done = await self["an"].press("/soan-moi", "/soan-moi", **TEXT | changes)
        assert done.status_code == 303, done.text
        return done.headers["location"]

    async def press(self, login: str, path: str, act: str, **fields):
        """Press the button of an act on the item's page; the act is carried out."""
        done = await self[login].press(path, f"{path}/{act}", **fields)
        assert done.status_code == 303, done.text
        await self.carry_out()
        return await self[login].get(done.headers["location"])

    async def carry_out(self) -> None:
        start = self.carried_out + 1
        async for message in self.desk.bus.scan(subjects.EDITORIAL.name, start=start):
            await self.intake.on_act(message)
            self.carried_out = message.seq

    async def approve(self, path: str) -> None:
        """Bring a draft to readers, each step by its person."""
        await self.press("an", path, "gui")
        await self.press("binh", path, "xac-nhan", clean="1")
        await self.press("chi", path, "trinh", clean="1")
        await self.press("dung", path, "duyet")


@asynccontextmanager
async def open_newsroom(desk: DeskApp) -> AsyncIterator[Newsroom]:
    desk.names |= NAMES
    async with AsyncExitStack() as stack:
        browsers = {
            login: await stack.enter_async_context(desk.signed_in(login, role))
            for login, role in ROLES.items()
        }
        yield Newsroom(desk, browsers)
