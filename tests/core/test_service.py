"""Proves what is written for launchd and systemd, and how it is installed and taken away.

The managers are played by a recorder that keeps their books; systemd's own checker reads
every unit (skipped where it is not installed). launchd's files are checked by plistlib and
by a table of its keys: no command of it was ever run by these tests.
"""

from __future__ import annotations

import os
import plistlib
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from maestro_core import settings_schedule
from maestro_core.errors import Refused
from maestro_core.files import OsFiles
from maestro_core.layout import Layout
from maestro_core.schedule.calendar import Inexpressible
from maestro_core.service.identity import identity
from maestro_core.service.install import bring
from maestro_core.service.job import CONSUMER, TICK, Job
from maestro_core.service.launchd import Launchd
from maestro_core.service.manager import Manager, ManagerFailed, Times, make_manager
from maestro_core.service.plist import decode_plist, encode_plist, plist_problems
from maestro_core.service.shell import Done, SystemShell
from maestro_core.service.status import service_status, wanted_job
from maestro_core.service.timers import timer_jobs, times
from maestro_core.service.unit import command_line
from maestro_core.settings import CadenceSettings, ScheduleSettings, Settings

KINDS = ("launchd", "systemd")
WEIRD = ["plain", "with blank", "per%cent", "dol$lar", 'quo"te', "back\\slash", "umläut", "tick's"]
ANALYZER = shutil.which("systemd-analyze")


class FakeMachine:
    """Keeps what launchctl and systemctl were told, and answers as they do."""

    def __init__(self, *, reachable: bool = True) -> None:
        self.reachable = reachable
        self.commands: list[list[str]] = []
        self.loaded: set[str] = set()
        self.refuse: str | None = None
        """Commands with this word in them fail."""

    def run(self, argv: Sequence[str]) -> Done:
        words = list(argv)
        if not self.reachable:
            return Done(1, "Failed to connect to bus: No medium found")
        if self.refuse is not None and self.refuse in words:
            return Done(5, "Input/output error")
        if words[0] == "launchctl":
            return self._launchctl(words)
        if words[0] == "loginctl":
            return Done(0, "no\n")
        return self._systemctl(words[2:])

    def _launchctl(self, words: list[str]) -> Done:
        target = words[-1].rpartition("/")[2].removesuffix(".plist")
        if words[1] == "print":
            known = words[2].count("/") == 1 or target in self.loaded
            return Done(0, "\tstate = running\n\tpid = 42\n") if known else Done(113)
        self.commands.append(words)
        if words[1] == "bootstrap":
            self.loaded.add(target)
        elif words[1] == "bootout":
            if target not in self.loaded:
                return Done(3, "No such process")
            self.loaded.discard(target)
        return Done(0)

    def _systemctl(self, words: list[str]) -> Done:
        if words[0] == "is-system-running":
            return Done(0, "running\n")
        if words[0] == "show":
            found = words[-1] in self.loaded
            state = "LoadState=loaded\nActiveState=active\nSubState=running\nMainPID=42\n"
            return Done(0, state if found else "LoadState=not-found\n")
        self.commands.append(["systemctl", *words])
        if words[0] == "enable":
            self.loaded.add(words[-1])
        elif words[0] == "disable":
            if words[-1] not in self.loaded:
                return Done(1, "Unit does not exist")
            self.loaded.discard(words[-1])
        return Done(0)

    def told(self) -> list[str]:
        """The commands since the last call, without the part that is the same for all."""
        said, self.commands = [" ".join(words) for words in self.commands], []
        return said


class Machine:
    """A user's home with a manager for each agent root in it."""

    def __init__(self, tmp_path: Path, kind: str) -> None:
        self.home = tmp_path / "home"
        self.home.mkdir(exist_ok=True)
        self.kind = kind
        self.shell = FakeMachine()
        self.environ = {"HOME": str(self.home), "PATH": "/usr/bin:/bin:relative:/no/such"}

    def manager(self, root: Path) -> Manager:
        root.mkdir(parents=True, exist_ok=True)
        return make_manager(
            self.kind, identity(Layout(root), self.environ), self.shell,  # type: ignore[arg-type]
            self.environ, OsFiles(),
        )  # fmt: skip

    def files(self) -> dict[str, bytes]:
        return {
            str(path.relative_to(self.home)): path.read_bytes()
            for path in self.home.rglob("*")
            if path.is_file()
        }


