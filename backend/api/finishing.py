"""What is done to a clip after a base has made it. The work is in media/finishing.py and tasks/finish.py."""

from typing import Literal

from .values import described, limited, value

Between = Literal["repeat", "interpolate"]
Enlarge = Literal["1x", "2x", "4x"]
BETWEEN: Between = "interpolate"  # measured (docs/log.md): 10 dB nearer to what happens than held frames


@value
class Finish:
    """In this order: larger, once more through a base where one is named, frames between the frames."""

    between: Between = described(
        BETWEEN, "Where the rate is not the base's: hold each frame, or make those between by optical flow"
    )
    enlarge: Enlarge = described("1x", "Width and height times this, by Lanczos resampling")
    base: str = described("", "A base that goes over the enlarged clip once more; none when empty")
    strength: float = limited(0.6, 0.0, 1.0, "How far that base may change the clip: 0 is not at all")

    @property
    def factor(self) -> int:
        return int(self.enlarge.removesuffix("x"))
