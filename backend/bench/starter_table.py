"""The figures of `restage bench starter` as tables: shares of right answers, and goals."""

from typing import Any

from backend.bench.intervals import Mean

# What the starter is to reach: shares of prompts, decibels, and seconds on two cores without a GPU.
SHARES = {"colour": 0.95, "background": 0.95, "subject": 0.85, "count": 0.80, "motion and camera": 0.90}
DECIBELS = {
    "autoencoder_db": ("autoencoder and back, the world's own frames", 30),
    "filmed_db": ("autoencoder and back, Blender's frames", 27),
    "inversion_db": ("inverted and sampled again, against the autoencoder's", 28),
}
SECONDS = {
    "seconds_of_16_frames": ("a clip of 16 frames, with guidance", 12),
    "seconds_to_load": ("loading", 3),
}


def markdown(figures: dict[str, Any]) -> str:
    """What was measured and how, the shares with their floor and ceiling, and the goals."""
    words = "any of its words, in either order" if figures["any_words"] else "its usual words"
    columns = list(figures["shares"]["right"])
    rows = {row: [Mean(**shares[c]).percent() for c in columns] for row, shares in figures["shares"].items()}
    return "\n".join(
        (
            f"{figures['date']}, version {figures['version']}: {figures['prompts']} prompts of the "
            f"vocabulary {figures['vocabulary']!r} in {words}, {figures['steps']} steps, guidance "
            f"{figures['guidance']}; 95 % bootstrap intervals.",
            "",
            *_table(["", *columns], rows),
            "",
            *_table(["", "goal", "measured", "reached"], dict(_goals(figures))),
            "",
            f"A clip of {figures['frames']} frames and {figures['timed_steps']} steps takes "
            f"{figures['seconds_a_clip']} s. The camera is right "
            f"in {_percent(figures['moving_cameras'])} of the prompts that ask for one that moves.",
            "",
        )
    )


def _table(head: list[str], rows: dict[str, list[str]]) -> list[str]:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return lines + [f"| {row} | {' | '.join(cells)} |" for row, cells in rows.items()]


def _percent(mean: dict[str, Any] | None) -> str:
    return Mean(**mean).percent() if mean else "none"


def _goals(figures: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """What each goal is of, and goal, figure and whether it is reached; only of what was measured."""
    right, rows = figures["shares"]["right"], []
    for quality, goal in SHARES.items():
        if quality in right:
            mean = Mean(**right[quality])
            rows.append(
                (f"{quality} right", [f"≥ {100 * goal:.0f} %", mean.percent(), _yes(mean.mean >= goal)])
            )
    for key, (what, least) in DECIBELS.items():
        if figures[key]:
            mean = Mean(**figures[key])
            measured = f"{mean.mean:.1f} dB ({mean.low:.1f} to {mean.high:.1f}), {mean.count}"
            rows.append((what, [f"≥ {least} dB", measured, _yes(mean.mean >= least)]))
    for key, (what, most) in SECONDS.items():
        rows.append((what, [f"≤ {most} s", f"{figures[key]} s", _yes(figures[key] <= most)]))
    return rows


def _yes(reached: bool) -> str:
    return "yes" if reached else "no"
