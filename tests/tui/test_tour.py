"""The README's moving picture is made of the still ones as they are now."""

from __future__ import annotations

from xml.etree import ElementTree

from tests.tui.tour import STOPS, TARGET, tour


def test_the_tour_shows_the_pictures_of_now() -> None:
    made = (TARGET / "tour.svg").read_text(encoding="utf-8")
    assert made == tour(), "make screenshots"
    stops = ElementTree.fromstring(made).findall("{http://www.w3.org/2000/svg}g")
    assert len(stops) == len(STOPS)
