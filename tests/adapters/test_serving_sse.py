"""Server-sent events, taken apart as they arrive."""

from __future__ import annotations

import random

import pytest

from llm_integrations.serving.shapes.sse import Event, EventParser, EventTooLarge


def fed(*chunks: bytes) -> list[Event]:
    parser = EventParser(1000)
    events = [event for chunk in chunks for event in parser.feed(chunk)]
    return [*events, *parser.finish()]


def data(*chunks: bytes) -> list[bytes]:
    return [event.data for event in fed(*chunks)]


def test_one_event_of_one_line() -> None:
    assert fed(b"data: x\n\n") == [Event(b"data: x\n\n", b"", b"x")]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_lines_end_in_three_ways(end: bytes) -> None:
    stream = end.join([b"event: a", b"data: 1", b"data: 2", b"", b"data:3", b"", b""])
    events = fed(stream)
    assert [(e.name, e.data) for e in events] == [(b"a", b"1\n2"), (b"", b"3")]


def test_comments_and_other_fields_are_no_data() -> None:
    assert data(b": keep-alive\n\n", b"id: 7\nretry: 1\ndata: x\n\n") == [b"", b"x"]


def test_several_events_in_a_chunk_and_one_event_in_several() -> None:
    assert data(b"data: 1\n\ndata: 2\n\nda", b"ta", b": 3\n", b"\n") == [b"1", b"2", b"3"]


def test_a_line_ending_may_be_cut_in_two() -> None:
    assert data(b"data: 1\r", b"\n\r", b"\ndata: 2\r\n\r\n")[:1] == [b"1"]
    assert [d for d in data(b"data: 1\r", b"\n\r", b"\ndata: 2\r\n\r\n") if d] == [b"1", b"2"]


def test_the_raw_bytes_are_the_stream_whatever_the_chunks() -> None:
    choose = random.Random(7)
    for _ in range(3000):
        stream = b"".join(
            choose.choices([b"data: x", b"\n", b"\r", b"\n\n", b":", b"event: e"], k=20)
        )
        cuts = sorted(choose.choices(range(len(stream) + 1), k=4))
        chunks = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
        events = fed(*chunks)
        assert b"".join(event.raw for event in events) == stream
        assert [e.data for e in events if e.data] == [d for d in data(stream) if d]


def test_an_event_without_end_is_given_up() -> None:
    parser = EventParser(10)
    with pytest.raises(EventTooLarge):
        parser.feed(b"data: " + b"x" * 20)


def test_a_long_event_byte_by_byte_is_not_read_again_and_again() -> None:
    """Quadratic work on this would take minutes."""
    parser = EventParser(10**7)
    for _ in range(300_000):
        parser.feed(b"x")
    assert len(parser.feed(b"\n\n")) == 1
