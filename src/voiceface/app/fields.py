"""What is wrong with the fields of a form, in one line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from fastapi import Request

from voiceface.app.refusal import Refusal
from voiceface.errors import InputError

_SEVERAL = ("voices", "faces")
"""Fields that may be sent several times."""
_REMEDIES = {
    "greater_than_equal": "give {ge} or more",
    "less_than_equal": "give {le} or less",
    "less_than": "give less than {lt}",
    "int_parsing": "give a whole number",
    "int_parsing_size": "give a whole number with fewer digits",
    "int_type": "give a whole number, not a file",
    "bool_parsing": "give true or false",
    "literal_error": "give {expected}",
    "string_too_short": "give {min_length} character or more",
    "string_too_long": "give {max_length} characters or fewer",
}
"""By the type of pydantic's error."""
_SHOWN = 40


async def check_fields(request: Request) -> None:
    """Refuse fields that an address does not have, and those that are sent twice but have one value.

    Raises:
        Refusal: there is one.
    """
    known = [field.alias for field in request.scope["route"].dependant.body_params]
    if not known:
        return
    for name, count in Counter(name for name, _ in (await request.form()).multi_items()).items():
        if name not in known:
            fault = "is no field of this address"
            raise Refusal(422, InputError(name[:_SHOWN], fault, f"there are {', '.join(known)}"))
        if count > 1 and name not in _SEVERAL:
            raise Refusal(422, InputError(name, f"is given {count} times", "send it once"))


def field_fault(error: Mapping[str, Any]) -> InputError:
    """What pydantic found, as the parts of a line."""
    name = str(next((part for part in error["loc"][1:] if isinstance(part, str)), "the request"))
    if error["type"] == "missing":
        return InputError(name, "is missing", "send it as a field of multipart/form-data")
    if "UploadFile" in error["msg"]:
        return InputError(name, "is no file", f"send one, as in curl -F {name}=@FILE")
    given = error["input"] if isinstance(error["input"], str | int) else "a file"
    shown = repr(given) if len(repr(given)) <= _SHOWN else f"{repr(given)[:_SHOWN]}..."
    remedy = _REMEDIES.get(error["type"], "see /openapi.json")
    return InputError(name, f"is {shown}", remedy.format(**error.get("ctx", {})))
