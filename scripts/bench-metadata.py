"""The parts of scripts/bench-metadata that are no shell: a package list, and wait4's numbers."""

import gzip
import hashlib
import os
import shutil
import statistics
import sys
import time

# Each tenth of the list holds one version of the package that is asked for.
VERSIONS = ["5.2.0", "5.2.7", "5.3.0", "5.3.9", "5.3.10"]


def entry(name, version, number):
    digest = hashlib.sha256(f"{name}{version}{number}".encode()).hexdigest()
    provides = "".join(
        f'<rpm:entry name="{text}" flags="EQ" epoch="0" ver="{version}" rel="1.el8"/>'
        for text in (name, f"{name}(x86-64)", f"lib{name}.so.1()(64bit)")
    )
    requires = "".join(
        f'<rpm:entry name="lib{(number * 7 + at) % 9973}.so.{at}()(64bit)"/>' for at in range(12)
    )
    files = "".join(f"<file>/usr/bin/{name}-{at}</file>" for at in range(3))
    return f"""<package type="rpm">
  <name>{name}</name>
  <arch>x86_64</arch>
  <version epoch="0" ver="{version}" rel="1.el8"/>
  <checksum type="sha256" pkgid="YES">{digest}</checksum>
  <summary>Package number {number} of a list that is too long to read</summary>
  <description>{"A few lines of text, as long as packages have them. " * 6}</description>
  <packager>Nobody &lt;nobody@example.invalid&gt;</packager>
  <url>https://example.invalid/{name}</url>
  <time file="1700000000" build="1700000000"/>
  <size package="{100000 + number}" installed="{300000 + number}" archive="{310000 + number}"/>
  <location href="Packages/{name}-{version}-1.el8.x86_64.rpm"/>
  <format>
    <rpm:license>MIT</rpm:license><rpm:vendor>Nobody</rpm:vendor><rpm:group>Unspecified</rpm:group>
    <rpm:buildhost>build.example.invalid</rpm:buildhost>
    <rpm:sourcerpm>{name}-{version}-1.el8.src.rpm</rpm:sourcerpm>
    <rpm:header-range start="4504" end="{20000 + number}"/>
    <rpm:provides>{provides}</rpm:provides>
    <rpm:requires>{requires}</rpm:requires>
    {files}
  </format>
</package>
"""


def make(repo, count):
    wanted = {(at + 1) * count // (len(VERSIONS) + 1): version for at, version in enumerate(VERSIONS)}
    digest, size, path = hashlib.sha256(), 0, f"{repo}/repodata/primary.xml.gz"
    with open(path, "wb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=6, mtime=0) as out:
        def write(text):
            nonlocal size
            data = text.encode()
            digest.update(data)
            size += len(data)
            out.write(data)

        write('<?xml version="1.0" encoding="UTF-8"?>\n<metadata '
              'xmlns="http://linux.duke.edu/metadata/common" '
              f'xmlns:rpm="http://linux.duke.edu/metadata/rpm" packages="{count}">\n')
        for number in range(count):
            if number in wanted:
                write(entry("relay", wanted[number], number))
            else:
                write(entry(f"package{number}", f"{number % 7}.{number % 11}", number))
        write("</metadata>\n")
    packed = open(path, "rb").read()
    with open(f"{repo}/repodata/repomd.xml", "w", encoding="utf-8") as out:
        out.write(f"""<?xml version="1.0" encoding="UTF-8"?>
<repomd xmlns="http://linux.duke.edu/metadata/repo"><revision>1700000000</revision>
<data type="primary"><checksum type="sha256">{hashlib.sha256(packed).hexdigest()}</checksum>
<open-checksum type="sha256">{digest.hexdigest()}</open-checksum>
<location href="repodata/primary.xml.gz"/><timestamp>1700000000</timestamp>
<size>{len(packed)}</size><open-size>{size}</open-size></data></repomd>
""")


def run(command, work):
    """Runs once without any cache; returns seconds, peak memory in MiB and what was said."""
    for cache in ("dnf", "cache", "root"):
        shutil.rmtree(f"{work}/{cache}", ignore_errors=True)
    read, write = os.pipe()
    start = time.monotonic()
    pid = os.fork()
    if pid == 0:
        os.dup2(write, 1)
        os.environ["XDG_CACHE_HOME"] = f"{work}/cache"
        os.execvp(command[0], command)
    os.close(write)
    with os.fdopen(read, encoding="utf-8") as said:
        text = said.read()
    _, status, usage = os.wait4(pid, 0)
    seconds = time.monotonic() - start
    if status:
        sys.exit(f"bench-metadata: {command[0]} failed")
    missing = [version for version in VERSIONS if version not in text]
    if missing:
        sys.exit(f"bench-metadata: {command[0]} did not find {missing}: {text}")
    return seconds, usage.ru_maxrss / 1024


def compare(rounds, work, words):
    at = words.index("--")
    commands = {"bundle": words[:at], "dnf": words[at + 1:]}
    taken = {name: [] for name in commands}
    for _ in range(rounds):
        # Alternating, so that a busy moment meets both.
        for name, command in commands.items():
            taken[name].append(run(command, work))
    medians = {}
    for name, results in taken.items():
        seconds = statistics.median(result[0] for result in results)
        memory = statistics.median(result[1] for result in results)
        spread = f"{min(r[0] for r in results):.2f}-{max(r[0] for r in results):.2f}"
        medians[name] = (seconds, memory)
        print(f"{name:<7} {seconds:8.2f} s ({spread})  {memory:8.1f} MiB peak")
    ratio = [ours / theirs for ours, theirs in zip(medians["bundle"], medians["dnf"])]
    verdict = "within" if max(ratio) <= 0.30 else "ABOVE"
    print(f"ratio   {ratio[0]:8.2f} in time, {ratio[1]:.2f} in memory: {verdict} the bound of 0.30")
    return 0 if max(ratio) <= 0.30 else 1


if sys.argv[1] == "make":
    make(sys.argv[2], int(sys.argv[3]))
else:
    sys.exit(compare(int(sys.argv[2]), sys.argv[3], sys.argv[4:]))
