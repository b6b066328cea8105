"""What a name, a label or an annotation may be, and what upstream says of one that may not."""

from __future__ import annotations

import re
import secrets

from dockyard.cluster.fields import FieldErrors

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_LABEL_1035 = r"[a-z]([-a-z0-9]*[a-z0-9])?"
_QUALIFIED = r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_VALUE = rf"({_QUALIFIED})?"
_CONFIG_KEY = r"[-._a-zA-Z0-9]+"
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"  # upstream's: no vowels, so no words


def _regex_text(message: str, pattern: str, *examples: str) -> str:
    shown = " or ".join(f"'{example}', " for example in examples)
    return f"{message} (e.g. {shown}regex used for validation is '{pattern}')"


def too_long(limit: int, unit: str = "characters") -> str:
    return f"must be no more than {limit} {unit}"


def subdomain_problems(value: str) -> list[str]:
    """What is wrong with a DNS subdomain (most object names)."""
    problems = [too_long(253)] if len(value) > 253 else []
    if not re.fullmatch(_SUBDOMAIN, value):
        problems.append(
            _regex_text(
                "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric "
                "characters, '-' or '.', "
                "and must start and end with an alphanumeric character",
                _SUBDOMAIN,
                "example.com",
            )
        )
    return problems


def dns_label_problems(value: str) -> list[str]:
    """What is wrong with a DNS label (namespaces, containers, Services)."""
    problems = [too_long(63)] if len(value) > 63 else []
    if not re.fullmatch(_LABEL, value):
        problems.append(
            _regex_text(
                "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
                "and must start and end with an alphanumeric character",
                _LABEL,
                "my-name",
                "123-abc",
            )
        )
    return problems


def label_key_problems(key: str) -> list[str]:
    """What is wrong with a label or annotation key: a name with an optional DNS prefix."""
    parts = key.split("/")
    described = (
        "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
        "alphanumeric character"
    )
    examples = ("MyName", "my.name", "123-abc")
    if len(parts) > 2:
        text = _regex_text(f"a valid label key {described}", _QUALIFIED, *examples)
        return [f"{text} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"]
    problems = []
    if len(parts) == 2:
        if not parts[0]:
            problems.append("prefix part must be non-empty")
        else:
            problems += [f"prefix part {problem}" for problem in subdomain_problems(parts[0])]
    name = parts[-1]
    if not name:
        problems.append("name part must be non-empty")
    elif len(name) > 63:
        problems.append(f"name part {too_long(63, 'bytes')}")
    if not re.fullmatch(_QUALIFIED, name):
        problems.append("name part " + _regex_text(described, _QUALIFIED, *examples))
    return problems


def label_value_problems(value: str) -> list[str]:
    problems = [too_long(63, "bytes")] if len(value.encode()) > 63 else []
    if not re.fullmatch(_VALUE, value):
        problems.append(
            _regex_text(
                "a valid label must be an empty string or consist of alphanumeric characters, "
                "'-', '_' or '.', "
                "and must start and end with an alphanumeric character",
                _VALUE,
                "MyValue",
                "my_value",
                "12345",
            )
        )
    return problems


def config_key_problems(key: str) -> list[str]:
    """What is wrong with a key of a ConfigMap or Secret."""
    problems = [too_long(253)] if len(key) > 253 else []
    if not re.fullmatch(_CONFIG_KEY, key):
        problems.append(
            _regex_text(
                "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
                _CONFIG_KEY,
                "key.name",
                "KEY_NAME",
                "key-name",
            )
        )
    elif key == ".":
        problems.append("must not be '.'")
    elif key == "..":
        problems.append("must not be '..'")
    elif key.startswith(".."):
        problems.append("must not start with '..'")
    return problems


def path_segment_problems(value: str) -> list[str]:
    """What is wrong with a name that only has to fit in a URL (RBAC)."""
    if value in (".", ".."):
        return [f"may not be '{value}'"]
    return [f"may not contain '{part}'" for part in ("/", "%") if part in value]


def port_name_problems(value: str) -> list[str]:
    """What is wrong with a named port (an IANA service name)."""
    problems = [too_long(15)] if len(value) > 15 else []
    if not re.fullmatch(r"[-a-z0-9]*", value):
        problems.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not re.search(r"[a-z]", value):
        problems.append("must contain at least one letter (a-z)")
    if "--" in value:
        problems.append("must not contain consecutive hyphens")
    if value and (value[0] == "-" or value[-1] == "-"):
        problems.append("must not begin or end with a hyphen")
    return problems


def check_labels(labels: dict[str, str] | None, path: str, errors: FieldErrors) -> None:
    for key, value in (labels or {}).items():
        for problem in label_key_problems(key):
            errors.invalid(path, key, problem)
        for problem in label_value_problems(value):
            errors.invalid(path, value, problem)


def check_annotations(annotations: dict[str, str] | None, path: str, errors: FieldErrors) -> None:
    total = 0
    for key, value in (annotations or {}).items():
        total += len(key.encode()) + len(value.encode())
        for problem in label_key_problems(key.lower()):
            errors.invalid(path, key, problem)
    if total > 256 << 10:
        errors.too_long(path, 256 << 10)


def generate_name(prefix: str) -> str:
    """The prefix, cut to fit, with five random characters, as the API server generates names."""
    return prefix[:58] + "".join(secrets.choice(_ALPHABET) for _ in range(5))