@pytest.fixture(params=KINDS)
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Machine:
    return Machine(tmp_path, request.param)


def settings(**schedules: str) -> Settings:
    cadences = {name: CadenceSettings(schedule=text) for name, text in schedules.items()}
    return Settings(cadences=cadences, schedules=ScheduleSettings(time_zone="UTC"))


def install(manager: Manager, wanted: Settings) -> dict[str, str]:
    jobs, impossible = timer_jobs(manager, wanted, 2026)
    assert impossible == []
    report = bring(manager, jobs, TICK, dry_run=False)
    return {name.removeprefix(TICK): act for act, name in report.done}


# ---- timers come and go --------------------------------------------------------------------


def test_installing_twice_changes_nothing(machine: Machine, tmp_path: Path) -> None:
    manager = machine.manager(tmp_path / "agent")
    wanted = settings(memo="0 7 * * *", mail="*/5 * * * *")
    assert install(manager, wanted) == {"memo": "add", "mail": "add"}
    files, loaded = machine.files(), set(machine.shell.loaded)
    assert len(loaded) == 2
    machine.shell.told()
    assert install(manager, wanted) == {"memo": "keep", "mail": "keep"}
    assert (machine.files(), machine.shell.loaded) == (files, loaded)
    assert not [one for one in machine.shell.told() if "boot" in one or "reload" in one]


def test_only_what_changed_is_loaded_anew(machine: Machine, tmp_path: Path) -> None:
    manager = machine.manager(tmp_path / "agent")
    install(manager, settings(memo="0 7 * * *", mail="*/5 * * * *", gone="0 1 * * *"))
    machine.shell.told()
    changed = settings(memo="0 8 * * *", mail="*/5 * * * *", new="0 2 * * *")
    assert install(manager, changed) == {
        "gone": "remove", "mail": "keep", "memo": "change", "new": "add",
    }  # fmt: skip
    told = "\n".join(machine.shell.told())
    assert "tick-gone" in told
    assert "tick-new" in told
    assert ("bootout" in told) if machine.kind == "launchd" else ("restart" in told)
    assert len(machine.shell.loaded) == 3
    assert not any("gone" in name for name in machine.files())


def test_a_cadence_that_the_consumer_enqueues_loses_its_timer(
    machine: Machine, tmp_path: Path
) -> None:
    manager = machine.manager(tmp_path / "agent")
    install(manager, settings(memo="0 7 * * *"))
    own = CadenceSettings(schedule="0 7 * * *", producer="consumer")
    assert install(manager, Settings(cadences={"memo": own})) == {"memo": "remove"}
    assert (machine.files(), machine.shell.loaded) == ({}, set())


def test_several_agents_share_a_machine_and_leave_each_other_alone(
    machine: Machine, tmp_path: Path
) -> None:
    one, two = machine.manager(tmp_path / "one"), machine.manager(tmp_path / "two")
    install(one, settings(memo="0 7 * * *"))
    first = machine.files()
    install(two, settings(memo="0 9 * * *"))
    assert first.items() <= machine.files().items()
    install(two, Settings())
    assert machine.files() == first
    assert len(machine.shell.loaded) == 1


def test_what_others_made_stays(machine: Machine, tmp_path: Path) -> None:
    manager = machine.manager(tmp_path / "agent")
    install(manager, settings(memo="0 7 * * *"))
    folder = manager.folder
    others = ["com.apple.x.plist", "maestro-tui.conf", "other.timer", "dbus.service"]
    for name in others:
        (folder / name).write_text("not ours")
    unit = next(map(Path, machine.files()))
    (folder / f"{unit.name}.d").mkdir()  # an operator's own addition to our unit
    install(manager, Settings())
    assert sorted(path.name for path in folder.iterdir() if path.is_file()) == sorted(others)
    assert (folder / f"{unit.name}.d").is_dir()


