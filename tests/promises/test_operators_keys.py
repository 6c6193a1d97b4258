"""What an operator may get wrong about keys: it is said before the launch, with file and line, and nothing hangs."""

import hashlib
import os
import subprocess
import time
from base64 import b64decode, b64encode
from pathlib import Path

import pytest
from machines import Machines
from paramiko import ECDSAKey, PKey, RSAKey
from pinakactl import Operator
from site_folders import write_key
from world import World

from pinakad.login.key_file import SshKeyError
from pinakad.login.keys import load_key
from pinakad.polling.vocabulary import HostKey, NodeReason
from pinakad.ssh.host_keys import HostKeys
from pinakad.ssh.known_hosts import KnownHosts, parse_known_hosts

ONE, OTHER, THIRD = (ECDSAKey.generate(bits=bits) for bits in (256, 256, 384))
SAME, CHANGED, UNKNOWN = HostKey.SAME, NodeReason.HOST_KEY_CHANGED, NodeReason.HOST_KEY_UNKNOWN


def line(name: str, key: PKey) -> str:
    return f"{name} {key.get_name()} {key.get_base64()}\n"


def shown(key: PKey) -> tuple[str, str]:
    return key.get_name(), key.get_base64()


def strict(folder: Path, text: str) -> HostKeys:
    (folder / "known_hosts").write_text(text, encoding="utf-8")
    return HostKeys(folder / "pinned", "strict", folder / "known_hosts")


CASES = {
    "one of two keys of a type": (line("n", OTHER) + line("n", ONE), "n", SAME),
    "the other of two keys of a type": (line("n", ONE) + line("n", OTHER), "n", SAME),
    "a key that is revoked": (line("n", ONE) + "@revoked " + line("*", ONE), "n", CHANGED),
    "a key that is revoked first": ("@revoked " + line("n", ONE) + line("n", ONE), "n", CHANGED),
    "a key beside one that is revoked": ("@revoked " + line("*", OTHER) + line("n", ONE), "n", SAME),
    "a key that is revoked elsewhere": ("@revoked " + line("m", ONE) + line("n", ONE), "n", SAME),
    "a wildcard": (line("10.0.?.*", ONE), "10.0.1.25", SAME),
    "a wildcard that does not match": (line("10.0.?.*", ONE), "10.0.11.2", UNKNOWN),
    "a negation": (line("10.*,!10.0.0.7", ONE), "10.0.0.7", UNKNOWN),
    "a negation first": (line("!10.0.0.7,10.*", ONE), "10.0.0.7", UNKNOWN),
    "a negation of another": (line("10.*,!10.0.0.7", ONE), "10.0.0.8", SAME),
    "brackets": (line("[10.0.0.7]:2222", ONE), "[10.0.0.7]:2222", SAME),
    "brackets and a wildcard": (line("[10.0.0.*]:2222", ONE), "[10.0.0.7]:2222", SAME),
    "another port": (line("[10.0.0.7]:2222", ONE), "10.0.0.7", UNKNOWN),
    "letters of either case": (line("Node-7.Example", ONE), "node-7.example", SAME),
    "a pattern and an exact name with another key": (line("*", OTHER) + line("n", ONE), "n", SAME),
    "a CA and nothing else": ("@cert-authority " + line("*", ONE), "n", UNKNOWN),
    "a CA beside the key": ("@cert-authority " + line("*", OTHER) + line("n", ONE), "n", SAME),
    "a key of another type": (line("n", THIRD), "n", CHANGED),
    "comments, empty lines, a BOM, Windows": ("\ufeff# x\r\n\r\n  \n" + line("n", ONE).strip() + " me\r\n", "n", SAME),
}


@pytest.mark.parametrize(("text", "name", "expected"), CASES.values(), ids=CASES)
def test_known_hosts_means_what_it_means_to_ssh(tmp_path: Path, text: str, name: str, expected: object) -> None:
    assert strict(tmp_path, text).check(name, shown(ONE)) == expected


@pytest.mark.parametrize("name", ["10.0.0.7", "[10.0.0.7]:2222"])
def test_hashed_names_are_found_as_ssh_keygen_hashes_them(tmp_path: Path, name: str) -> None:
    file = tmp_path / "hashed"
    file.write_text(line(name, ONE) + line("other", OTHER), encoding="utf-8")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", file], check=True, capture_output=True)
    text = file.read_text(encoding="utf-8")
    assert name not in text
    assert strict(tmp_path, text).check(name, shown(ONE)) is SAME
    assert strict(tmp_path, text).check(name, shown(OTHER)) is CHANGED


BROKEN = {
    "nobody": "not of the form",
    "n ssh-rsa": "not of the form",
    "n ecdsa-sha2-nistp256 AAAA!": "not base64",
    f"n ssh-rsa {ONE.get_base64()}": "not of type 'ssh-rsa'",
    f"@revocked {line('n', ONE)}": "unknown marker",
    "@revoked": "not of the form",
    f"|1|x|y {ONE.get_name()} {ONE.get_base64()}": "hashed name",
    "\0": "not of the form",
}


