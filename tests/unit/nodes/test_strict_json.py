import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pinakad.nodes.strict_json import MAX_BYTES, MAX_DEPTH, JsonError, parse

CODES = {"not_utf8", "not_json", "duplicate_key", "too_deep", "bad_number", "bad_text", "too_large"}
NUMBERS = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def nested(levels: int, inside: str = "") -> str:
    return "[" * levels + inside + "]" * levels


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "not_json"),
        (b" \n", "not_json"),
        (b'{"a": 1', "not_json"),
        (b'{"a": 1} {}', "not_json"),
        (b"{'a': 1}", "not_json"),
        (b'"a\nb"', "not_json"),
        (b"\xef\xbb\xbf\xef\xbb\xbf{}", "not_json"),
        (b'"\xff"', "not_utf8"),
        (b'"\xed\xa0\x80"', "not_utf8"),
        ("{}".encode("utf-16"), "not_utf8"),
        (b'{"a": 1, "a": 1}', "duplicate_key"),
        (b'{"a": 1, "\\u0061": 2}', "duplicate_key"),
        (b'[{"x": {"b": 1, "b": 2}}]', "duplicate_key"),
        (b'["\\ud800"]', "bad_text"),
        (b'["\\udfff tail"]', "bad_text"),
        (b'{"\\ud83d": 1}', "bad_text"),
        (b"NaN", "bad_number"),
        (b"[-Infinity]", "bad_number"),
        (b"1e400", "bad_number"),
        (b"18446744073709551616", "bad_number"),
        (b"-9223372036854775809", "bad_number"),
        (b"9" * 5000, "bad_number"),
        (nested(MAX_DEPTH + 1).encode(), "too_deep"),
        (nested(100_000).encode(), "too_deep"),
        (b'{"a":' * 70 + b"1" + b"}" * 70, "too_deep"),
        (b'"' + b"a" * MAX_BYTES + b'"', "too_large"),
    ],
)
def test_text_that_readers_could_take_differently_is_refused_with_its_code(raw: bytes, code: str) -> None:
    with pytest.raises(JsonError) as caught:
        parse(raw)
    assert caught.value.code == code
    assert str(caught.value)


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b"\xef\xbb\xbf{}", {}),
        (b'"\\ud83d\\ude00"', "\U0001f600"),
        (b'"\\\\ud800"', "\\ud800"),
        (b"18446744073709551615", 2**64 - 1),
        (b"-9223372036854775808", -(2**63)),
        (b"1e300", 1e300),
        (b'"' + b"a" * (MAX_BYTES - 2) + b'"', "a" * (MAX_BYTES - 2)),
    ],
)
def test_what_means_one_thing_only_is_read(raw: bytes, value: object) -> None:
    assert parse(raw) == value


@pytest.mark.parametrize("beside", ["", "[],", '"\\ud83d\\ude00",'])
def test_the_depth_limit_is_the_same_whatever_stands_beside(beside: str) -> None:
    parse(f"[{beside}{nested(MAX_DEPTH - 1, '1')}]".encode())
    with pytest.raises(JsonError) as caught:
        parse(f"[{beside}{nested(MAX_DEPTH, '1')}]".encode())
    assert caught.value.code == "too_deep"


@given(VALUES)
def test_what_json_writes_comes_back(value: object) -> None:
    assert parse(json.dumps(value).encode()) == value
    assert parse(json.dumps(value, ensure_ascii=False, indent=1).encode()) == value


@given(st.binary(max_size=200) | st.text(alphabet='{}[]":,\\ud8019.e-+ntr \n', max_size=60).map(str.encode))
def test_any_bytes_are_json_or_a_documented_error(raw: bytes) -> None:
    try:
        value = parse(raw)
        problem = None
    except JsonError as error:
        value, problem = None, error.code
    assert problem in CODES or value == json.loads(raw.decode("utf-8-sig"))


@given(st.text(alphabet=st.characters(categories=["Cs", "Ll"]), max_size=5))
def test_no_text_with_a_lone_surrogate_passes_and_every_other_does(text: str) -> None:
    raw = json.dumps([text]).encode()
    try:
        whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le")  # two halves that meet are one character
    except UnicodeDecodeError:
        with pytest.raises(JsonError):
            parse(raw)
    else:
        assert parse(raw) == [whole]