def test_a_file_with_our_name_and_another_root_stops_everything(
    machine: Machine, tmp_path: Path
) -> None:
    manager = machine.manager(tmp_path / "agent")
    install(manager, settings(memo="0 7 * * *"))
    victim = next(path for path in manager.folder.iterdir() if "memo" in path.name)
    victim.write_bytes(victim.read_bytes().replace(b"agent", b"other"))
    before = machine.files()
    for wanted in (settings(memo="0 8 * * *"), Settings()):
        with pytest.raises(Refused, match="is not ours"):
            install(manager, wanted)
    victim.unlink()
    victim.symlink_to("/etc/passwd")
    with pytest.raises(Refused, match="is not ours"):
        install(manager, Settings())
    victim.unlink()
    victim.write_bytes(before[str(victim.relative_to(machine.home))])
    assert machine.files() == before


def test_without_a_reachable_manager_nothing_is_written(machine: Machine, tmp_path: Path) -> None:
    machine.shell.reachable = False
    manager = machine.manager(tmp_path / "agent")
    with pytest.raises(Refused, match=r"cannot be reached|no domain"):
        install(manager, settings(memo="0 7 * * *"))
    assert machine.files() == {}
    assert install(manager, Settings()) == {}


def test_what_a_failed_command_left_undone_the_next_call_finishes(
    machine: Machine, tmp_path: Path
) -> None:
    manager = machine.manager(tmp_path / "agent")
    machine.shell.refuse = "bootstrap" if machine.kind == "launchd" else "enable"
    with pytest.raises(ManagerFailed, match="Input/output error"):
        install(manager, settings(memo="0 7 * * *"))
    machine.shell.refuse = None
    assert install(manager, settings(memo="0 7 * * *")) == {"memo": "keep"}
    assert len(machine.shell.loaded) == 1


def test_a_dry_run_tells_all_and_does_nothing(machine: Machine, tmp_path: Path) -> None:
    manager = machine.manager(tmp_path / "agent")
    install(manager, settings(old="0 7 * * *"))
    before = machine.files()
    machine.shell.told()
    jobs, _ = timer_jobs(manager, settings(memo="0 7 * * *"), 2026)
    report = bring(manager, jobs, TICK, dry_run=True)
    assert {name: act for act, name in report.done} == {
        "tick-old": "remove", "tick-memo": "add",
    }  # fmt: skip
    assert machine.files() == before
    assert machine.shell.told() == []
    assert all("tick-memo" in path for path, _ in report.files)
    assert all("tick-old" in path for path in report.removals)
    bring(manager, jobs, TICK, dry_run=False)
    ours = {str(manager.folder / Path(name).name): data for name, data in machine.files().items()}
    assert {path: text.encode() for path, text in report.files} == ours
    carried_out = machine.shell.told()
    told = [" ".join(one).replace(" --user", "") for one in report.commands]
    assert carried_out == told


def test_cadences_that_differ_in_case_alone_are_refused(machine: Machine, tmp_path: Path) -> None:
    manager = machine.manager(tmp_path / "agent")
    with pytest.raises(Refused, match="differ in case"):
        install(manager, settings(memo="0 7 * * *", Memo="0 8 * * *"))


def test_what_a_calendar_cannot_say_is_told_and_the_others_are_made(tmp_path: Path) -> None:
    manager = Machine(tmp_path, "launchd").manager(tmp_path / "agent")
    jobs, impossible = timer_jobs(manager, settings(memo="0 7 * * *", last="0 7 L * *"), 2026)
    assert [job.name for job in jobs] == ["tick-memo"]
    assert ["last: 0 7 L * *" in str(one) for one in impossible] == [True]


# ---- what is written -----------------------------------------------------------------------


def all_jobs(manager: Manager) -> list[Job]:
    wanted = settings(memo="30 2 * * mon", **{"inbox.processor_2": "*/5 * * * *"})
    return [*timer_jobs(manager, wanted, 2026)[0], wanted_job(manager, wanted)]


