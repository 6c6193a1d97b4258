"""What is the answer to a question whether a login at an address works?"""

import time
from typing import Literal

from pinakad.markers.reach import ReachRequest
from pinakad.polling.vocabulary import AttemptResult
from pinakad.report.reach import ReachAnswer
from pinakad.times import rfc3339


def answer_to(request: ReachRequest, found: AttemptResult) -> ReachAnswer:
    """Return the answer that says what an attempt found."""
    return ReachAnswer(
        address=_address(request),
        asked_at=rfc3339(request.asked_wall_s),
        answered_at=rfc3339(time.time()),
        reached=found.reason is None,
        rung=found.rung,
        reason=found.reason,
        message=found.message,
        hostname=found.hostname,
        boot_id=found.boot_id,
        uptime_s=found.uptime_s,
        host_key=found.host_key,
    )


def refusal_of(request: ReachRequest, refused: Literal["outside", "invalid", "too_many"], message: str) -> ReachAnswer:
    """Return the answer that says why no attempt was made."""
    asked_at, answered_at = rfc3339(request.asked_wall_s), rfc3339(time.time())
    return ReachAnswer(
        address=_address(request), asked_at=asked_at, answered_at=answered_at, refused=refused, message=message
    )


def _address(request: ReachRequest) -> str:
    return request.document.address if request.document else ""
