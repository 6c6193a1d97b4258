from pathlib import Path

import pytest
from paramiko import ECDSAKey, PKey

from pinakad.config import SshSettings
from pinakad.login.key_file import SshKeyError
from pinakad.login.keys import load_key
from pinakad.polling.vocabulary import HostKey, NodeReason
from pinakad.ssh.host_keys import HostKeys, name_for
from pinakad.ssh.prober import open_host_keys

ONE, OTHER, THIRD = (ECDSAKey.generate(bits=bits) for bits in (256, 256, 384))


def keys(tmp_path: Path, policy: str, known_hosts: Path | None = None) -> HostKeys:
    return HostKeys(tmp_path / "pinned", policy, known_hosts)


def shown(key: PKey) -> tuple[str, str]:
    return key.get_name(), key.get_base64()


def line(name: str, key: PKey) -> str:
    return f"{name} {key.get_name()} {key.get_base64()}\n"


def test_the_name_has_the_port_where_it_is_not_the_usual_one() -> None:
    assert name_for("192.0.2.1", 22) == "192.0.2.1"
    assert name_for("192.0.2.1", 2222) == "[192.0.2.1]:2222"
    assert name_for("2001:db8::1", 2222) == "[2001:db8::1]:2222"


@pytest.mark.parametrize(
    ("policy", "changed"), [("replace", HostKey.CHANGED), ("accept-new", NodeReason.HOST_KEY_CHANGED)]
)
@pytest.mark.parametrize("other", [OTHER, THIRD])
def test_a_pinned_key_is_known_and_another_is_accepted_or_refused(
    tmp_path: Path, policy: str, changed: object, other: PKey
) -> None:
    found = keys(tmp_path, policy)
    assert found.check("n", shown(ONE)) is HostKey.NEW
    assert found.check("n", shown(ONE)) is HostKey.NEW  # to look pins nothing
    found.pin("n", shown(ONE))
    assert found.check("n", shown(ONE)) is HostKey.SAME
    assert found.check("m", shown(ONE)) is HostKey.NEW
    assert found.check("n", shown(other)) == changed
    assert found.preferred("n") == [ONE.get_name()]
    assert found.preferred("m") == []


def test_what_was_pinned_outlives_the_daemon(tmp_path: Path) -> None:
    found = keys(tmp_path, "replace")
    found.pin("[192.0.2.1]:2222", shown(ONE))
    found.pin("n", shown(OTHER))
    found.pin("n", shown(THIRD))
    found.save()
    again = keys(tmp_path, "accept-new")
    assert again.check("[192.0.2.1]:2222", shown(ONE)) is HostKey.SAME
    assert again.check("n", shown(THIRD)) is HostKey.SAME
    assert (tmp_path / "pinned").read_text() == line("[192.0.2.1]:2222", ONE) + line("n", THIRD)


def test_nothing_new_is_not_written(tmp_path: Path) -> None:
    found = keys(tmp_path, "replace")
    found.save()
    found.pin("n", shown(ONE))
    found.save()
    (tmp_path / "pinned").unlink()
    found.pin("n", shown(ONE))
    found.save()
    assert list(tmp_path.iterdir()) == []


def test_what_could_not_be_written_is_written_the_next_time(tmp_path: Path) -> None:
    found = HostKeys(tmp_path / "folder" / "pinned", "replace", None)
    found.pin("n", shown(ONE))
    with pytest.raises(FileNotFoundError):
        found.save()
    (tmp_path / "folder").mkdir()
    found.save()
    assert (tmp_path / "folder" / "pinned").read_text() == line("n", ONE)


def test_broken_lines_count_as_unknown_and_are_told_with_their_number(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "pinned").write_bytes(b"\xff\n" + b"a b\n" + line("n", ONE).encode())
    found = keys(tmp_path, "accept-new")
    assert found.check("n", shown(ONE)) is HostKey.SAME
    assert "cannot read 2 lines" in caplog.text


def test_strict_trusts_the_operators_file_alone(tmp_path: Path) -> None:
    (tmp_path / "known_hosts").write_text("# the operator's\n" + line("n,[m]:2222", ONE))
    (tmp_path / "pinned").write_text(line("n", OTHER))
    found = keys(tmp_path, "strict", tmp_path / "known_hosts")
    assert found.check("n", shown(ONE)) is HostKey.SAME
    assert found.check("[m]:2222", shown(ONE)) is HostKey.SAME
    assert found.check("n", shown(OTHER)) is NodeReason.HOST_KEY_CHANGED
    assert found.check("n", shown(THIRD)) is NodeReason.HOST_KEY_CHANGED
    assert found.check("x", shown(ONE)) is NodeReason.HOST_KEY_UNKNOWN
    assert found.preferred("n") == [ONE.get_name()]
    found.pin("x", shown(ONE))
    found.save()
    assert found.check("x", shown(ONE)) is NodeReason.HOST_KEY_UNKNOWN
    assert (tmp_path / "pinned").read_text() == line("n", OTHER)


def test_off_asks_nothing_and_remembers_nothing(tmp_path: Path) -> None:
    found = keys(tmp_path, "off")
    found.pin("n", shown(ONE))
    found.save()
    assert found.check("n", shown(OTHER)) is None
    assert list(tmp_path.iterdir()) == []


def test_an_operators_file_that_cannot_be_read_is_an_error_with_its_cause(tmp_path: Path) -> None:
    settings = SshSettings(host_keys="strict", known_hosts=tmp_path / "nowhere")
    with pytest.raises(SshKeyError, match="no such file or directory"):
        open_host_keys(tmp_path / "pinned", settings)


@pytest.mark.parametrize(
    ("text", "message"),
    [(None, "no such file"), ("", "not a private key"), ("rubbish", "not a private key"), ("\0", "not a private key")],
)
def test_a_private_key_that_cannot_be_used_is_an_error_with_its_cause(
    tmp_path: Path, text: str | None, message: str
) -> None:
    path = tmp_path / "key.pem"
    if text is not None:
        path.write_text(text)
    with pytest.raises(SshKeyError, match=message):
        load_key(path)
    (tmp_path / "folder").mkdir()
    with pytest.raises(SshKeyError, match="cannot"):
        load_key(tmp_path / "folder")