@pytest.mark.skipif(ANALYZER is None, reason="systemd-analyze is not installed on this machine")
@pytest.mark.parametrize("name", WEIRD)
def test_systemd_accepts_the_units_of_any_folder(tmp_path: Path, name: str) -> None:
    manager = Machine(tmp_path, "systemd").manager(tmp_path / name)
    manager.folder.mkdir(parents=True)
    paths = []
    for job in all_jobs(manager):
        manager.write(job)
        paths += [str(manager.folder / file) for file in job.files]
    done = subprocess.run(
        [ANALYZER or "", "--user", "verify", "--man=no", *paths],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LC_ALL": "C",
             "XDG_RUNTIME_DIR": str(tmp_path)},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    complaints = [line for line in done.stderr.splitlines() if "maestro-tui" in line]
    assert (done.returncode, complaints) == (0, []), done.stderr


@pytest.mark.parametrize(
    ("word", "written"),
    [("plain", '"plain"'), ("a b", '"a b"'), ("50%", '"50%%"'), ("$HOME", '"$$HOME"'),
     ('"', '"\\""'), ("\\n", '"\\\\n"'), ("", '""')],
)  # fmt: skip
def test_words_are_quoted_for_systemd(word: str, written: str) -> None:
    assert command_line(["/bin/x", word]) == f'"/bin/x" {written}'


def test_the_programs_own_path_knows_no_variables() -> None:
    assert command_line(["/opt/$x%h/bin", "$x"]) == '"/opt/$x%%h/bin" "$$x"'


@pytest.mark.parametrize("mark", ["\n", "\r", "\x1b", "\x07", "\t", "\x7f"])
def test_a_folder_with_a_control_character_is_refused(
    machine: Machine, tmp_path: Path, mark: str
) -> None:
    with pytest.raises(Refused, match="control character"):
        machine.manager(tmp_path / f"a{mark}b")


@pytest.mark.parametrize("name", ["ends\\", "trail ", "both \\ ", "two\\\\"])
def test_the_end_of_a_folders_name_stays_its_end(tmp_path: Path, name: str) -> None:
    manager = Machine(tmp_path, "systemd").manager(tmp_path / name)
    for job in all_jobs(manager):
        for data in job.files.values():
            lines = data.decode().splitlines()[1:]
            assert not any(line.endswith(("\\", " ", "\t")) for line in lines), lines
            if folders := [one for one in lines if one.startswith("WorkingDirectory=")]:
                assert folders == [f"WorkingDirectory={tmp_path}/{name}/."]


def test_what_cannot_stand_in_a_file_is_not_handed_on(machine: Machine, tmp_path: Path) -> None:
    odd = tmp_path / "bin\x1b"
    odd.mkdir()
    environ = {"HOME": str(tmp_path), "PATH": f"{odd}:/bin", "LANG": "C\nX=1", "TZ": "UTC"}
    found = identity(Layout(tmp_path / "root"), environ).environment
    assert "LANG" not in found
    assert found["TZ"] == "UTC"
    assert found["PATH"].split(":")[1:] == ["/bin"]


@pytest.mark.parametrize("name", WEIRD)
def test_property_lists_read_back_as_they_were_meant(tmp_path: Path, name: str) -> None:
    root = tmp_path / name
    manager = Machine(tmp_path, "launchd").manager(root)
    for job in all_jobs(manager):
        ((file, data),) = job.files.items()
        document = plistlib.loads(data)
        assert plist_problems(document) == []
        assert file == f"{document['Label']}.plist"
        assert document["ProgramArguments"][1:3] == ["--root", str(root)]
        assert document["EnvironmentVariables"]["AGENT_ROOT"] == str(root)
        assert Path(document["ProgramArguments"][0]).is_absolute()


