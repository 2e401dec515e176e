"""Download times of dnf, curl, aria2c and `bundle` from nginx on this machine, in one run.

Each round runs every tool once, in a new order, from an empty directory; what is printed are medians
and ratios of them. Files are random bytes in the sizes of real packages (payloads do not compress).
"""

import argparse, hashlib, os, random, shlex, shutil, socket, statistics, subprocess, tempfile, time

parser = argparse.ArgumentParser()
parser.add_argument("--fetch", required=True)
parser.add_argument("--runs", type=int, default=5)
parser.add_argument("--files", type=int, default=6)
parser.add_argument("--mb", type=int, default=60)
parser.add_argument("--connections", type=int, default=64)
parser.add_argument("--jobs", type=int, default=6)
args = parser.parse_args()

work = tempfile.mkdtemp(prefix="bench-")
root = os.path.join(work, "www")
os.mkdir(root)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def make_files():
    """Real RPM headers are small; createrepo_c wants real RPMs, so a tiny one is built and padded."""
    names = []
    for at in range(args.files):
        name = f"bench{at}-1-1.noarch.rpm"
        spec = os.path.join(work, "spec")
        payload = os.path.join(work, "payload")
        with open(payload, "wb") as out:
            for _ in range(args.mb):
                out.write(random.Random(os.urandom(8)).randbytes(1_000_000))
        with open(spec, "w") as out:
            out.write(f"Name: bench{at}\nVersion: 1\nRelease: 1\nSummary: x\nLicense: MIT\nBuildArch: noarch\n"
                      f"%description\nx\n%install\nmkdir -p %{{buildroot}}/opt\ncp {payload} %{{buildroot}}/opt/{at}\n"
                      f"%files\n/opt/{at}\n")
        subprocess.run(["rpmbuild", "-bb", "--quiet", "--define", f"_topdir {work}/rb",
                        "--define", "_binary_payload w1.gzdio", "--define", "__os_install_post %{nil}", spec],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        shutil.move(f"{work}/rb/RPMS/noarch/{name}", root)
        names.append(name)
    subprocess.run(["createrepo_c", "--quiet", root], check=True)
    return names


def nginx(port, limit):
    conf = os.path.join(work, f"nginx-{port}.conf")
    rate = f"limit_rate {limit};" if limit else ""
    temp = "".join(f"{kind}_temp_path {work}/{kind};\n" for kind in
                   ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    with open(conf, "w") as out:
        out.write(f"daemon off; worker_processes 1; user root; pid {conf}.pid; error_log {work}/error.log;\n"
                  f"events {{ worker_connections 1024; }}\nhttp {{ access_log off; sendfile on;\n{temp}"
                  f"server {{ listen 127.0.0.1:{port}; root {root}; {rate} }} }}\n")
    child = subprocess.Popen(["nginx", "-c", conf], stderr=subprocess.DEVNULL)
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return child
        except OSError:
            time.sleep(0.05)
    raise SystemExit("nginx does not answer")


def measure(command, stdin, directory):
    begun = time.monotonic()
    child = subprocess.Popen(command, cwd=directory, stdin=subprocess.PIPE,
                             stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    child.stdin.write(stdin.encode())
    child.stdin.close()
    errors = child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        raise SystemExit(f"{command[0]}: {errors.decode()[-500:]}")
    return time.monotonic() - begun, usage.ru_maxrss / 1024


def checked(command):
    """The same, and the digests compared, as `bundle` does: from a list on standard input."""
    return ["sh", "-c", f"{shlex.join(command)} && sha256sum -c --quiet -"]


def tools(url, names, directory, listing, sums):
    repo = f"--repofrompath=bench,{url}"
    urls = "\n".join(f"{url}/{name}" for name in names)
    curl = ["curl", "-Z", "--parallel-max", "16", "-s"]
    for name in names:
        curl += ["-O", f"{url}/{name}"]
    aria = ["aria2c", "-q", "-x16", "-s16", "-k1M", f"-j{len(names)}", "--allow-overwrite=true", "-i", "-"]
    dnf = ["dnf", "-q", "--releasever=1", "reposync", repo, "--repoid=bench", "--nogpgcheck", f"--setopt=cachedir={directory}/c",
           f"--setopt=reposdir={directory}", "-p", directory]
    ours = [os.path.abspath(args.fetch), f"{directory}/cache", str(args.connections), str(args.jobs)]
    lines = "".join(f"{sums[name]}  {name}\n" for name in names)
    return {"bundle": (ours, listing), "aria2c -x16": (aria, urls), "curl -Z": (curl, ""),
            "curl -Z, sha256sum": (checked(curl), lines), "dnf reposync": (dnf, "")}


def bench(title, url, names, listing, sums):
    times, peaks = {}, {}
    for _ in range(args.runs):
        order = ["bundle", "aria2c -x16", "curl -Z", "curl -Z, sha256sum", "dnf reposync"]
        random.shuffle(order)
        for tool in order:
            directory = tempfile.mkdtemp(dir=work)
            command, stdin = tools(url, names, directory, listing, sums)[tool]
            took, peak = measure(command, stdin, directory)
            times.setdefault(tool, []).append(took)
            peaks[tool] = max(peak, peaks.get(tool, 0))
            shutil.rmtree(directory)
    median = {tool: statistics.median(values) for tool, values in times.items()}
    print(f"\n{title}\n| tool | median s | least..most | bundle / tool | peak MiB |\n|---|---|---|---|---|")
    for tool, values in sorted(times.items(), key=lambda item: median[item[0]]):
        ratio = median["bundle"] / median[tool]
        print(f"| {tool} | {median[tool]:.2f} | {min(values):.2f}..{max(values):.2f} | {ratio:.2f} | {peaks[tool]:.0f} |",
              flush=True)


servers = []
try:
    names = make_files()
    total = sum(os.path.getsize(os.path.join(root, name)) for name in names)
    print(f"{len(names)} files, {total / 1e6:.0f} MB, {args.runs} rounds, bundle with {args.connections} connections "
          f"for {args.jobs} files; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)
    sums = {}
    for name in names:
        with open(os.path.join(root, name), "rb") as file:
            sums[name] = hashlib.file_digest(file, "sha256").hexdigest()
    for title, limit in (("10 MB/s for each connection", "10m"), ("no limit", None)):
        port = free_port()
        servers.append(nginx(port, limit))
        url = f"http://127.0.0.1:{port}"
        listing = "".join(f"{url}/{n} {os.path.getsize(os.path.join(root, n))} {sums[n]}\n" for n in names)
        bench(title, url, names, listing, sums)
finally:
    for server in servers:
        server.terminate()
        server.wait()
    shutil.rmtree(work)
