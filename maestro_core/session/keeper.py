"""The keeper of a run: a small program between the consumer and the CLI.

Run as a script (`python -I -S keeper.py LEASH STATUS`), in a session of its own, before there
is anything to do: so a run need not wait for it to start. Its duties:
1. take one job from LEASH (a socket: what to start, with its three files), start the CLI in a
   session of its own, and say so on STATUS; no job but the end of LEASH: it ends;
2. adopt what the CLI's tools leave behind (Linux: child subreaper), so that no daemon trick
   gets out of the family;
3. say how the CLI ended, then end everything that is left of the family, and only then end;
4. when the consumer dies (LEASH closes): TERM the CLI, the grace time, KILL the family;
5. on a bus that others share the claim is a lease: TERM and KILL before it runs out, when the
   consumer has not said that it is kept. A consumer that is stopped, or waits for a server that
   hangs, could not end the run itself, and another host is about to start the same tick.

After the job LEASH carries orders, one byte each: T = TERM the CLI, K = KILL all of it, L = the
lease begins anew. STATUS carries lines: `started PID`, `refused ERRNO`, `ended WAITSTATUS`,
`lapsed 0` (the lease). As the parent it knows which pids are still the run's own, so an order
never hits a stranger.
It imports next to nothing: every run has one.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys
import time

TERM, KILL = 15, 9
DEAF = (1, 2, TERM)
"""HUP, INT and TERM say nothing to a keeper: who ends programs by their name, or a whole service
at once, means the CLI, and the keeper has to see it out."""
SIGPIPE, SIGXFSZ = 13, 25
PR_SET_CHILD_SUBREAPER = 36
LINUX = sys.platform.startswith("linux")
TERM_SHARE, KILL_SHARE = 3 / 4, 7 / 8
"""Of a lease may go by before the CLI is asked to end, and before all of it is ended."""
SWEEP_SECONDS = 10.0
"""How long it tries to be rid of processes that SIGKILL does not end at once."""


def now() -> float:
    """Seconds that go on while the machine sleeps: the lease does too."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def adopt_orphans() -> bool:
    """Become the parent of every orphan below us (Linux only; elsewhere init does)."""
    if not LINUX:
        return False
    import ctypes

    return bool(ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)


def say(status: int, line: str) -> None:
    """One line to the consumer, if there still is one."""
    try:
        os.write(status, f"{line}\n".encode())
    except OSError:
        pass  # the consumer is gone: the leash tells us the same


def children() -> list[int]:
    """The living direct children (Linux)."""
    own, found = str(os.getpid()).encode(), []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    text = file.read()
            except OSError:
                continue
            fields = text[text.rfind(b")") + 2 :].split(None, 2)
            if fields[1] == own and fields[0] != b"Z":
                found.append(int(name))
    return found


def kill(pid: int, number: int) -> None:
    """Signal a child of ours, which may just have ended."""
    try:
        os.kill(pid, number)
    except OSError:
        pass  # it has ended, or has become another user's: the sweep says what is left


class Family:
    """The CLI and whatever descends from it."""

    def __init__(self, status: int, grace: float, lease: float = 0.0) -> None:
        self.status = status
        self.grace = grace
        self.lease = lease
        self.kept_at = now()
        self.cli = 0
        self.ended = False
        self.deadline: float | None = None

    def start(self, argv: list[bytes], cwd: bytes, env: dict[bytes, bytes]) -> bool:
        """The CLI in a session of its own, with the signals that we ignore restored."""
        try:
            os.chdir(cwd)
            self.cli = os.posix_spawn(
                argv[0], argv, env, setsid=True, setsigdef=(SIGPIPE, SIGXFSZ, *DEAF)
            )
        except OSError as error:
            say(self.status, f"refused {error.errno}")
            return False
        say(self.status, f"started {self.cli}")
        return True

    def reap(self) -> bool:
        """Collect what has ended; False once we have no children at all."""
        while True:
            try:
                pid, code = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            if pid == self.cli:
                self.ended = True
                say(self.status, f"ended {code}")

    def obey(self, order: bytes) -> None:
        """Act on what came over the leash; nothing = the consumer is gone."""
        if b"L" in order:
            self.kept_at = now()
        if not self.ended and (order == b"" or b"T" in order):
            kill(self.cli, TERM)
        if order == b"":
            self.deadline = time.monotonic() + self.grace
        if b"K" in order:
            self.deadline = 0.0

    def mind_lease(self) -> None:
        """Whether nobody has kept the claim for too long. There is no way back."""
        silent = now() - self.kept_at
        if self.lease and silent >= self.lease * TERM_SHARE and self.deadline is None:
            self.deadline = time.monotonic() + self.lease * KILL_SHARE - silent
            say(self.status, "lapsed 0")
            if not self.ended:
                kill(self.cli, TERM)

    @property
    def pause(self) -> float:
        """Seconds for which nothing can become due without a word."""
        if self.deadline is not None:
            return 0.05
        return min(1.0, self.lease / 48) if self.lease else 1.0

    def overdue(self) -> bool:
        return self.deadline is not None and time.monotonic() >= self.deadline

    def sweep(self) -> None:
        """SIGKILL to the whole family, generation by generation, until nobody is left.

        A killed parent's children become ours and are next. Only direct children are
        signalled: their pids cannot have been used again, because we have not collected them.
        Without adoption (macOS) the CLI and its group go here; the consumer knows the rest.
        """
        until = time.monotonic() + SWEEP_SECONDS
        if not self.ended:
            kill(self.cli, KILL)
            kill(-self.cli, KILL)
        while self.reap() and time.monotonic() < until:
            for pid in children() if LINUX else ():
                kill(pid, KILL)
            time.sleep(0.002)