def test_the_consumers_agent_restarts_after_failures_only(tmp_path: Path) -> None:
    manager = Machine(tmp_path, "launchd").manager(tmp_path / "agent")
    (data,) = wanted_job(manager, Settings()).files.values()
    document = plistlib.loads(data)
    assert document["KeepAlive"] == {"SuccessfulExit": False}
    assert (document["RunAtLoad"], document["ThrottleInterval"]) == (True, 30)
    assert document["ExitTimeOut"] == 40
    assert document["ProgramArguments"][-2:] == ["run", "--service"]
    assert document["StandardErrorPath"].startswith(str(tmp_path / "agent/logs"))


def test_the_consumers_unit_is_watched_and_bounded(tmp_path: Path) -> None:
    manager = Machine(tmp_path, "systemd").manager(tmp_path / "agent")
    job = wanted_job(manager, Settings())
    text = next(data.decode() for name, data in job.files.items() if "gone" not in name)
    for line in ("Type=notify", "Restart=on-failure", "WatchdogSec=120", "StartLimitBurst=10",
                 "StartLimitIntervalSec=600", "TimeoutStopSec=40", "KillMode=mixed"):  # fmt: skip
        assert f"\n{line}\n" in text
    assert 'run" "--service"\n' in text


def test_jobs_get_path_and_home_and_no_secret(machine: Machine, tmp_path: Path) -> None:
    machine.environ |= {
        "ANTHROPIC_API_KEY": "sk-ant-canary", "TZ": "Europe/Berlin", "LANG": "C.UTF-8",
        "SECRET": "canary-2",
    }  # fmt: skip
    manager = machine.manager(tmp_path / "agent")
    written = b"".join(data for job in all_jobs(manager) for data in job.files.values())
    assert b"canary" not in written
    for part in (str(machine.home).encode(), b"Europe/Berlin", b"/usr/bin:/bin"):
        assert part in written
    assert b"relative" not in written
    assert b"/no/such" not in written


def test_one_root_by_two_names_is_one_root(machine: Machine, tmp_path: Path) -> None:
    real = machine.manager(tmp_path / "agent")
    (tmp_path / "link").symlink_to(tmp_path / "agent")
    linked = machine.manager(tmp_path / "link")
    assert all_jobs(linked) == all_jobs(real)


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ({"Label": "x"}, "ProgramArguments is missing"),
        ({"Label": "x", "ProgramArguments": ["x"], "Interval": 5}, "no key that we use"),
        ({"Label": 5, "ProgramArguments": ["x"]}, "Label has the type int"),
        ({"Label": "x", "ProgramArguments": [5]}, "5 is no text"),
        ({"Label": "x", "ProgramArguments": ["x"], "StartInterval": True}, "the type bool"),
        ({"Label": "x", "ProgramArguments": ["x"], "StartCalendarInterval": {"Hour": 24}},
         "Hour = 24"),
        ({"Label": "x", "ProgramArguments": ["x"], "StartCalendarInterval": [{}]},
         "no calendar interval"),
        ({"Label": "x", "ProgramArguments": ["x"], "StartCalendarInterval": [{"Year": 1}]},
         "Year = 1"),
        ({"Label": "x", "ProgramArguments": ["x"],
          "StartCalendarInterval": {"Day": 1, "Weekday": 1}}, "alternatives"),
    ],
)  # fmt: skip
def test_the_plist_checker_finds_what_launchd_would_not_understand(
    document: dict[str, object], problem: str
) -> None:
    assert any(problem in one for one in plist_problems(document))
    with pytest.raises(ValueError, match=r"is|no|has|together"):
        encode_plist(document)


@pytest.mark.parametrize("data", [b"", b"{}", b"<plist>", b"bplist00", b"\x00" * 40, b"[1]"])
def test_bytes_that_are_no_property_list_are_known_as_such(data: bytes) -> None:
    assert decode_plist(data) is None


# ---- the consumer's service ----------------------------------------------------------------


