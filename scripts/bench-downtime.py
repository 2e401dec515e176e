"""Seconds in which each service does not answer, by `install` and by the vendor's guide.

Two hosts of one layer take the same packages in one run: one by `install`, one by the guide's own
steps (services stopped for the dumps, rpm -U, restart). Each is done without much data and with a
Redis of many keys. Prints a table with ratios; `scripts/bench downtime` builds what it needs.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SERVICES = {"gateway": "8080/hello", "dashboard": "3000/hello", "pump": "8083/health"}

# Asks every 50 ms, each service by a loop of its own, and writes the time and whether it answered.
WATCH = r"""
for one in gateway=8080/hello dashboard=3000/hello pump=8083/health; do
  (while [ ! -e /root/watch-ends ]; do
    code=$(curl -s -o /dev/null -m 1 -w '%{http_code}' "http://127.0.0.1:${one#*=}" || true)
    echo "$EPOCHREALTIME $code"
    sleep 0.05
  done) >"/root/watch-${one%%=*}" &
done
wait
"""

# The vendor's guide: configuration, dumps with the services stopped, packages, restart.
GUIDE = r"""
set -e
mkdir -p /root/guide
for dir in /opt/tyk-gateway /opt/tyk-dashboard /opt/tyk-pump; do
  cp -a "$dir"/*.conf /root/guide/
done
systemctl stop tyk-pump tyk-gateway tyk-dashboard
redis-cli SAVE >/dev/null
cp "$(redis-cli CONFIG GET dir | tail -n 1)/dump.rdb" /root/guide/dump.rdb
runuser -u postgres -- pg_dump -Fc tyk_analytics >/root/guide/tyk_analytics.dump
rpm -U --oldpackage /root/packages/*.rpm
systemctl restart tyk-dashboard
systemctl restart tyk-gateway
systemctl restart tyk-pump
"""

FILL = """
for i = 1, tonumber(ARGV[1]) do
  redis.call('set', 'apikey-' .. i, '{"org_id":"5e9d9544a1dcd60001d0ed20","rate":1000,"per":60}')
end
"""


def call(*words, **options):
    return subprocess.run([str(word) for word in words], check=True, text=True, **options)


class Host:
    """A host of the lab that runs the old version."""

    def __init__(self, lab, name, keys):
        self.lab, self.name = lab, name
        call(lab, "host", "start", name, "--layer", "tyk-5.2.5", stdout=subprocess.DEVNULL)
        call(lab, "host", "stores", name, "--fill", stdout=subprocess.DEVNULL)
        if keys:
            self.run("redis-cli", "EVAL", FILL, "0", str(keys))

    def run(self, *words, **options):
        options.setdefault("stdout", subprocess.DEVNULL)
        return call(self.lab, "host", "exec", self.name, "--", *words, **options)

    def push(self, source, path, mode="0644"):
        call(self.lab, "host", "push", self.name, source, path, "--mode", mode)

    def read(self, path):
        return self.run("cat", path, stdout=subprocess.PIPE).stdout

    def stop(self):
        subprocess.run([self.lab, "host", "stop", self.name], stdout=subprocess.DEVNULL)

    def outages(self, change):
        """Runs `change` while all services are asked; returns the seconds without an answer."""
        self.run("touch", *(f"/root/watch-{name}" for name in SERVICES))
        watch = subprocess.Popen(
            [self.lab, "host", "exec", self.name, "--", "bash", "-c", WATCH]
        )
        try:
            self.wait_until_well(0)
            change()
            self.wait_until_well(time.time())
        finally:
            self.run("touch", "/root/watch-ends")
            watch.wait()
        return {name: outage(self.looks(name)) for name in SERVICES}

    def looks(self, name):
        lines = self.read(f"/root/watch-{name}").splitlines()
        whole = [line.split() for line in lines if line.count(" ") == 1]
        return [(float(at), code == "200") for at, code in whole]

    def wait_until_well(self, since):
        """Waits until each service answered after a moment; ends with the reader's patience."""
        for name in SERVICES:
            while not any(at > since and well for at, well in self.looks(name)[-3:]):
                time.sleep(0.5)


def outage(looks):
    """Adds up the times from a last answer to the next one, where a look between had none."""
    total, last, silent = 0.0, None, False
    for at, well in looks:
        if well:
            if silent and last is not None:
                total += at - last
            last, silent = at, False
        else:
            silent = True
    return total


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", type=Path, required=True)
    parser.add_argument("--installer", type=Path, required=True)
    parser.add_argument("--keys", type=int, default=2_000_000)
    options = parser.parse_args()
    lab = options.bin / "lab"
    work = tempfile.TemporaryDirectory()
    dir = Path(work.name)
    os.environ["XDG_CONFIG_HOME"] = str(dir / "config")
    subprocess.run([lab, "vendor", "stop"], capture_output=True)
    call(lab, "vendor", "start", "--profile", "bad", stdout=subprocess.DEVNULL)
    hosts = []
    try:
        info = json.loads(call(lab, "vendor", "info", stdout=subprocess.PIPE).stdout)
        bundle = dir / "bundle.tar.zst"
        call(
            options.bin / "bundle", "build", "--version", "5.3", "--distro", "el8",
            "--product", info["product_file"], "--without-installer", "x86_64",
            "--out", bundle, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        call("tar", "--zstd", "-xf", bundle, "-C", dir)
        targets = json.loads((dir / "manifest.json").read_text())
        rows = []
        for keys in (0, options.keys):
            for way in ("guide", "install"):
                print(f"{way}, {keys} keys more in Redis", file=sys.stderr)
                host = Host(lab, f"downtime-{os.getpid()}-{way}-{keys}", keys)
                hosts.append(host)
                change = prepare(host, way, options, dir, bundle, targets)
                rows.append((keys, way, host.outages(change)))
                host.stop()
        print_table(rows)
    finally:
        for host in hosts:
            host.stop()
        subprocess.run([lab, "vendor", "stop"], capture_output=True)
        work.cleanup()


def prepare(host, way, options, dir, bundle, manifest):
    if way == "guide":
        host.run("mkdir", "-p", "/root/packages")
        for package in target_files(manifest):
            host.push(dir / package, f"/root/packages/{Path(package).name}")
        return lambda: host.run("bash", "-c", GUIDE)
    host.push(bundle, "/root/bundle.tar.zst")
    host.push(options.installer, "/root/install", "0755")
    root = dir / "root.json"
    host.push(root, "/root/root.json")
    fingerprint = call("sha256sum", root, stdout=subprocess.PIPE).stdout.split()[0]
    host.run("/root/install", "trust", "add", "/root/root.json", "--fingerprint", fingerprint)
    return lambda: host.run("/root/install", "/root/bundle.tar.zst", stderr=subprocess.DEVNULL)


def target_files(manifest):
    uses = [(rpm["path"], use["role"]) for rpm in manifest["rpms"] for use in rpm["uses"]]
    return [path for path, role in uses if role == "target"]


def print_table(rows):
    by_guide = {keys: outages for keys, way, outages in rows if way == "guide"}
    print("| keys in Redis | way | service | no answer, s | of the guide's |")
    print("|---|---|---|---|---|")
    for keys, way, outages in rows:
        for name, seconds in outages.items():
            ratio = seconds / by_guide[keys][name] if by_guide[keys][name] else float("nan")
            print(f"| {keys:,} | {way} | {name} | {seconds:.1f} | {ratio:.2f} |")


if __name__ == "__main__":
    main()
