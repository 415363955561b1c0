"""A process that has Pillow loaded and forks for each picture, because to start Python takes ten times as long.

It is isolated as the real program is, by ``python -I -S``. ``test_pictures`` runs the real program.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import PIL

from chat.client.screen.pictures import picture_process

_SOURCE = """
import importlib, json, os, sys, traceback
directory, library = sys.argv[1:]
sys.path.append(directory)
import picture_process
sys.path.append(library)
for decoder in picture_process._DECODERS:
    importlib.import_module("PIL." + decoder.module)
sys.path.remove(library)

def ended(arguments):
    try:
        picture_process.main(arguments)
        sys.stdout.flush()
    except SystemExit as end:
        return end.code
    except BaseException:
        traceback.print_exc()
        return 1
    return 0

def read(pipe):
    os.close(pipe[1])
    with open(pipe[0], "rb") as file:
        return file.read()

for line in sys.stdin:
    path, arguments = json.loads(line)
    pipes = [os.pipe() for _ in range(3)]
    process = os.fork()
    if not process:
        for number, pipe in enumerate(pipes):
            os.dup2(pipe[number > 0], number)
        os.closerange(3, 100)
        sys.stdin = open(0, closefd=False)
        os._exit(ended(arguments))
    os.close(pipes[0][0])
    os.write(pipes[0][1], bytes.fromhex(path))
    os.close(pipes[0][1])
    said = [read(pipe).hex() for pipe in pipes[1:]]
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    print(json.dumps([status, *said]), flush=True)
"""


def run(path: Path | str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """The program, with ``path`` on its standard input."""
    library = str(Path(PIL.__file__).parent.parent)
    given = [*arguments, library]
    stem = _stem(os.getpid())
    assert stem.stdin is not None
    assert stem.stdout is not None
    stem.stdin.write(json.dumps([os.fsencode(path).hex(), given]).encode() + b"\n")
    stem.stdin.flush()
    status, said, complained = json.loads(stem.stdout.readline())
    return subprocess.CompletedProcess(
        given, status, bytes.fromhex(said), bytes.fromhex(complained)
    )


@cache
def _stem(of: int) -> subprocess.Popen[bytes]:
    """``of``: the process that asks, because one that it forked has another. The stem ends with it."""
    directory = str(Path(picture_process.__file__).parent)
    library = str(Path(PIL.__file__).parent.parent)
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-B", "-c", _SOURCE, directory, library],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
