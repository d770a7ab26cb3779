"""Both ends of the demo: `python -m backend.bench.demo reference FOLDER` and `… report FOLDER`.

The report measures what came out: how closely each result follows the reference's motion, and whether its
subject has the colour that was asked for or the reference's. It states what it finds, good or bad.
"""

import json
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch

from backend.api.library import write_whole
from backend.api.protocol import Clip
from backend.bench.reference import LOOKS, MOTION, write_reference
from backend.media import clips
from backend.media.motion import motion_fidelity
from backend.media.sheets import contact_sheet
from backend.media.subject import find_subject
from backend.starter.judge import judge
from backend.starter.world import BACKGROUNDS, COLOURS

Frames = npt.NDArray[np.uint8]
BASE_RATE = Fraction(8)

PLAN = {
    "base": "starter",
    "quality": "normal",
    "looks": LOOKS,
    "motion": MOTION,
    "variations": ["a blue star over a brown ground", "a yellow heart over a night sky"],
    "edit": "a purple box over a gray wall",
    "follow": 0.5,
    "seed": 0,
}


def main() -> None:
    task, folder = sys.argv[1], Path(sys.argv[2])
    if task == "reference":
        write_reference(folder / "reference.mp4")
        write_whole(folder / "plan.json", json.dumps(PLAN, indent=2).encode())
    else:
        report(folder)


def report(folder: Path) -> None:
    """Write contact_sheet.png, summary.json and summary.md; print the last."""
    done = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    reference = frames_of(folder / "reference.mp4")
    rows, measured = [(f"reference: {LOOKS} {MOTION}", reference)], []
    for job in done["jobs"]:
        if job["kind"] == "learn":
            continue
        frames = frames_of(Path(job["outputs"][0]))
        figures = measure(reference, frames, job["prompt"])
        measured.append({**job, **figures})
        rows.append((f"{job['kind']}: {job['prompt']}   motion {figures['motion_fidelity']:.2f}", frames))
    contact_sheet(rows, folder / "contact_sheet.png")
    summary = {**done, "reference": f"{LOOKS} {MOTION}", "results": measured}
    write_whole(folder / "summary.json", json.dumps(summary, indent=2).encode())
    text = "\n".join(in_words(summary))
    write_whole(folder / "summary.md", text.encode())
    print(text)


def frames_of(path: Path) -> Frames:
    """A clip at the starter's own rate: (F, H, W, 3) RGB.

    A result holds each frame that the base made for several of the scene's; beside a smooth reference those
    steps would count as another rhythm.
    """
    seconds = clips.probe(path).seconds
    return clips.read(Clip(path=str(path)), frames=round(seconds * BASE_RATE), fps=BASE_RATE, size=None)


def measure(reference: Frames, result: Frames, prompt: str) -> dict[str, Any]:
    """Motion fidelity, and distances (RGB, 0 to 441) of the subject's colour to the two it might have."""
    found = subject_colour(result)
    asked = next(255 * np.array(rgb) for name, rgb in COLOURS.items() if name in prompt.split())
    figures: dict[str, Any] = {
        "motion_fidelity": round(motion_fidelity(reference, result), 3),
        "seen": seen(result, prompt),
    }
    if found is None:
        return figures | {"colour_error": None, "colour_from_reference": None, "looks_stayed_away": None}
    own = subject_colour(reference)
    assert own is not None, "the reference's subject moves"
    error, copied = (float(np.linalg.norm(found - other)) for other in (asked, own))
    return figures | {
        "colour_error": round(error),
        "colour_from_reference": round(copied),
        "looks_stayed_away": error < copied,
    }


def seen(frames: Frames, prompt: str) -> str:
    """What the starter's own judge takes the clip for: "blue star over brown ground"."""
    asked = next(name for name in BACKGROUNDS if name in prompt)
    small = np.stack([cv2.resize(frame, (64, 64), interpolation=cv2.INTER_AREA) for frame in frames])
    verdict = judge(torch.from_numpy(small).movedim(-1, 1) / 255, asked, float(BASE_RATE))
    return f"{verdict.colour} {verdict.subject} over {verdict.background}"


def subject_colour(frames: Frames) -> npt.NDArray[np.float64] | None:
    """The median colour of the inner half of the moving subject, over all frames; None when nothing moves."""
    subject = find_subject(frames)
    if not subject.moves:
        return None
    height, width = frames.shape[1:3]
    y, x = np.mgrid[0:height, 0:width]
    pixels = []
    for frame, (across, down), size in zip(frames, subject.centres, subject.sizes, strict=True):
        # A disc of area size² has radius 0.56 size; half of that stays clear of outlines.
        radius = 0.28 * size * np.sqrt(height * width)
        pixels.append(frame[np.hypot(x - across * width, y - down * height) <= radius])
    colour: npt.NDArray[np.float64] = np.median(np.concatenate(pixels), axis=0)
    return colour


def in_words(summary: dict[str, Any]) -> list[str]:
    learned = next(job for job in summary["jobs"] if job["kind"] == "learn")
    lines = [
        f"The motion of '{summary['reference']}' was learned in {learned['seconds']} s with Blender"
        f" {summary['blender']}. {summary['backend']}.",
        "",
        "| result | seen | seconds | motion fidelity | colour error | looks stayed away |",
        "|---|---|---|---|---|---|",
    ]
    for result in summary["results"]:
        away = {True: "yes", False: "no", None: "no subject found"}[result["looks_stayed_away"]]
        error = "–" if result["colour_error"] is None else f"{result['colour_error']} of 441"
        name = f"{result['kind']}: {result['prompt']}"
        fidelity = f"{result['motion_fidelity']:.2f}"
        lines.append(f"| {name} | {result['seen']} | {result['seconds']} | {fidelity} | {error} | {away} |")
    lines += [
        "",
        "Motion fidelity: 1 is the reference's motion, 0 unrelated, −1 opposite. Colour error: RGB distance",
        "of the subject from the colour asked for; the looks stayed away if the reference's red is farther.",
        "Seen: the nearest subject, colour and background of the starter's world.",
    ]
    return lines


if __name__ == "__main__":
    main()
