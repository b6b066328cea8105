"""Field errors: where in an object something is wrong, in upstream's words."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, NamedTuple


class FieldError(NamedTuple):
    """One cause of an Invalid status.

    `message` is without the field: `Required value`, `Invalid value: -1: ...`.
    """

    reason: str
    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


def show(value: Any) -> str:
    """A value as Go's field errors print it: strings quoted, the rest as JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


class FieldErrors(list[FieldError]):
    """The errors found so far; one method for each of upstream's types of them."""

    def required(self, path: str, detail: str = "") -> None:
        self._add("FieldValueRequired", path, "Required value", detail)

    def invalid(self, path: str, value: Any, detail: str = "") -> None:
        self._add("FieldValueInvalid", path, f"Invalid value: {show(value)}", detail)

    def duplicate(self, path: str, value: Any) -> None:
        self._add("FieldValueDuplicate", path, f"Duplicate value: {show(value)}")

    def not_found(self, path: str, value: Any) -> None:
        self._add("FieldValueNotFound", path, f"Not found: {show(value)}")

    def forbidden(self, path: str, detail: str) -> None:
        self._add("FieldValueForbidden", path, "Forbidden", detail)

    def too_long(self, path: str, limit: int) -> None:
        self._add("FieldValueTooLong", path, "Too long", f"may not be more than {limit} bytes")

    def too_many(self, path: str, count: int, limit: int) -> None:
        self._add("FieldValueTooMany", path, f"Too many: {count}", f"must have at most {limit} items")

    def broken_rule(self, path: str, problem: str) -> None:
        """A CEL rule of a custom resource that doesn't hold; its message shows no value."""
        self._add("FieldValueInvalid", path, "Invalid value", problem)

    def not_supported(
        self, path: str, value: Any, supported: Iterable[str], *, keep_order: bool = False
    ) -> None:
        values = list(supported) if keep_order else sorted(supported)
        listed = ", ".join(show(item) for item in values)
        self._add(
            "FieldValueNotSupported", path, f"Unsupported value: {show(value)}", f"supported values: {listed}"
        )

    def _add(self, reason: str, path: str, message: str, detail: str = "") -> None:
        self.append(FieldError(reason, path, f"{message}: {detail}" if detail else message))

    def aggregate(self) -> str:
        """All of them in one line, each once, in brackets when there are several."""
        texts = list(dict.fromkeys(str(error) for error in self))
        return texts[0] if len(texts) == 1 else "[" + ", ".join(texts) + "]"
