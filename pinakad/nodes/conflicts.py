"""Which problems do only several node files together have: one machine twice, or two machines as one?

A conflict of two files is reported at the file that is asked for; where neither is, the conflict is ignored.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet

from pinakad.nodes.addresses import address_key, ip_value
from pinakad.nodes.machine import is_kernel_name
from pinakad.nodes.reading import ParsedNodeFile
from pinakad.problems import Code, Problem, Spot, capped

_MAX_NAMESAKES = 20
_MAX_NAMED = 5
_Claim = tuple[ParsedNodeFile, str]
"""A file that claims an address for its node, and the JSON Pointer of the claim."""
_Claims = Mapping[str, Sequence[_Claim]]


def conflicts(files: Sequence[ParsedNodeFile], asked: AbstractSet[str], *, ssh_port: int) -> Iterator[Problem]:
    """Return the conflicts between `files`, none of which is superseded, in order.

    `ssh_port` is the port of a file that names none: two machines behind one address differ by their ports.
    """
    reported: set[tuple[str, str, str]] = set()
    owners = _owners(files)
    for address, claims in owners.items():
        if len(claims) > 1:
            yield from _shared(address, address, claims, asked, reported)
    logins = _logins(files, ssh_port)
    for (address, port), claims in logins.items():
        if len(claims) > 1:
            yield from _shared(address, f"{address} port {port}", claims, asked, reported)
    yield from _virtual_addresses(files, owners, asked)


def _owners(files: Iterable[ParsedNodeFile]) -> dict[str, list[_Claim]]:
    owners: dict[str, list[_Claim]] = defaultdict(list)
    for file in files:
        for address, path in file.machine.addresses if file.stated else ():
            owners[address].append((file, path))
    return owners


def _logins(files: Iterable[ParsedNodeFile], ssh_port: int) -> dict[tuple[str, int], list[_Claim]]:
    """Return the claims on each (address or name, port) that some `ssh.address` leads to."""
    wanted = {file.machine.login for file in files if file.stated and file.machine.login}
    found: dict[tuple[str, int], list[_Claim]] = defaultdict(list)
    for file in files if wanted else ():
        machine = file.machine
        if file.stated is None:
            continue
        if machine.login:
            found[machine.login, machine.login_port(ssh_port)].append((file, "/ssh/address"))
        own = [*machine.addresses, (file.stated.hostname.lower(), "/hostname")]
        for address, path in own:
            if address in wanted and address != machine.login:
                found[address, machine.own_port(ssh_port)].append((file, path))
    return found


def _shared(
    address: str, shown: str, claims: Sequence[_Claim], asked: AbstractSet[str], reported: set[tuple[str, str, str]]
) -> Iterator[Problem]:
    """Yield one problem for each pair of files and address: each file against the first."""
    first, first_path = claims[0]
    for file, path in claims[1:]:
        if file.name == first.name or not {file.name, first.name} & asked:
            continue
        if (first.name, file.name, address) in reported:
            continue
        reported.add((first.name, file.name, address))
        text = (
            f"{file.hostname} ({file.name}) has the address of {first.hostname} ({first.name}); "
            f"if {first.name} is out of date, remove it"
        )
        place = Spot(file.name, path) if file.name in asked else Spot(first.name, first_path)
        yield place.error(Code.DUPLICATE_ADDRESS, text, shown)


def _virtual_addresses(files: Sequence[ParsedNodeFile], owners: _Claims, asked: AbstractSet[str]) -> Iterator[Problem]:
    """Yield the problems of virtual addresses: they move between machines, so polling one could reach another node."""
    vips: dict[str, list[ParsedNodeFile]] = defaultdict(list)
    for file in files:
        if file.stated and file.stated.server_vip and ip_value(file.stated.server_vip) is not None:
            vips[address_key(file.stated.server_vip)].append(file)
    polled: dict[str, list[_Claim]] = defaultdict(list)
    for file in files if vips else ():
        if file.stated and file.machine.login in vips:
            polled[file.machine.login].append((file, "/ssh/address"))
    for vip, naming in vips.items():
        holders = [*owners.get(vip, ()), *polled.get(vip, ())]
        if holders:
            yield from _held(vip, naming, holders, asked)
    yield from _different(vips, asked)


def _held(vip: str, naming: list[ParsedNodeFile], holders: list[_Claim], asked: AbstractSet[str]) -> Iterator[Problem]:
    asked_holder = next((claim for claim in holders if claim[0].name in asked), None)
    for file in naming:
        owner, path = holders[0] if file.name in asked else asked_holder or (None, "")
        if owner is None:
            continue
        text = f"the virtual address must not be a node's own, but {owner.hostname} ({owner.name}) has it"
        place = Spot(file.name).at("server_vip") if file.name in asked else Spot(owner.name, path)
        yield place.error(Code.VIP_IS_NODE_ADDRESS, text, vip)


def _different(vips: Mapping[str, list[ParsedNodeFile]], asked: AbstractSet[str]) -> Iterator[Problem]:
    (usual, *others), *_ = [sorted(vips, key=lambda vip: -len(vips[vip]))] if vips else [[""]]
    for vip in others:
        file = next((file for file in vips[vip] if file.name in asked), None)
        file = file or next((file for file in vips[usual] if file.name in asked), None)
        if file is not None:
            where = f"{vip} in {vips[vip][0].name}, {usual} in {vips[usual][0].name}"
            text = f"the files have different virtual addresses: {where}"
            yield Spot(file.name).at("server_vip").warning(Code.DIFFERENT_VIPS, text, vip)


def namesakes(group: Sequence[ParsedNodeFile], asked: AbstractSet[str] | None, *, ssh_port: int) -> list[Problem]:
    """Return the problems of files with one host name, in order: does the last file describe the others' machine?

    It does where a chain of shared addresses or disks connects them. A file without addresses and disks is not judged.
    """
    *older, latest = group
    marks = {file.name: file.machine.marks(ssh_port) for file in group}
    names = {file.name: {f"disk {disk}" for disk in file.machine.disks} for file in group}
    if not marks[latest.name] | names[latest.name]:
        return []
    same = _connected(latest.name, marks)
    alike = _connected(latest.name, {name: marks[name] | names[name] for name in marks})
    problems = []
    for file in older:
        known = bool(marks[file.name] | names[file.name])
        reported = asked is None or {file.name, latest.name} & asked
        if known and reported and file.name not in same:
            place = Spot(latest.name if asked is None or latest.name in asked else file.name).at("hostname")
            problems.append(_namesake(place, file, latest, alike=file.name in alike))
    return capped(problems, Spot(latest.name), _MAX_NAMESAKES)


def _namesake(place: Spot, file: ParsedNodeFile, latest: ParsedNodeFile, *, alike: bool) -> Problem:
    remedy = (
        f"if {file.name} is out of date: `pinakactl retire {file.name}`, "
        f"else {latest.name} needs a host name of its own"
    )
    who = f"{latest.name} has the host name of {file.name}"
    if alike:
        common = sorted(disk for disk in file.machine.disks if is_kernel_name(disk))[:_MAX_NAMED]
        text = f"{who} and none of its addresses; disks such as {', '.join(common)} are in most machines: {remedy}"
        return place.warning(Code.HOSTNAME_REUSED, text, latest.hostname)
    text = f"{who}, but no address and no disk in common with it, so these are two machines: {remedy}"
    return place.error(Code.HOSTNAME_REUSED, text, latest.hostname)


def _connected(start: str, marks: Mapping[str, Iterable[str]]) -> set[str]:
    """Return the files that a chain of shared marks connects with `start`, `start` included."""
    holders: dict[str, list[str]] = defaultdict(list)
    for name, own in marks.items():
        for mark in own:
            holders[mark].append(name)
    found, waiting = {start}, [start]
    while waiting:
        for mark in marks[waiting.pop()]:
            new = [name for name in holders.pop(mark, ()) if name not in found]
            found.update(new)
            waiting += new
    return found