def test_the_service_is_installed_restarted_and_removed(machine: Machine, tmp_path: Path) -> None:
    manager = machine.manager(tmp_path / "agent")
    install(manager, settings(memo="0 7 * * *"))
    timers = machine.files()
    job = wanted_job(manager, Settings())
    assert bring(manager, [job], CONSUMER, dry_run=False).done == (("add", CONSUMER),)
    assert bring(manager, [job], CONSUMER, dry_run=False).done == (("keep", CONSUMER),)
    assert manager.state(CONSUMER).pid == 42
    machine.shell.told()
    manager.restart(job)
    assert any("kickstart -k" in one or "restart" in one for one in machine.shell.told())
    assert bring(manager, [], CONSUMER, dry_run=False).done == (("remove", CONSUMER),)
    assert machine.files() == timers
    assert not manager.state(CONSUMER).loaded


def test_the_status_says_what_is_installed_and_what_is_out_of_date(
    machine: Machine, tmp_path: Path
) -> None:
    manager = machine.manager(tmp_path / "agent")

    def files(wanted: Settings) -> str:
        return service_status(manager, wanted, [], machine.shell, 0.0).files

    assert files(Settings()) == "missing"
    bring(manager, [wanted_job(manager, Settings())], CONSUMER, dry_run=False)
    assert files(Settings()) == "installed"
    # another shell has another PATH: that alone makes nothing out of date
    machine.environ["PATH"] = "/bin"
    manager = machine.manager(tmp_path / "agent")
    assert files(Settings()) == "installed"
    from maestro_core.settings import ConsumerSettings

    assert files(Settings(consumer=ConsumerSettings(kill_grace_seconds=99))) == "outdated"


def test_a_loaded_job_that_is_going_away_is_waited_for(tmp_path: Path) -> None:
    machine = Machine(tmp_path, "launchd")
    manager = machine.manager(tmp_path / "agent")
    job = wanted_job(manager, Settings())
    manager.load(job, changed=False)
    assert isinstance(manager, Launchd)
    looks = iter([True, True, False])
    still_there = manager.label(CONSUMER)

    class Slow(FakeMachine):
        def run(self, argv: Sequence[str]) -> Done:
            if list(argv[1:2]) == ["print"] and still_there in argv[-1]:
                return Done(0) if next(looks, False) else Done(113)
            return super().run(argv)

    manager._shell = Slow()
    manager.load(job, changed=True)
    assert list(looks) == []


def test_the_real_shell_reports_what_programs_do() -> None:
    shell = SystemShell()
    assert shell.run(["sh", "-c", "echo out; echo err >&2; exit 3"]) == Done(3, "out\nerr\n")
    assert shell.run(["/no/such/program"]).code == 127


def test_times_of_both_kinds_fit_their_manager(machine: Machine, tmp_path: Path) -> None:
    job = machine.manager(tmp_path / "agent").tick_job(
        "memo", Times(systemd=("Mon *-*-* 07:00:00",), launchd={"StartInterval": 60})
    )
    text = b"".join(job.files.values())
    assert (b"OnCalendar=Mon *-*-* 07:00:00\n" in text) == (machine.kind == "systemd")
    assert (b"<key>StartInterval</key>" in text) == (machine.kind == "launchd")
    assert b"enqueue" in text
    assert b"--due" in text


def test_timers_of_a_shell_in_another_zone_name_it(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The managers go by the machine's time, the schedule means what the shell calls local."""
    link = tmp_path / "localtime"
    link.symlink_to("/usr/share/zoneinfo/Europe/Berlin")
    monkeypatch.setattr(settings_schedule, "LOCALTIME", link)
    monkeypatch.setenv("TZ", "America/New_York")
    wanted = Settings(cadences={"memo": CadenceSettings(schedule="0 7 * * *")})
    if machine.kind == "launchd":
        with pytest.raises(Inexpressible, match="not by America/New_York"):
            times("launchd", wanted, "memo", 2026)
    else:
        assert (
            times("systemd", wanted, "memo", 2026).systemd[0] == "*-*-* 07:00:00 America/New_York"
        )
    monkeypatch.setenv("TZ", "Europe/Berlin")
    assert times("systemd", wanted, "memo", 2026).systemd[0] == "*-*-* 07:00:00"
