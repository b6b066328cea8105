"""What is wrong with a Dockerfile, in upstream's words."""


class DockerfileError(ValueError):
    """The file can't be built from. Upstream answers 400 with this message, before any step."""

    @classmethod
    def on_line(cls, line: int, message: str) -> "DockerfileError":
        """The form for a mistake in one instruction."""
        return cls(f"dockerfile parse error on line {line}: {message}")

    @classmethod
    def in_file(cls, message: str) -> "DockerfileError":
        """The form for text that doesn't divide into instructions."""
        return cls(f"failed to parse Dockerfile: {message}")
