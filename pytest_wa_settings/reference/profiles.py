"""The profile endpoints: about, photo, business profile."""

from __future__ import annotations

import base64
from collections.abc import AsyncGenerator
from typing import Any

from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from pytest_wa_settings.reference.coreapp import Coreapp
from pytest_wa_settings.reference.errors import Refusal, invalid, missing, not_found
from pytest_wa_settings.reference.fields import array, one_of, only, optional, required, text
from pytest_wa_settings.reference.http import NOTHING, Call, Operation, Reply

MAX_PHOTO = 2 * 1024 * 1024
PHOTO_PATH = "/v1/settings/profile/photo"
VERTICALS = (
    "Automotive",
    "Beauty, Spa and Salon",
    "Clothing and Apparel",
    "Education",
    "Entertainment",
    "Event Planning and Service",
    "Finance and Banking",
    "Food and Grocery",
    "Public Service",
    "Hotel and Lodging",
    "Medical and Health",
    "Non-profit",
    "Professional Services",
    "Shopping and Retail",
    "Travel and Transportation",
    "Restaurant",
    "Other",
)


def email(name: str, value: object) -> str:
    """An e-mail address, or the empty string for none."""
    found: str = text(128)(name, value)
    user, at, host = found.rpartition("@")
    if found and not (at and user and host and not any(char.isspace() for char in found)):
        raise invalid(name, "is no e-mail address")
    return found


def website(name: str, value: object) -> str:
    """A web address."""
    found: str = text(256)(name, value)
    if not found.startswith(("http://", "https://")):
        raise invalid(name, "must begin with http:// or https://")
    return found


BUSINESS = {
    "address": text(256),
    "description": text(256),
    "email": email,
    "vertical": one_of(*VERTICALS),
    "websites": array(website, 2),
}


class Profiles:
    """What contacts see of the business."""

    def __init__(self, coreapp: Coreapp) -> None:
        self.store = coreapp.store

    def operations(self) -> list[Operation]:
        """What this room answers."""
        return [
            Operation("GET", "/v1/settings/profile/about", "admin", self.read_about),
            Operation("PATCH", "/v1/settings/profile/about", "admin", self.set_about),
            Operation("GET", PHOTO_PATH, "admin", self.read_photo),
            Operation("POST", PHOTO_PATH, "admin", self.set_photo),
            Operation("DELETE", PHOTO_PATH, "admin", self.drop_photo),
            Operation("GET", "/v1/settings/business/profile", "admin", self.read_business),
            Operation("POST", "/v1/settings/business/profile", "admin", self.set_business),
        ]

    async def read_about(self, call: Call) -> Reply:
        """The about text."""
        return Reply({"settings": {"profile": {"about": {"text": self.store.get("about", "")}}}})

    async def set_about(self, call: Call) -> Reply:
        """Change the about text."""
        self.store.put("about", required(call.object(), "text", text(139)))
        return Reply(NOTHING)

    async def read_photo(self, call: Call) -> Reply:
        """The picture, or with `?format=link` where it is."""
        photo = self.store.get("photo")
        if photo is None:
            raise not_found("The photo")
        if call.query.get("format") == "link":
            link = f"https://{call.headers.get('host', 'localhost')}{PHOTO_PATH}"
            return Reply({"settings": {"profile": {"photo": {"link": link}}}})
        return Reply(content=base64.b64decode(photo["content"]), media_type=photo["media_type"])

    async def set_photo(self, call: Call) -> Reply:
        """Keep a picture, sent as it is or as a multipart form."""
        media_type = call.headers.get("content-type", "").partition(";")[0].strip().lower()
        content = call.body
        if media_type == "multipart/form-data":
            media_type, content = await self._uploaded(call)
        if not content:
            raise missing("photo")
        if not media_type.startswith("image/") or len(media_type) > 64:
            raise invalid("content-type", "must be that of an image")
        if len(content) > MAX_PHOTO:
            details = f"A photo has {MAX_PHOTO} bytes at most."
            raise Refusal(413, 1009, details)
        self.store.put(
            "photo", {"media_type": media_type, "content": base64.b64encode(content).decode("ascii")}
        )
        return Reply(NOTHING)

    async def _uploaded(self, call: Call) -> tuple[str, bytes]:
        async def stream() -> AsyncGenerator[bytes, None]:
            yield call.body

        try:
            form = await MultiPartParser(Headers(call.headers), stream()).parse()
        except (MultiPartException, KeyError, ValueError):
            raise Refusal(400, 1025, "The form cannot be read.") from None
        for _, part in form.multi_items():
            if isinstance(part, UploadFile):
                return (part.content_type or "").partition(";")[0].strip().lower(), await part.read()
        raise missing("file")

    async def drop_photo(self, call: Call) -> Reply:
        """Have no picture."""
        self.store.drop("photo")
        return Reply(NOTHING)

    async def read_business(self, call: Call) -> Reply:
        """The business profile."""
        return Reply({"settings": {"business": {"profile": self.store.get("business_profile", {})}}})

    async def set_business(self, call: Call) -> Reply:
        """Change what the body names; the vertical cannot be taken away again."""
        body = call.object()
        only(body, BUSINESS, "the business profile")
        changed: dict[str, Any] = {
            name: optional(body, name, check) for name, check in BUSINESS.items() if name in body
        }
        self.store.put("business_profile", {**self.store.get("business_profile", {}), **changed})
        return Reply(NOTHING)
