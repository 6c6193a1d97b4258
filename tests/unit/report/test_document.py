import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from report_example import LAUNCH_S, finished_report, new_report

from pinakad.polling.node_poll import NodePoll
from pinakad.polling.vocabulary import NodeReason, NodeState, Rung
from pinakad.report.document import Report
from pinakad.report.node import counts_of
from pinakad.times import rfc3339, timestamp, wall_s


@pytest.mark.parametrize("report", [new_report(), finished_report()], ids=["new", "finished"])
def test_what_is_written_comes_back(report: Report) -> None:
    text = report.json_text()
    assert Report.model_validate_json(text) == report
    assert text.isascii()
    assert text.endswith(b"}\n")


def test_the_document_has_the_names_that_other_programs_read() -> None:
    document = json.loads(finished_report().json_text())
    assert " ".join(document) == (
        "schema id host version request phase outcome reason message requested_at started_at polling_at finished_at "
        "policy clock script counts nodes superseded problems"
    )
    assert " ".join(document["request"]) == "id inode mtime_ns size sha256 nodes"
    assert " ".join(document["counts"]) == "total up waiting failed"
    assert " ".join(document["nodes"][0]) == (
        "file sha256 number hostname address address_source port user fingerprints current this_host state attempts "
        "rung last_rung reason reasons first_attempt_at last_attempt_at up_at host_key boot_id_before boot_id_after "
        "rebooted reboot_evidence reported_hostname stable_count message"
    )
    assert " ".join(document["superseded"][0]) == "file hostname by"
    assert " ".join(document["problems"][0]) == "file path value severity code message"
    script = (
        "path sha256 work_dir runner adopted pid start_ticks supervisor_pid supervisor_start_ticks state exit_code "
        "signal started_at finished_at log"
    )
    assert " ".join(document["script"]) == script


def test_readers_accept_fields_that_they_do_not_know() -> None:
    document = json.loads(finished_report().json_text())
    document["nodes"][0]["of_a_later_version"] = document["of_a_later_version"] = {"deep": [1]}
    assert Report.model_validate_json(json.dumps(document)) == finished_report()


@pytest.mark.parametrize(
    "change",
    [
        {"schema": 2},
        {"schema": "1"},
        {"phase": "dancing"},
        {"id": "20261123T212455Z.1"},
        {"started_at": "2026-06-31T00:00:00.000Z"},
        {"started_at": "2026-06-30T24:00:61.000Z"},
        {"started_at": "\u0662026-06-30T00:00:00.000Z"},
        {"started_at": "2026-06-30T00:00:00Z"},
    ],
)
def test_a_document_that_is_not_ours_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Report.model_validate_json(json.dumps(json.loads(new_report().json_text()) | change))


def test_a_node_goes_through_the_report_and_back_as_it_stood_but_nobody_stays_confirmed() -> None:
    poll = NodePoll(
        state=NodeState.UP,
        confirmed=True,
        attempts=3,
        rung=Rung.STABLE,
        reasons={NodeReason.REFUSED: 2},
        first_attempt_wall_s=LAUNCH_S,
        up_wall_s=LAUNCH_S + 0.25,
        boot_id="b",
        stable_count=2,
    )
    node = finished_report().nodes[0].with_poll(poll)
    back = type(node).model_validate_json(node.model_dump_json()).poll()
    assert (back.confirmed, back.stalled, back.paused_until_s) == (False, False, 0.0)
    assert back.first_attempt_wall_s == LAUNCH_S
    assert (back.state, back.attempts, back.reasons, back.boot_id) == (poll.state, 3, poll.reasons, "b")
    assert node.with_poll(back) == node


def test_counts_add_up() -> None:
    node = finished_report().nodes[0]
    nodes = [node.model_copy(update={"state": state}) for state in (NodeState.UP, NodeState.FAILED, NodeState.UP)]
    assert counts_of(nodes).model_dump() == {"total": 3, "up": 2, "waiting": 0, "failed": 1}
    assert counts_of([]).total == 0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_795_469_095.1239, "2026-11-23T21:24:55.123Z"),
        (951_782_400, "2000-02-29T00:00:00.000Z"),
    ],
)
def test_times_are_rfc_3339_in_utc_with_milliseconds(seconds: float, text: str) -> None:
    assert rfc3339(seconds) == text
    assert timestamp(None) is None
    assert wall_s(None) is None


@given(st.floats(0, 4e9))
def test_a_time_comes_back_to_the_millisecond(seconds: float) -> None:
    assert wall_s(rfc3339(seconds)) == pytest.approx(seconds, abs=0.0011)
