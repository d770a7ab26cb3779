"""One file per paper: which adapters, which stages, which losses, what is kept."""

from collections.abc import Callable
from typing import Any

from backend.api.settings import CustomizeAVideo, MotionDirector, MotionToken, Vmc
from backend.methods import customize_a_video, motion_director, motion_token, vmc
from backend.methods.base import Material, Method

METHODS: dict[type, Callable[[Any, Material], Method]] = {
    CustomizeAVideo: customize_a_video.TemporalLora,
    Vmc: vmc.MotionDistillation,
    MotionDirector: motion_director.DualPath,
    MotionToken: motion_token.RareToken,
}
