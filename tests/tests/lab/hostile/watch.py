"""Runs programs, one for each line of standard input, and says how each ended.

In: {"argv": [...], "stdout": FILE, "stderr": FILE, "seconds": N}. Out: exit code or signal, time, peak memory.
A small process of its own, because a child's peak memory includes what it was forked from.
"""
import json
import os
import signal
import sys
import time

ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "HOME": "/root"}
CREATE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC

for line in sys.stdin:
    order = json.loads(line)
    argv = order["argv"]
    files = [
        (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, order["stdout"], CREATE, 0o600),
        (os.POSIX_SPAWN_OPEN, 2, order["stderr"], CREATE, 0o600),
    ]
    started = time.monotonic()
    child = os.posix_spawn(argv[0], argv, ENVIRONMENT, file_actions=files)
    ended, pause = 0, 0.0005
    in_time = True
    while not ended:
        ended, status, usage = os.wait4(child, os.WNOHANG)
        if ended:
            break
        if in_time and time.monotonic() - started > order["seconds"]:
            # It was not waited for, so the id is still its own.
            os.kill(child, signal.SIGKILL)
            in_time = False
        time.sleep(pause)
        pause = min(pause * 1.2, 0.01)
    answer = {
        "code": os.waitstatus_to_exitcode(status),
        "in_time": in_time,
        "ms": (time.monotonic() - started) * 1000,
        "peak_kib": usage.ru_maxrss,
    }
    print(json.dumps(answer), flush=True)
