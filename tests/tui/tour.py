"""One moving picture out of several still ones: screenshots/tour.svg for the README.

An SVG that a style sheet animates needs no player and no script; who asks for less motion
sees the first picture. `python -m tests.tui.tour` after the pictures were drawn.
"""

from __future__ import annotations

import re
from html import escape
from pathlib import Path

TARGET = Path(__file__).parents[2] / "screenshots"
SECONDS = 5
"""How long each picture stays."""
WIDTH, HEIGHT, BAND = 1482, 928.4, 60

STOPS: tuple[tuple[str, str], ...] = (
    ("board", "What runs, what is held and until when, what waits for you"),
    ("explain", "e: why does it not run? What blocks it, each with the key that lifts it"),
    ("dead-letters", "2: what was given up, grouped by its cause"),
    ("retry", "R: brought back, after a forecast of what that will cost"),
    ("runs", "3: every sub-session, with its log, cost and outcome"),
    ("costs", "6: where the money goes"),
    ("doctor", "5: what is wrong with this machine, and the remedy"),
)

_STYLE = """\
.stop {{ visibility: hidden; animation: stop {total}s steps(1) infinite }}
@keyframes stop {{ 0% {{ visibility: visible }} {share:.4f}% {{ visibility: hidden }} }}
@media (prefers-reduced-motion: reduce) {{
  .stop {{ animation: none }} .stop:first-of-type {{ visibility: visible }}
}}
.says {{ font: bold 26px arial, sans-serif; fill: #d3dae3; text-anchor: middle }}"""


def tour(folder: Path = TARGET) -> str:
    """The moving picture, from the still ones in `folder`."""
    total = SECONDS * len(STOPS)
    style = _STYLE.format(total=total, share=100 / len(STOPS))
    stops = "\n".join(
        _stop(number, (folder / f"{name}.svg").read_text(encoding="utf-8"), says)
        for number, (name, says) in enumerate(STOPS)
    )
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT + BAND}" xmlns="http://www.w3.org/2000/svg">\n'
        f'<style>\n{style}\n</style>\n<rect width="100%" height="100%" rx="8" fill="#12161c"/>\n'
        f"{stops}\n</svg>\n"
    )


def _stop(number: int, picture: str, says: str) -> str:
    """One picture above its words. Only the first one keeps the fonts: all share them."""
    if number:
        picture = re.sub(r"@font-face \{.*?\}\s*(?=@font-face|\.)", "", picture, flags=re.DOTALL)
    picture = picture.replace("<svg ", f'<svg width="{WIDTH}" height="{HEIGHT}" ', 1)
    return (
        f'<g class="stop" style="animation-delay: {number * SECONDS}s">\n{picture.strip()}\n'
        f'<text class="says" x="{WIDTH / 2:g}" y="{HEIGHT + BAND * 0.55:g}">{escape(says)}</text>\n'
        "</g>"
    )


if __name__ == "__main__":
    (TARGET / "tour.svg").write_text(tour(), encoding="utf-8")
    print("screenshots/tour.svg")