class Waiter:
    """Waits for an order on the leash, or for the CLI's end."""

    def __init__(self, cli: int, leash: int) -> None:
        if sys.platform == "darwin":
            self._queue = select.kqueue()
            self._add(leash, select.KQ_FILTER_READ, 0)
            self._add(cli, select.KQ_FILTER_PROC, select.KQ_NOTE_EXIT)
        else:
            self._poll = select.poll()
            self._poll.register(os.pidfd_open(cli), select.POLLIN)
            self._poll.register(leash, select.POLLIN)
        self._leash = leash

    def wait(self, seconds: float) -> bool:
        """True: there is something to read on the leash."""
        if sys.platform == "darwin":
            events = self._queue.control(None, 4, seconds)
            return any(one.filter == select.KQ_FILTER_READ for one in events)
        return any(fd == self._leash for fd, _ in self._poll.poll(int(seconds * 1000)))

    def drop_leash(self) -> None:
        """The consumer is gone: there will be no further order."""
        os.close(self._leash)
        if sys.platform != "darwin":
            self._poll.unregister(self._leash)
        self._leash = -1

    if sys.platform == "darwin":

        def _add(self, ident: int, kind: int, flags: int) -> None:
            event = select.kevent(ident, kind, select.KQ_EV_ADD, flags)
            try:
                self._queue.control([event], 0)
            except OSError:
                pass  # it has ended already: the next look at the children says so


def watch(family: Family, leash: int) -> None:
    """Until the CLI has ended or all of it has to go."""
    waiter = Waiter(family.cli, leash)
    while family.reap() and not family.ended and not family.overdue():
        if waiter.wait(family.pause):
            order = os.read(leash, 64)
            family.obey(order)
            if order == b"":
                waiter.drop_leash()
        family.mind_lease()


def receive(leash: int) -> tuple[dict[str, object], list[int]] | None:
    """The job and its three files; None when the consumer went before it had one.

    A job is eight bytes of length and that much JSON, its bytes written as Latin-1.
    """
    with socket.socket(fileno=os.dup(leash)) as line:
        head, files, _, _ = socket.recv_fds(line, 8, 3)
        left, parts = int.from_bytes(head, "big"), []
        while left > 0 and (part := line.recv(min(left, 1 << 16))):
            parts.append(part)
            left -= len(part)
    if len(head) < 8 or left:
        return None
    return json.loads(b"".join(parts)), files


def raw(text: object) -> bytes:
    return str(text).encode("latin-1")


def main(argv: list[str]) -> int:
    leash, status = int(argv[1]), int(argv[2])
    for fd in (leash, status):
        os.set_inheritable(fd, False)
    adopt_orphans()
    for number in DEAF:
        signal.signal(number, signal.SIG_IGN)
    if (received := receive(leash)) is None:
        return 0
    job, files = received
    for fd, theirs in enumerate(files):
        os.dup2(theirs, fd)
        os.close(theirs)
    family = Family(status, float(str(job["grace"])), float(str(job["lease"])))
    environ = {raw(name): raw(value) for name, value in dict(job["env"]).items()}  # type: ignore[call-overload]
    if not family.start([raw(one) for one in list(job["argv"])], raw(job["cwd"]), environ):  # type: ignore[call-overload]
        return 1
    # The logs and the prompt are the CLI's: held here, they would look open for ever.
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    watch(family, leash)
    family.sweep()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
