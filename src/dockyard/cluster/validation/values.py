"""Rules for single values that many kinds share."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

from dockyard.cluster import names, quantity
from dockyard.cluster.fields import FieldErrors

Manifest = dict[str, Any]

AT_LEAST_ZERO = "must be greater than or equal to 0"
PORT_RANGE = "must be between 1 and 65535, inclusive"
IMMUTABLE = "field is immutable"
_STANDARD = ("cpu", "memory", "ephemeral-storage", "storage")
_OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist")


def non_negative(value: Any, path: str, errors: FieldErrors) -> None:
    if isinstance(value, int) and value < 0:
        errors.invalid(path, value, AT_LEAST_ZERO)


def port_number(value: int, path: str, errors: FieldErrors) -> None:
    if not 1 <= value <= 65535:
        errors.invalid(path, value, PORT_RANGE)


def port_or_name(value: Any, path: str, errors: FieldErrors) -> None:
    if isinstance(value, int):
        port_number(value, path, errors)
        return
    for problem in names.port_name_problems(value):
        errors.invalid(path, value, problem)


def one_of(value: Any, allowed: tuple[str, ...], path: str, errors: FieldErrors) -> None:
    if value not in allowed:
        errors.not_supported(path, value, allowed)


def dns_label(value: Any, path: str, errors: FieldErrors) -> None:
    for problem in names.dns_label_problems(value):
        errors.invalid(path, value, problem)


def subdomain(value: Any, path: str, errors: FieldErrors) -> None:
    for problem in names.subdomain_problems(value):
        errors.invalid(path, value, problem)


def int_or_percent(value: Any, path: str, errors: FieldErrors) -> None:
    """A number that is not negative, or a percentage."""
    if isinstance(value, int):
        non_negative(value, path, errors)
    elif not re.fullmatch(r"[0-9]+%", value):
        errors.invalid(
            path,
            value,
            "a valid percent string must be a numeric string followed by an ending '%' "
            "(e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')",
        )


def not_over_hundred_percent(value: Any, path: str, errors: FieldErrors) -> None:
    if isinstance(value, str) and re.fullmatch(r"[0-9]+%", value) and int(value[:-1]) > 100:
        errors.invalid(path, value, "must not be greater than 100%")


def resource_name(name: str, path: str, errors: FieldErrors, *, purpose: str) -> None:
    """`purpose` ends the second complaint: containers, quota."""
    if "/" in name:
        for problem in names.label_key_problems(name):
            errors.invalid(path, name, problem)
    elif name not in _STANDARD and not name.startswith("hugepages-"):
        errors.invalid(path, name, "must be a standard resource type or fully qualified")
        errors.invalid(path, name, f"must be a standard resource for {purpose}")


def resources(value: Manifest, path: str, errors: FieldErrors) -> None:
    """The requests and limits of a container."""
    limits, requests = value.get("limits") or {}, value.get("requests") or {}
    for name, amount in limits.items():
        resource_name(name, f"{path}.limits[{name}]", errors, purpose="containers")
        _amount(amount, f"{path}.limits[{name}]", errors)
    for name, amount in requests.items():
        here = f"{path}.requests[{name}]"
        resource_name(name, here, errors, purpose="containers")
        _amount(amount, here, errors)
        extended = "/" in name or name.startswith("hugepages-")
        if name in limits:
            if extended and quantity.parse(amount) != quantity.parse(limits[name]):
                errors.invalid(f"{path}.requests", amount, f"must be equal to {name} limit of {limits[name]}")
            elif quantity.parse(amount) > quantity.parse(limits[name]):
                errors.invalid(
                    f"{path}.requests",
                    amount,
                    f"must be less than or equal to {name} limit of {limits[name]}",
                )
        elif extended:
            errors.required(f"{path}.limits", "Limit must be set for non overcommitable resources")


def _amount(amount: Any, path: str, errors: FieldErrors) -> None:
    if quantity.parse(amount) < 0:
        errors.invalid(path, amount, AT_LEAST_ZERO)


def label_selector(selector: Manifest, path: str, errors: FieldErrors) -> bool:
    """A LabelSelector object; returns whether it can be used."""
    before = len(errors)
    names.check_labels(selector.get("matchLabels"), f"{path}.matchLabels", errors)
    for index, expression in enumerate(selector.get("matchExpressions") or ()):
        here = f"{path}.matchExpressions[{index}]"
        operator, values = expression.get("operator"), expression.get("values") or ()
        if operator in ("In", "NotIn") and not values:
            errors.required(f"{here}.values", "must be specified when `operator` is 'In' or 'NotIn'")
        elif operator in ("Exists", "DoesNotExist") and values:
            errors.forbidden(
                f"{here}.values", "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            )
        elif operator not in _OPERATORS:
            errors.invalid(f"{here}.operator", operator, "not a valid selector operator")
        for problem in names.label_key_problems(expression.get("key", "")):
            errors.invalid(f"{here}.key", expression.get("key", ""), problem)
    return len(errors) == before


def ip_address(value: str, path: str, errors: FieldErrors) -> bool:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        errors.invalid(path, value, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)")
        return False
    return True


def is_address(value: str) -> bool:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True


def cidr(value: str, path: str, errors: FieldErrors) -> None:
    try:
        if "/" not in value:
            raise ValueError
        ipaddress.ip_network(value, strict=False)
    except ValueError:
        errors.invalid(path, value, "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)")
