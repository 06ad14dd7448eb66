"""`make fuzz`: python -m tests.fuzz frames|chunks [--runs N] [--seed N] [--corpus FOLDER]. The fuzzer is atheris, which
is guided by coverage. It ends with the first input that raises something, and says where it keeps it.
"""

import argparse
import importlib
import os
import sys
import tempfile
from pathlib import Path

import atheris

TARGETS = {
    "frames": ("tests.fuzz.decoder", ["bridge.ocpp", "bridge.points"], 1_000_000),
    "chunks": ("tests.fuzz.chunks", ["bridge.opcua"], 200_000),
}
MEMORY = 1024  # MB that the process may take
SLOW = 5  # s that an input may take


def main() -> None:
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--runs", type=int, default=0, help="inputs; default: 1,000,000 frames or 200,000 chunks")
    parser.add_argument("--seed", type=int, default=0, help="repeats a run; 0: any")
    parser.add_argument("--corpus", type=Path, help="folder of inputs to begin with, where new ones are kept")
    arguments = parser.parse_args()
    module, instrumented, runs = TARGETS[arguments.target]
    with atheris.instrument_imports(include=instrumented):
        target = importlib.import_module(module)
    corpus = arguments.corpus or Path(tempfile.mkdtemp(prefix="fuzz-"))
    corpus.mkdir(exist_ok=True)
    for number, data in enumerate(target.corpus()):
        (corpus / f"seed-{number}").write_bytes(data)
    dictionary = corpus.with_suffix(".dict")
    dictionary.write_text("".join(f'"{word}"\n' for word in target.words()), "utf-8")
    options = [
        f"-runs={arguments.runs or runs}",
        f"-seed={arguments.seed}",
        f"-dict={dictionary}",
        f"-rss_limit_mb={MEMORY}",
        f"-timeout={SLOW}",
        f"-artifact_prefix={corpus}/",
        "-max_len=8192",
        "-len_control=0",
        "-print_final_stats=1",
    ]
    atheris.Setup([sys.argv[0], *options, os.fspath(corpus)], target.Target())
    atheris.Fuzz()


main()
