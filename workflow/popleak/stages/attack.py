"""Stage `attack`: one attack on the victims of some games, under every defence and with each knowledge.

For each pool split the attack learns from that split's shadows and judges that split's victims. The question
(`popleak.questions`) decides what is asked, and the access (`popleak.threat.access`) what is seen. The loop is
`popleak.threat.play`.
"""

from __future__ import annotations

from pathlib import Path

from ..steps.attack import AttackStep
from ..threat import play
from ..threat.seen import Files


def run(*, settings: AttackStep, files: Files, output: Path, step: str, code: str) -> None:
    """Write one row for each trial. Raises PopleakError if the attack cannot be mounted on the models."""
    play.run(settings=settings, files=files, output=output, step=step, code=code)
