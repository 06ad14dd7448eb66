"""The load generator, load.c, compiled when it is needed."""

import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.ocpp import scripts
from benchmarks.processes import Child, running

SOURCE = Path(__file__).with_name("load.c")


@dataclass(frozen=True, slots=True)
class Done:
    """What the stations did: CALLs answered, times in s. A latency is that of an answer."""

    calls: int
    errors: int
    lost: int
    seconds: float
    cpu: float
    p50: float
    p99: float
    max: float
    connected: int
    flooded: int
    taken: int

    @property
    def share(self) -> float:
        """Of a core."""
        return self.cpu / self.seconds


class Generator:
    """A process of stations."""

    def __init__(self, child: Child, stations: int) -> None:
        self.child = child
        self.stations = stations

    def begin(self, *order: object) -> None:
        """Gives the stations something to do (load.c says what there is)."""
        self.child.write(" ".join(map(str, order)))

    def end(self) -> Done:
        """Waits until they have done it."""
        return Done(**self.child.answer())

    def do(self, *order: object, faultless: bool = True) -> Done:
        """Both. Raises RuntimeError for an error or a connection lost, unless they may come."""
        self.begin(*order)
        done = self.end()
        if faultless and (done.errors or done.lost):
            raise RuntimeError(f"{order}: {done}")
        return done


@contextmanager
def generator(url: str, stations: int, folder: Path) -> Iterator[Generator]:
    """Stations at a central system (`ws://127.0.0.1:port/path/`); their scripts are written into the folder."""
    parts = urlsplit(url)
    target = (parts.hostname or "", str(parts.port), parts.path, str(stations))
    with running([*command(folder), *target, *scripts.write(folder)]) as child:
        yield Generator(child, stations)


def command(folder: Path) -> Sequence[str]:
    """What starts the generator, which is compiled into the folder. Ends the program where that cannot be."""
    compiled = folder / "load"
    if not compiled.is_file():
        compiler = shutil.which("cc") or shutil.which("gcc")
        if sys.platform != "linux" or compiler is None:
            sys.exit("The load generator needs Linux and a C compiler (on Debian: apt install gcc libc6-dev).")
        subprocess.run([compiler, "-O2", "-o", str(compiled), str(SOURCE)], check=True)
    return [str(compiled)]
