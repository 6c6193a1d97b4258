"""What is wrong with an input, where, and what would be right?"""

import json
from collections.abc import Iterable
from enum import StrEnum
from functools import lru_cache
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict

from pinakad.printable import MAX_VALUE_CHARACTERS, printable

MAX_PROBLEMS = 100
"""At most this many problems of one document are listed: the first ones help, a million would fill the report."""
_MAX_MESSAGE_CHARACTERS = 1000


class Severity(StrEnum):
    """`error` fails the deployment before anything is launched, `warning` holds nobody up."""

    ERROR = "error"
    WARNING = "warning"


class Code(StrEnum):
    """Every kind of problem: programs match on the code, people read the message."""

    # a file as a whole
    NOT_A_FILE = "not_a_file"
    UNREADABLE = "unreadable"
    TOO_LARGE = "too_large"
    NOT_UTF8 = "not_utf8"
    NOT_JSON = "not_json"
    DUPLICATE_KEY = "duplicate_key"
    TOO_DEEP = "too_deep"
    BAD_NUMBER = "bad_number"
    BAD_TEXT = "bad_text"
    NOT_AN_OBJECT = "not_an_object"
    # a field
    MISSING = "missing"
    WRONG_TYPE = "wrong_type"
    BAD_VALUE = "bad_value"
    BAD_HOSTNAME = "bad_hostname"
    BAD_ADDRESS = "bad_address"
    BAD_NETMASK = "bad_netmask"
    BAD_GATEWAY = "bad_gateway"
    BAD_DNS = "bad_dns"
    UNKNOWN_BOND = "unknown_bond"
    BOND_WITHOUT_SLAVE = "bond_without_slave"
    DUPLICATE_VLAN = "duplicate_vlan"
    STORAGE_WITHOUT_DISK = "storage_without_disk"
    NO_POLL_ADDRESS = "no_poll_address"
    # across files
    DUPLICATE_ADDRESS = "duplicate_address"
    VIP_IS_NODE_ADDRESS = "vip_is_node_address"
    HOSTNAME_REUSED = "hostname_reused"
    # a request
    UNKNOWN_KEY = "unknown_key"
    NO_SUCH_FILE = "no_such_file"
    SUPERSEDED = "superseded"
    MORE_PROBLEMS = "more_problems"
    # warnings about a node file
    VLAN_RANGE = "vlan_range"
    MTU_RANGE = "mtu_range"
    BOND_WITH_ONE_SLAVE = "bond_with_one_slave"
    UNKNOWN_ROLE = "unknown_role"
    UNKNOWN_TYPE = "unknown_type"
    UNKNOWN_INTERFACE = "unknown_interface"
    MISSPELLED_KEY = "misspelled_key"
    NO_ROLE = "no_role"
    NO_CONTROL = "no_control"
    BAD_VIP = "bad_vip"
    DIFFERENT_VIPS = "different_vips"
    DUPLICATE_TYPE = "duplicate_type"
    SLAVE_OF_TWO_BONDS = "slave_of_two_bonds"
    NO_NETMASK = "no_netmask"
    # warnings about a run
    REQUEST_REMOVED = "request_removed"
    CANCEL_REMOVED = "cancel_removed"
    ANSWER_BLOCKED = "answer_blocked"
    NOT_EXECUTABLE = "not_executable"
    LOOSE_PERMISSIONS = "loose_permissions"
    OUTPUT_DROPPED = "output_dropped"
    SCRIPT_ADOPTED = "script_adopted"
    SCRIPT_DOUBLED = "script_doubled"
    SCRIPT_NOT_SEEN = "script_not_seen"
    SCRIPT_LEFT_RUNNING = "script_left_running"
    SCRIPT_CHANGED = "script_changed"
    NOT_REBOOTED = "not_rebooted"
    WRONG_HOST = "wrong_host"
    SAME_MACHINE = "same_machine"
    HOST_KEY_CHANGED = "host_key_changed"


class Problem(BaseModel):
    """One thing that is wrong. `file` is a base name, `path` a JSON Pointer (RFC 6901), `value` what stood there.

    `file` and `path` are empty where the problem is not about a file or not about a field.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    file: str
    path: str
    value: str
    severity: Severity
    code: Code
    message: str

    def line(self) -> str:
        """Return the problem as one line for people: file, field, what would be right, and the value."""
        where = " ".join(printable(part) for part in (self.file, self.path) if part)
        message = printable(self.message, _MAX_MESSAGE_CHARACTERS)  # it may name a key of the file
        found = f" (found {self.value})" if self.value else ""
        return f"{where}: {message}{found}" if where else f"{message}{found}"


class Spot(NamedTuple):
    """The place in a file at which a problem is reported: a base name and a JSON Pointer (RFC 6901)."""

    file: str
    path: str = ""

    def at(self, *keys: str | int) -> "Spot":
        """Return the place below this one."""
        return Spot(self.file, self.path + pointer(*keys))

    def error(self, code: Code, message: str, value: Any = None) -> Problem:
        """Return a problem that fails the deployment. `value` is what was found there, None for nothing."""
        return self._problem(Severity.ERROR, code, message, value)

    def warning(self, code: Code, message: str, value: Any = None) -> Problem:
        """Return a problem that is only reported. `value` is what was found there, None for nothing."""
        return self._problem(Severity.WARNING, code, message, value)

    def _problem(self, severity: Severity, code: Code, message: str, value: Any) -> Problem:
        shown = "" if value is None else show(value)
        return Problem(file=self.file, path=self.path, value=shown, severity=severity, code=code, message=message)


@lru_cache(maxsize=4096)  # thousands of files have the same few fields
def pointer(*keys: str | int) -> str:
    """Return the JSON Pointer (RFC 6901) of a path of keys and indexes."""
    return "".join("/" + str(key).replace("~", "~0").replace("/", "~1") for key in keys)


def show(value: Any) -> str:
    """Return `value` as one line of ASCII JSON of bounded length, without control characters."""
    text = json.dumps(value, default=str)
    return text if len(text) <= MAX_VALUE_CHARACTERS else text[: MAX_VALUE_CHARACTERS - 3] + "..."


def has_errors(problems: Iterable[Problem]) -> bool:
    """Return whether one of the problems fails the deployment."""
    return any(problem.severity is Severity.ERROR for problem in problems)


def capped(problems: list[Problem], spot: Spot, limit: int = MAX_PROBLEMS, *, left_out: int = 0) -> list[Problem]:
    """Return at most `limit` problems; where there are more, errors come first and the last problem counts the others.

    The last one is an error where it counts an error. `left_out` is the number of errors that are not in `problems`.
    """
    if len(problems) + left_out <= limit:
        return problems
    ordered = sorted(problems, key=lambda problem: problem.severity is not Severity.ERROR)
    kept, rest = ordered[: limit - 1], ordered[limit - 1 :]
    errors = sum(problem.severity is Severity.ERROR for problem in rest) + left_out
    text = f"and {len(rest) + left_out:,} more problems, {errors:,} of them errors"
    more = spot.error if errors else spot.warning
    return [*kept, more(Code.MORE_PROBLEMS, text)]
