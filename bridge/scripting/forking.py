"""The process that the scripts' processes are forked from: `main` is all that it does.

It has loaded what each of these needs, which takes most of the time that a start takes. It has not loaded the scripts:
what they open and start while they are loaded is not to be shared by several processes.
"""

import gc
import os
import signal
import socket
import struct
import traceback

from bridge.scripting import worker

#: to here: what is wanted, the process that it is about; a fork comes with the FILES that it gets
QUESTION = struct.Struct(">cI")
#: from here, one for each question: the process, its exit code or RUNS; for a fork that fails 0 and the system's error
ANSWER = struct.Struct(">Ii")
FORK, LOOK, REAP = b"f", b"l", b"r"
FILES = 3
RUNS = -1000  # which no exit code is


def main(connection: int, parent: int) -> None:
    """Answers questions over the socket `connection` until the bridge closes that."""
    worker.tie_to(parent)
    signal.signal(
        signal.SIGCHLD, signal.SIG_DFL
    )  # ignored, as some supervisors start programs, there were no exit codes
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    control = socket.socket(fileno=connection)
    control.set_inheritable(False)
    gc.freeze()  # so that what is collected in one process is not copied for it
    while True:
        question, files, _, _ = socket.recv_fds(control, QUESTION.size, FILES)
        if len(question) < QUESTION.size:
            os._exit(0)
        what, number = QUESTION.unpack(question)
        answer = _fork(control, files) if what == FORK else (number, _code(number, reap=what == REAP))
        control.sendall(ANSWER.pack(*answer))


def _fork(control: socket.socket, files: list[int]) -> tuple[int, int]:
    here = os.getpid()
    try:
        number = os.fork()
    except OSError as error:
        return 0, error.errno or 0
    finally:
        if os.getpid() == here:
            for file in files:
                os.close(file)
    if number == 0:
        _serve(control, files, here)
    return number, RUNS


def _serve(control: socket.socket, files: list[int], parent: int) -> None:
    """What the new process does. Does not return."""
    try:
        control.close()
        os.setsid()  # Ctrl-C goes past it
        connection, claims, output = files
        for standard in (1, 2):
            os.dup2(output, standard)
        os.close(output)
        worker.main(connection, claims, parent)
    except BaseException:  # noqa: BLE001 - whatever it is, it must not go on as the process that forks
        traceback.print_exc()
    finally:
        os._exit(1)


def _code(number: int, *, reap: bool) -> int:
    """The exit code of a process, as subprocess has it; `reap`: its number may be another one's from now on."""
    try:
        if not reap:  # where there is no waitid, it is not known
            is_over = hasattr(os, "waitid") and os.waitid(os.P_PID, number, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            return 0 if is_over else RUNS
        found, status = os.waitpid(number, os.WNOHANG)
    except ChildProcessError:
        return -signal.SIGKILL
    return os.waitstatus_to_exitcode(status) if found else RUNS