@pytest.mark.parametrize(("text", "cause"), BROKEN.items())
def test_a_broken_line_is_named_with_its_file_and_number(tmp_path: Path, text: str, cause: str) -> None:
    with pytest.raises(SshKeyError, match=rf"known_hosts.*: line 2: .*{cause}"):
        strict(tmp_path, line("n", ONE) + text)


def many(shape: str) -> bytes:
    blob = ONE.get_base64()
    return "".join(f"{shape.format(number)} {ONE.get_name()} {blob}\n" for number in range(100_000)).encode()


@pytest.mark.parametrize(("shape", "limit_s"), [("10.0.0.{}", 0.05), ("10.{}.*", 1.0), ("@revoked n{}", 1.0)])
def test_a_hundred_thousand_lines_take_a_second_to_read_and_no_second_to_ask(shape: str, limit_s: float) -> None:
    began_s = time.process_time()
    hosts: KnownHosts = parse_known_hosts(many(shape))
    assert time.process_time() - began_s < 5
    began_s = time.process_time()
    hosts.answer("10.99.1.1", (ONE.get_name(), ONE.asbytes()))
    assert time.process_time() - began_s < limit_s


# --- the private key


def keygen(path: Path, *options: str) -> Path:
    subprocess.run(["ssh-keygen", "-q", "-N", "", "-f", path, *options], check=True, capture_output=True)
    return path


@pytest.mark.parametrize("kind", ["rsa", "ecdsa", "ed25519"])
@pytest.mark.parametrize("form", ["RFC4716", "PEM", "PKCS8"])
def test_every_form_that_ssh_keygen_writes_is_a_key(tmp_path: Path, kind: str, form: str) -> None:
    path = keygen(tmp_path / "key", "-t", kind, "-m", form)
    assert load_key(path).get_base64() == (tmp_path / "key.pub").read_text(encoding="utf-8").split()[1]


@pytest.mark.parametrize("bits", ["256", "384", "521"])
def test_a_key_in_pkcs8_of_other_programs_is_a_key_too(tmp_path: Path, bits: str) -> None:
    path = keygen(tmp_path / "key", "-t", "ecdsa", "-b", bits)
    public = load_key(path).get_base64()
    subprocess.run(["ssh-keygen", "-q", "-p", "-N", "", "-m", "PKCS8", "-f", path], check=True, capture_output=True)
    assert b"BEGIN PRIVATE KEY" in path.read_bytes()
    assert load_key(path).get_base64() == public


@pytest.mark.parametrize("form", ["RFC4716", "PEM", "PKCS8"])
def test_line_ends_of_windows_a_bom_and_text_before_it_do_no_harm(tmp_path: Path, form: str) -> None:
    path = keygen(tmp_path / "key", "-t", "rsa", "-b", "2048", "-m", form)
    public = load_key(path).get_base64()
    raw = path.read_bytes()
    text = b"Bag Attributes\n  x: y\n\n"
    for changed in (raw.replace(b"\n", b"\r\n"), b"\xef\xbb\xbf" + raw, text + raw, raw + b"\n\n"):
        path.write_bytes(changed)
        assert load_key(path).get_base64() == public


@pytest.mark.parametrize("form", ["RFC4716", "PEM", "PKCS8"])
def test_a_key_with_a_passphrase_is_named_as_that(tmp_path: Path, form: str) -> None:
    path = tmp_path / "key"
    command = ["ssh-keygen", "-q", "-N", "secret", "-f", path, "-t", "rsa", "-m", form]
    subprocess.run(command, check=True, capture_output=True)
    with pytest.raises(SshKeyError, match="needs a passphrase"):
        load_key(path)


def test_a_certificate_beside_the_key_is_used(tmp_path: Path) -> None:
    authority = keygen(tmp_path / "authority", "-t", "ed25519")
    path = keygen(tmp_path / "key", "-t", "ed25519")
    sign = ["ssh-keygen", "-q", "-s", authority, "-I", "me", "-n", "root", f"{path}.pub"]
    subprocess.run(sign, check=True, capture_output=True)
    blob = load_key(path).public_blob
    assert blob is not None
    assert blob.key_type == "ssh-ed25519-cert-v01@openssh.com"
    (tmp_path / "key-cert.pub").write_text("rubbish", encoding="utf-8")
    with pytest.raises(SshKeyError, match="certificate"):
        load_key(path)


def odd_files(folder: Path) -> dict[str, Path]:
    os.mkfifo(folder / "fifo")
    (folder / "folder").mkdir()
    (folder / "huge").write_bytes(b"x" * (1 << 17))
    (folder / "loop").symlink_to(folder / "loop")
    (folder / "torn").write_bytes(keygen(folder / "whole", "-t", "ed25519").read_bytes()[:200])
    (folder / "public").write_bytes((folder / "whole.pub").read_bytes())
    return {name: folder / name for name in ("fifo", "folder", "huge", "loop", "torn", "public")} | {
        "device": Path("/dev/zero"),
        "terminal": Path("/dev/tty"),
        "process": Path("/proc/self/mem"),
        "null": Path("/dev/null"),
    }


ODD = ("fifo", "folder", "huge", "loop", "torn", "public", "device", "terminal", "process", "null")


