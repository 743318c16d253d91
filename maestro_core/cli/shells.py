"""Completion scripts of bash (3.2 and later), zsh and fish. Pure: from leaves to text.

All three follow the words on the line to the leaf that they lead to, then offer what that leaf
has. Texts are single-quoted, so nothing in them is ever expanded by a shell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from msgspec import Struct

PROGRAM = "maestro-tui"
NAMES = f"{PROGRAM} completion cadences 2>/dev/null"


class Option(Struct, frozen=True):
    """`takes` None = a flag; otherwise what kind of value: DIR, CADENCE, …"""

    flags: tuple[str, ...]
    says: str
    takes: str | None = None
    choices: tuple[str, ...] = ()


class Leaf(Struct, frozen=True):
    """`path` is the words that lead here; `words` may come next, each with what it says."""

    path: tuple[str, ...]
    options: tuple[Option, ...] = ()
    words: dict[str, str] = {}
    takes: str | None = None

    @property
    def name(self) -> str:
        return " ".join(self.path)


def render(shell: str, leaves: list[Leaf]) -> str:
    """The script for bash, zsh or fish."""
    makers: dict[str, Callable[[list[Leaf]], str]] = {"bash": _bash, "zsh": _zsh, "fish": _fish}
    return makers[shell](leaves)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _one_line(text: str) -> str:
    return " ".join(text.replace("%%", "%").split())


# ---- what bash and zsh share ---------------------------------------------------------------


def _steps(leaves: list[Leaf]) -> Iterable[str]:
    """`where|word)` lines: which word leads from one leaf to the next."""
    known = {leaf.path for leaf in leaves}
    for leaf in leaves:
        for word in leaf.words:
            if (*leaf.path, word) in known:
                target = " ".join((*leaf.path, word))
                yield f"      {_quoted(f'{leaf.name}|{word}')}) where={_quoted(target)} ;;"


def _valued(leaves: list[Leaf]) -> str:
    """A pattern of all options that take a value, so that the value is no word of the path."""
    flags = {flag for leaf in leaves for one in leaf.options if one.takes for flag in one.flags}
    return "|".join(sorted(flags))


def _values(leaves: list[Leaf], line: Callable[[str, Option], str | None]) -> Iterable[str]:
    for leaf in leaves:
        for option in leaf.options:
            for flag in option.flags if option.takes else ():
                if (answer := line(flag, option)) is not None:
                    yield f"    {_quoted(f'{leaf.name}|{flag}')}) {answer} ;;"


# ---- bash ----------------------------------------------------------------------------------


def _bash(leaves: list[Leaf]) -> str:
    return "\n".join([
        f"# Completion of {PROGRAM} for bash.",
        "_maestro_tui() {",
        "  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}",
        "  local where='' words='' skip='' i word",
        "  COMPREPLY=()",
        "  for ((i = 1; i < COMP_CWORD; i++)); do",
        "    word=${COMP_WORDS[i]}",
        "    if [ -n \"$skip\" ]; then skip=''; continue; fi",
        f"    case $word in {_valued(leaves)}) skip=1; continue ;; esac",
        '    case "$where|$word" in',
        *_steps(leaves),
        "    esac",
        "  done",
        '  case "$where|$previous" in',
        *_values(leaves, _bash_value),
        "  esac",
        '  case "$where" in',
        *(f"    {_quoted(leaf.name)}) words={_bash_words(leaf)} ;;" for leaf in leaves),
        "  esac",
        '  COMPREPLY=($(compgen -W "$words" -- "$current"))',
        "}",
        f"complete -F _maestro_tui {PROGRAM}",
        "",
    ])  # fmt: skip


def _bash_value(_flag: str, option: Option) -> str:
    if option.choices:
        words = _quoted(" ".join(option.choices))
        return f'COMPREPLY=($(compgen -W {words} -- "$current")); return'
    if option.takes == "DIR":
        return 'COMPREPLY=($(compgen -d -- "$current")); return'
    if option.takes == "CADENCE":
        return f'COMPREPLY=($(compgen -W "$({NAMES})" -- "$current")); return'
    return "return"


def _bash_words(leaf: Leaf) -> str:
    flags = [flag for option in leaf.options for flag in option.flags]
    plain = _quoted(" ".join([*leaf.words, *flags]))
    return f'{plain}" $({NAMES})"' if leaf.takes == "CADENCE" else plain


# ---- zsh -----------------------------------------------------------------------------------


def _zsh(leaves: list[Leaf]) -> str:
    return "\n".join([
        f"#compdef {PROGRAM}",
        f"# Completion of {PROGRAM} for zsh.",
        "_maestro_tui() {",
        "  local where='' skip='' word previous=${words[CURRENT-1]}",
        "  local -a found",
        "  local -i i",
        "  for ((i = 2; i < CURRENT; i++)); do",
        "    word=${words[i]}",
        "    if [[ -n $skip ]]; then skip=''; continue; fi",
        f"    case $word in ({_valued(leaves)}) skip=1; continue ;; esac",
        '    case "$where|$word" in',
        *_steps(leaves),
        "    esac",
        "  done",
        '  case "$where|$previous" in',
        *_values(leaves, _zsh_value),
        "  esac",
        '  case "$where" in',
        *(f"    {_quoted(leaf.name)}) {_zsh_found(leaf)} ;;" for leaf in leaves),
        "  esac",
        f"  _describe {PROGRAM} found",
        "}",
        'if [[ "${funcstack[1]}" == "_maestro_tui" || "${funcstack[1]}" == "_maestro-tui" ]]; then',
        '  _maestro_tui "$@"',
        "else",
        f"  compdef _maestro_tui {PROGRAM}",
        "fi",
        "",
    ])  # fmt: skip


def _zsh_value(_flag: str, option: Option) -> str:
    if option.choices:
        return f"found=({' '.join(map(_quoted, option.choices))}); _describe value found; return"
    if option.takes == "DIR":
        return "_files -/; return"
    if option.takes == "CADENCE":
        return f'found=("${{(@f)$({NAMES})}}"); _describe cadence found; return'
    return "_files; return" if option.takes == "FILE" else "return"


def _zsh_found(leaf: Leaf) -> str:
    pairs = [*leaf.words.items(), *_flags(leaf)]
    items = [_quoted(_zsh_item(word, says)) for word, says in pairs]
    if leaf.takes == "CADENCE":
        items.append(f'"${{(@f)$({NAMES})}}"')
    return f"found=({' '.join(items)})"


def _zsh_item(word: str, says: str) -> str:
    said = _one_line(says)
    return word.replace(":", "\\:") + (f":{said}" if said else "")


def _flags(leaf: Leaf) -> Iterable[tuple[str, str]]:
    return [(flag, option.says) for option in leaf.options for flag in option.flags]


# ---- fish ----------------------------------------------------------------------------------


def _fish(leaves: list[Leaf]) -> str:
    paths = " ".join(_quoted(_at(leaf)) for leaf in leaves if leaf.path)
    lines = [
        f"# Completion of {PROGRAM} for fish.",
        "function __maestro_tui_at --description 'whether the words so far lead to this command'",
        "  set -l where",
        "  set -l skip",
        "  for word in (commandline -opc)[2..-1]",
        "    if set -q skip[1]",
        "      set -e skip[1]",
        "      continue",
        "    end",
        "    switch $word",
        f"      case {' '.join(_valued(leaves).split('|'))}",
        "        set skip 1",
        "      case '-*'",
        "      case '*'",
        f'        contains -- "$where $word" {paths}; and set where "$where $word"',
        "    end",
        "  end",
        '  test "$where" = "$argv"',
        "end",
        f"complete -c {PROGRAM} -f",
    ]
    for leaf in leaves:
        condition = f"-n {_quoted(f'__maestro_tui_at {_fish_words(leaf)}')}"
        lines += [f"complete -c {PROGRAM} {condition} {rest}" for rest in _fish_offers(leaf)]
    return "\n".join(lines) + "\n"


def _fish_words(leaf: Leaf) -> str:
    return f'"{_at(leaf)}"'


def _at(leaf: Leaf) -> str:
    """A leaf's path as the function of fish builds it: a blank before each word."""
    return "".join(f" {word}" for word in leaf.path)


def _fish_offers(leaf: Leaf) -> Iterable[str]:
    for word, says in leaf.words.items():
        yield f"-a {_quoted(word)}{_fish_says(says)}"
    if leaf.takes == "CADENCE":
        yield f"-a {_quoted(f'({NAMES})')}"
    for option in leaf.options:
        names = " ".join(_fish_flag(flag) for flag in option.flags)
        yield f"{names}{_fish_value(option)}{_fish_says(option.says)}"


def _fish_flag(flag: str) -> str:
    return f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}"


def _fish_value(option: Option) -> str:
    if option.choices:
        return f" -x -a {_quoted(' '.join(option.choices))}"
    if option.takes == "DIR":
        return " -x -a '(__fish_complete_directories)'"
    if option.takes == "CADENCE":
        return f" -x -a {_quoted(f'({NAMES})')}"
    return " -x" if option.takes else ""


def _fish_says(says: str) -> str:
    return f" -d {_quoted(_one_line(says))}" if says else ""
