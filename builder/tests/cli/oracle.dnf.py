"""What dnf would install. Reads lines `CASE REPO ROOT [NEVRA…]`; with NEVRAs, only those are there.

The same calls as `dnf download --resolve` makes, without the download."""

import sys
import tempfile

import dnf

for line in sys.stdin:
    case, repo, root, *only = line.split()
    with tempfile.TemporaryDirectory() as scratch:
        base = dnf.Base()
        base.conf.installroot = f"{scratch}/root"
        base.conf.cachedir = f"{scratch}/cache"
        base.conf.logdir = base.conf.persistdir = scratch
        base.conf.install_weak_deps = False
        base.conf.reposdir = []
        base.conf.substitutions["arch"] = base.conf.substitutions["basearch"] = "x86_64"
        base.conf.substitutions["releasever"] = "9"
        base.repos.add_new_repo("case", base.conf, baseurl=[f"file://{repo}"], gpgcheck=False)
        base.fill_sack(load_system_repo=False)
        if only:
            rest = [p for p in base.sack.query() if f"{p.name}-{p.version}-{p.release}" not in only]
            base.sack.add_excludes(base.sack.query().filterm(pkg=rest))
        try:
            base.install(root)
            base.resolve()
            names = sorted(f"{p.name}-{p.version}-{p.release}" for p in base.transaction.install_set)
            print(case, *names)
        except dnf.exceptions.Error:
            print(case, "NONE")
        base.close()