@pytest.mark.parametrize("name", ODD)
@pytest.mark.timeout(20)
def test_what_is_no_key_file_is_an_error_at_once(tmp_path: Path, name: str) -> None:
    path = odd_files(tmp_path)[name]
    with pytest.raises(SshKeyError, match=f"cannot .*'{path}'"):
        load_key(path)
    if name not in {"torn", "public"}:
        with pytest.raises(SshKeyError, match=f"cannot .*'{path}'"):
            strict_of(tmp_path, path)


def strict_of(folder: Path, path: Path) -> HostKeys:
    return HostKeys(folder / "pinned", "strict", path)


# --- in the daemon


def test_a_fifo_for_a_key_is_answered_before_the_launch_and_named_by_doctor(world: World, operator: Operator) -> None:
    world.add_node(1)
    world.key.unlink()
    os.mkfifo(world.key)
    world.start()
    report = world.serve()
    assert (report.reason, world.runs()) == ("ssh_key", [])
    assert "not a regular file" in report.message
    told = operator.call("doctor")
    assert f"cannot read the SSH key '{world.key}': not a regular file" in " ".join((told.stdout + told.stderr).split())


@pytest.mark.parametrize("text", BROKEN)
def test_a_broken_known_hosts_is_answered_before_the_launch(world: World, text: str) -> None:
    known = world.root / "known_hosts"
    known.write_text(text, encoding="utf-8")
    world.add_node(1)
    world.configure(ssh={"host_keys": "strict", "known_hosts": str(known)})
    world.start()
    report = world.serve()
    assert (report.reason, world.runs()) == ("ssh_key", [])
    assert f"'{known}': line 1:" in report.message


def test_a_known_hosts_that_breaks_during_the_run_does_no_harm_but_to_attempts_after_a_restart(
    world: World, machines: Machines
) -> None:
    machine = machines.add(1)
    world.add_node(1)
    known = world.root / "known_hosts"
    name = f"[{world.address(1)}]:{machine.port}"
    known.write_text(f"{name} {machine.host_key}\n", encoding="utf-8")
    line_, open_gate = world.gate()
    world.write_script(line_)
    world.configure(ssh={"host_keys": "strict", "known_hosts": str(known)}, poll={"reboot": "ignore", "attempts": 100})
    world.start()
    world.touch()
    world.wait_for_node(1, lambda node: node.state == "up")
    known.write_text("broken\n", encoding="utf-8")
    world.kill()
    world.start()
    open_gate()
    world.wait_for_log("cannot be asked now: cannot use known_hosts")
    known.write_text(f"{name} {machine.host_key}\n", encoding="utf-8")
    assert world.answer().outcome == "completed"


def fingerprint(public_key: str) -> str:
    return "SHA256:" + b64encode(hashlib.sha256(b64decode(public_key.split()[1])).digest()).decode().rstrip("=")


@pytest.mark.parametrize("policy", ["replace", "accept-new", "off"])
def test_a_fingerprint_in_the_node_file_must_match_whatever_the_policy(
    world: World, machines: Machines, tmp_path: Path, policy: str
) -> None:
    machine = machines.add(1)
    right, wrong = fingerprint(machine.host_key), fingerprint(write_key(tmp_path / "another"))
    world.configure(ssh={"host_keys": policy}, poll={"reboot": "ignore", "attempts": 8, "interval_s": 0.3})
    world.add_node(1, ssh={"host_key": wrong})
    world.start()
    report = world.serve()
    assert (report.outcome, report.nodes[0].reason) == ("failed", "host_key_changed")
    assert right in report.nodes[0].message
    world.configure(poll={"attempts": 100})
    world.reload()
    world.add_node(1, ssh={"host_key": [wrong, right]})
    assert world.serve().outcome == "completed"


@pytest.mark.parametrize("value", ["", "SHA256:x", "MD5:aa:bb", 5, [], ["x"], "SHA256:" + "A" * 44])
def test_a_fingerprint_of_another_form_is_a_problem_of_its_file(world: World, value: object) -> None:
    world.add_node(1, ssh={"host_key": value})
    world.start()
    report = world.serve()
    assert report.reason == "invalid_nodes"
    assert [problem.path for problem in report.problems if problem.severity == "error"] == ["/ssh/host_key"]


def test_an_rsa_host_key_is_known_by_its_blob(tmp_path: Path) -> None:
    key = RSAKey.generate(2048)
    assert strict(tmp_path, line("n", key)).check("n", shown(key)) is SAME


@pytest.mark.parametrize("variable", ["STATE_DIRECTORY", "RUNTIME_DIRECTORY"])
@pytest.mark.parametrize("value", ["state", "./state", "../tmp"])
def test_a_folder_that_is_no_absolute_path_is_refused_at_the_start(world: World, variable: str, value: str) -> None:
    world.start(ready=False, **{variable: value})
    world.wait(lambda: world.daemon_code() is not None, "the end of the daemon")
    assert world.daemon_code() == 78
    assert f"cannot use ${variable} = '{Path(value)}': it is not an absolute path" in world.log_text()
