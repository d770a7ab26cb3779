"""What the backend takes in."""

from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.api.protocol import Message, Request, encode
from backend.service.inbox import Inbox

KINDS = get_args(Request)


@pytest.mark.parametrize("kind", KINDS, ids=[kind.__name__ for kind in KINDS])
def test_every_kind_of_request_that_can_be_sent_comes_to_its_turn(kind: type) -> None:
    @settings(max_examples=3, deadline=None)
    @given(st.from_type(kind))
    def taken(drawn: Request) -> None:
        request = replace(drawn, job="one")  # no job has an empty name: the client gives each its own
        said: list[Message] = []
        inbox = Inbox(said.append, patience=1.0)
        inbox.take(encode(request))
        assert said == []
        assert next(inbox.requests()) == request

    taken()
