"""One file per paper: which adapters, which stages, which losses, what is kept."""

from collections.abc import Callable
from typing import Any

from backend.api.settings import CustomizeAVideo
from backend.methods import customize_a_video
from backend.methods.base import Method

METHODS: dict[type, Callable[[Any], Method]] = {CustomizeAVideo: customize_a_video.TemporalLora}
