"""The key table: its rules hold, and help, footer and palette say what it says."""

# ruff: noqa: E501  (tables read best with one row a line)

from __future__ import annotations

import pytest

from maestro_tui.keys import BY_ID, SCREEN_SCOPES, TABLE, bindings, conflicts, footer, shown
from maestro_tui.presentation.help import help_lines
from maestro_tui.presentation.palette import commands, ranked

DANGEROUS = [key for key in TABLE if key.risk != "none"]
CONSOLE_KEYS = {
    "j", "k", "g", "G", "ctrl+d", "ctrl+u", "enter", "l", "d", "y", "/", "n", "N", "space", "V",
    "ctrl+a", "<", ">", "s", "u", "p", "ctrl+r", "escape", "q", "?", ":", "ctrl+p", "e", "-", "tab",
    "1", "2", "3", "4", "5", "6", "R", "D", "C", "O", "T", "P", "E", "X", "ctrl+x", "ctrl+z",
    "pageup", "pagedown", "home", "end", "up", "down",
}  # fmt: skip


def keys_of(scopes: tuple[str, ...]) -> list[str]:
    return [one for key in TABLE if set(scopes) & set(key.scope) for one in key.keys.split(",")]


def test_every_key_of_the_page_is_bound() -> None:
    assert set(keys_of(("app", "list", "board", "dead"))) >= CONSOLE_KEYS


def test_ids_are_unique() -> None:
    assert len(BY_ID) == len(TABLE)


@pytest.mark.parametrize("key", DANGEROUS, ids=lambda key: key.id)
def test_danger_is_upper_case_or_a_chord(key: object) -> None:
    assert all(one.isupper() or one.startswith("ctrl+") for one in key.keys.split(","))


@pytest.mark.parametrize("screen", sorted(SCREEN_SCOPES))
def test_the_lower_case_twin_of_a_dangerous_key_is_unbound_on_a_board(screen: str) -> None:
    bound = keys_of(SCREEN_SCOPES[screen])
    acts = [key for key in DANGEROUS if set(SCREEN_SCOPES[screen]) & set(key.scope)]
    twins = {one.lower() for key in acts for one in key.keys.split(",") if len(one) == 1}
    allowed = {"d", "e", "p"} if screen in ("board", "dead") else set()
    assert twins & set(bound) <= allowed


def test_no_key_means_two_things_on_one_screen() -> None:
    assert conflicts({}) == []


def test_a_remapping_that_takes_another_key_is_named() -> None:
    assert conflicts({"act.retry": "D"}) == ["D is bound to both act.retry and act.discard"]


def test_a_remapping_of_nothing_is_named() -> None:
    assert conflicts({"act.fly": "f"}) == ["no key is called 'act.fly'"]


def test_bindings_carry_ids_so_that_people_can_remap_them() -> None:
    assert all(one.id in BY_ID for one in bindings("app", "list", "board"))


def test_the_chord_shows_both_presses() -> None:
    assert shown(BY_ID["act.emergency_stop"]) == "ctrl+x ctrl+x"


def test_a_remapped_key_shows_as_remapped() -> None:
    assert shown(BY_ID["act.retry"], {"act.retry": "f5"}) == "f5"


@pytest.mark.parametrize("screen", ["board", "dead", "runs", "journal", "doctor", "costs"])
def test_help_names_every_key_of_the_screen(screen: str) -> None:
    text = "\n".join(one.plain for one in help_lines(screen, {}, 100))
    missing = [
        key.id for key in TABLE
        if set(SCREEN_SCOPES[screen]) & set(key.scope) and key.help not in text
    ]  # fmt: skip
    assert missing == []


def test_help_in_two_columns_has_the_same_keys() -> None:
    wide = " ".join(one.plain for one in help_lines("board", {}, 200))
    assert all(key.label in wide for key in TABLE if "board" in key.scope)


def test_the_footer_of_the_board_begins_with_open() -> None:
    assert footer(SCREEN_SCOPES["board"])[0].id == "view.open"


def test_the_palette_shows_the_shell_command_of_an_act() -> None:
    found = {command.title: command for command in commands("board", {})}
    assert found["Enqueue"].shell == "maestro-tui enqueue CADENCE"
    assert found["Enqueue"].key == "E"


@pytest.mark.parametrize(
    ("typed", "first"),
    [("clo", "Close circuit"), ("emerg", "Emergency stop"), ("kill", "Emergency stop, end what runs"),
     ("dlq list", "Dead letters"), ("", "Enqueue")],
)  # fmt: skip
def test_the_palette_finds_by_title_help_and_command(typed: str, first: str) -> None:
    assert ranked(commands("board", {}), typed)[0].title == first


def test_the_palette_finds_nothing_for_nonsense() -> None:
    assert ranked(commands("board", {}), "xyzzy") == []
