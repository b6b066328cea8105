"""A build that failed on the way: the last line of its stream."""

from typing import Any

Message = dict[str, Any]


class BuildFailed(Exception):  # the stream's last word; the HTTP status is long sent
    """`message` is upstream's; `code` the exit status of a RUN."""

    def __init__(self, message: str, code: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code

    def render(self) -> Message:
        detail: Message = {"message": self.message}
        if self.code is not None:
            detail = {"code": self.code, "message": self.message}
        return {"errorDetail": detail, "error": self.message}


def needs_buildkit(option: str) -> str:
    """What the classic builder says of an option that is not for it."""
    return (
        f"the --{option} option requires BuildKit. Refer to https://docs.docker.com/go/buildkit/ to learn "
        "how to build images with BuildKit enabled"
    )
