//! The hosts that the matrix is run over: a product of three components, old and new, and what goes
//! wrong with it.

use std::collections::BTreeMap;

use installer::preflight::Backup;

use crate::comes::Comes;
use crate::edits::{Edits, LETTER, letter_of};
use crate::extra::{self, Beside};
use crate::fake::package::{Deed, FileKind, Package, Packaged, Scriptlet, When};
use crate::fake::rpmdb::Flavour;
use crate::fake::service::{Answers, Program};
use crate::needs::NEEDED_BESIDE;

/// When the old and the new packages were built.
pub(crate) const BUILT: [u64; 2] = [1_600_000_000, 1_650_000_000];

/// What is wrong with a scene.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// Nothing: the run ends as done.
    None,
    /// The new version of the second component never answers.
    Ill,
    /// Both versions of the second component complain; the operator allows it.
    IllBefore,
    /// The new version of the first component does not start.
    Crashing,
    /// A scriptlet of the second component exits with an error: of the new package with `Pre` and
    /// `Post`, of the old one with `Preun` and `Postun`.
    Scriptlet(When),
    /// The new version of the second component is ill, and its `%preun` fails on the way back.
    IllWithFailingPreun,
    /// The `%preun` of its new version fails: an undo runs it, an upgrade does not.
    NewPreun,
}

/// What kind of run a scene is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// To the new versions.
    Upgrade,
    /// Back from them.
    Undo,
    /// The data of before an upgrade, put back.
    Restore,
}

/// A host and what is to be done with it.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each names a feature of a scene"
)]
#[derive(Debug, Clone)]
pub(crate) struct Scene {
    pub(crate) flavour: Flavour,
    pub(crate) flaw: Flaw,
    /// All components in one transaction, instead of one each.
    pub(crate) is_one_group: bool,
    /// What kind of run it is.
    pub(crate) kind: Kind,
    /// How many of the three components there are.
    pub(crate) components: usize,
    /// How the last one's new version comes.
    pub(crate) comes: Comes,
    /// Whether the new version of the first one needs a package that the host does not have.
    pub(crate) has_need: bool,
    /// What comes beside the first one's package.
    pub(crate) beside: Beside,
    /// Whether the components keep data in a store, which the first one's new version rewrites.
    pub(crate) has_data: bool,
    /// Whether the first component alone uses that store.
    pub(crate) data_are_its_own: bool,
    /// What becomes of edits of the first one's plain files.
    pub(crate) edits: Edits,
    /// What becomes of backups when a run is closed.
    pub(crate) backup: Backup,
}

/// A component of the scene.
pub(crate) struct Part {
    pub(crate) name: &'static str,
    pub(crate) port: u16,
    config: FileKind,
}

/// The relay's configuration file is kept beside a new default, the console's is replaced, the
/// worker's is not edited.
const PARTS: [Part; 3] = [
    Part {
        name: "relay",
        port: 8101,
        config: FileKind::NoReplace,
    },
    Part {
        name: "console",
        port: 8102,
        config: FileKind::Config,
    },
    Part {
        name: "worker",
        port: 8103,
        config: FileKind::Config,
    },
];

impl Part {
    /// The worker was stopped and disabled by its operator.
    pub(crate) fn is_enabled(&self) -> bool {
        self.name != "worker"
    }
}

impl Scene {
    pub(crate) const fn new(flavour: Flavour, flaw: Flaw) -> Self {
        Self {
            flavour,
            flaw,
            is_one_group: false,
            kind: Kind::Upgrade,
            components: 3,
            comes: Comes::Upgraded,
            has_need: false,
            beside: Beside::Nothing,
            has_data: false,
            data_are_its_own: false,
            edits: Edits::Overwritten,
            backup: Backup::StaysPlain,
        }
    }

    pub(crate) fn name(&self) -> String {
        let kind = match self.kind {
            Kind::Undo => "undo",
            Kind::Restore => "restore",
            Kind::Upgrade => "upgrade",
        };
        let groups = if self.is_one_group {
            " in one group"
        } else {
            ""
        };
        let comes = self.comes.text();
        let needs = if self.has_need { " and a need" } else { "" };
        let extra = match self.beside {
            Beside::Nothing => "",
            Beside::Files => " and an extra",
        };
        let data = match (self.has_data, self.data_are_its_own) {
            (true, true) => " with data of one",
            (true, false) => " with data",
            (false, _) => "",
        };
        let carries = if self.carries() { " with edits" } else { "" };
        let seal = match self.backup {
            Backup::StaysPlain => "",
            Backup::IsSealed => ", sealed",
        };
        let (number, flaw, flavour) = (self.components, self.flaw, self.flavour);
        format!(
            "{kind} of {number}{comes}{needs}{extra}{data}{carries}{groups}, {flaw:?}, {flavour:?}{seal}"
        )
    }

    /// Whether an undisturbed run reaches its target.
    pub(crate) fn ends_done(&self) -> bool {
        match self.flaw {
            Flaw::None | Flaw::IllBefore => true,
            Flaw::NewPreun => self.kind != Kind::Undo,
            _ => false,
        }
    }

    /// The component that has the flaw: the second, if there are several.
    pub(crate) fn flawed(&self) -> usize {
        (self.components - 1).min(1)
    }

    /// Returns the components that use the store.
    pub(crate) fn data_users(&self) -> &'static [Part] {
        if self.data_are_its_own {
            &PARTS[..1]
        } else {
            self.parts()
        }
    }

    pub(crate) fn parts(&self) -> &'static [Part] {
        &PARTS[..self.components]
    }

    /// Returns the packages before (0) and after (1) the run.
    pub(crate) fn packages(&self, side: usize) -> Vec<Package> {
        let numbered = self.parts().iter().enumerate();
        numbered
            .filter(|(_, part)| side == 1 || !self.is_anew(part))
            .map(|(at, part)| self.package(part, at, side))
            .collect()
    }

    fn package(&self, part: &Part, at: usize, side: usize) -> Package {
        let name = part.name;
        let version = ["1.4.2", "2.0.0"][side];
        let plain = |path: String, content: String, mode: u32| Packaged {
            path,
            mode,
            content,
            kind: FileKind::Plain,
        };
        let file = |name_: &str, text: &str| {
            plain(
                format!("/opt/{name}/{name_}"),
                format!("{text} of {name} {version}\n"),
                0o644,
            )
        };
        let mut files = vec![
            plain(
                program_path(name),
                self.program(part, at, side).text(),
                0o755,
            ),
            Packaged {
                kind: part.config,
                ..plain(config_path(name), default_config(part, side), 0o640)
            },
            file("policies.json", "policies"),
            plain(unit_path(name), unit_text(name), 0o644),
        ];
        files.push(if side == 0 {
            file("legacy/old.lua", "a plugin")
        } else {
            file("plugins/new.lua", "a plugin")
        });
        if name == "relay" && self.carries() {
            files.push(plain(LETTER.to_owned(), letter_of(version), 0o644));
        }
        if name == "relay" {
            let text = "[Timer]\nUnit=relay.service\n".to_owned();
            files.push(plain(
                "/usr/lib/systemd/system/relay.timer".to_owned(),
                text,
                0o644,
            ));
        }
        let (own, obsoletes) = self.names(part, side);
        Package {
            nevra: format!("{own}-{version}-1.x86_64")
                .parse()
                .expect("a NEVRA"),
            build_time: BUILT[side],
            obsoletes,
            files,
            scriptlets: self.scriptlets(part, at, side),
        }
    }

    fn program(&self, part: &Part, at: usize, side: usize) -> Program {
        let is_ill = matches!(self.flaw, Flaw::Ill | Flaw::IllWithFailingPreun);
        let crashes = self.flaw == Flaw::Crashing && (at, side) == (0, 1);
        Program {
            version: ["1.4.2", "2.0.0"][side].to_owned(),
            port: part.port,
            config: config_path(part.name),
            answers: match (at, side) {
                (bad, 1) if is_ill && bad == self.flawed() => Answers::Nothing,
                (bad, _) if self.flaw == Flaw::IllBefore && bad == self.flawed() => Answers::Fail,
                _ => Answers::Pass,
            },
            // Only the relay's new version migrates its configuration.
            schema: if crashes {
                0
            } else {
                [1, 2][side.min(1 - at.min(1))]
            },
            // The other components use the data unchanged.
            data: (self.has_data && at == 0).then_some([1, 2][side]),
        }
    }

    /// Like the vendor's: `%post` restarts the service on every upgrade (and enables the worker's),
    /// and the old package's `%postun` then stops it.
    fn scriptlets(&self, part: &Part, at: usize, side: usize) -> Vec<Scriptlet> {
        let unit = unit_name(part.name);
        let mut post = vec![Deed::Reload, Deed::Restart(unit.clone())];
        if part.name == "worker" {
            post.push(Deed::Enable(unit.clone()));
        }
        // Before rpm lists the new package, its first scriptlet may have changed data.
        let is_flawed = (at, side) == (self.flawed(), 1);
        let rewrites = self.has_data && is_flawed && self.flaw == Flaw::Scriptlet(When::Pre);
        let pre = rewrites.then_some(Deed::RewriteData);
        let deeds = [
            (When::Pre, pre.into_iter().collect()),
            (When::Post, post),
            (When::Preun, Vec::new()),
            (When::Postun, vec![Deed::Stop(unit), Deed::Reload]),
        ];
        let fails = |when: When| match self.flaw {
            Flaw::Scriptlet(bad) => {
                let bad_side = usize::from(matches!(bad, When::Pre | When::Post));
                when == bad && (at, side) == (self.flawed(), bad_side)
            }
            Flaw::IllWithFailingPreun | Flaw::NewPreun => {
                when == When::Preun && (at, side) == (self.flawed(), 1)
            }
            _ => false,
        };
        let scriptlet = |(when, does)| Scriptlet {
            when,
            does,
            fails: fails(when),
        };
        deeds.into_iter().map(scriptlet).collect()
    }

    /// Returns what people and time have added to the packages: path, content, mode.
    pub(crate) fn edits(&self) -> BTreeMap<String, (String, u32)> {
        let mut edits = BTreeMap::new();
        let mut edit = |path: &str, content: String, mode: u32| {
            edits.insert(path.to_owned(), (content, mode));
        };
        let own = |part: &Part| default_config(part, 0).replace("vendor", "the operator");
        edit("/opt/relay/relay.conf", own(&PARTS[0]), 0o600);
        edit(
            "/opt/relay/policies.json",
            "our own policies\n".to_owned(),
            0o644,
        );
        edit("/opt/relay/certs/own.pem", "a secret\n".to_owned(), 0o400);
        edit(
            "/opt/relay/relay.conf.rpmsave",
            "from an earlier upgrade\n".to_owned(),
            0o640,
        );
        edit(
            "/opt/relay/blob;5fa00000",
            "looks like rpm's, is not\n".to_owned(),
            0o644,
        );
        edit("/opt/console/console.conf", own(&PARTS[1]), 0o640);
        edit("/etc/sysconfig/console", "LEVEL=debug\n".to_owned(), 0o640);
        let limits = "[Service]\nLimitNOFILE=80000\n".to_owned();
        edit(
            "/etc/systemd/system/relay.service.d/limits.conf",
            limits,
            0o644,
        );
        let parts = self.parts();
        let there = || parts.iter().filter(|part| !self.is_anew(part));
        edits.retain(|path, _| there().any(|part| path.contains(part.name)));
        edits.extend(self.edited_letter());
        if self.has_need {
            let tool = format!("{NEEDED_BESIDE}/tool");
            edits.insert(tool, ("put there by hand\n".to_owned(), 0o755));
            edits.insert("/etc/codec.conf".to_owned(), ("edited\n".to_owned(), 0o600));
        }
        if self.beside == Beside::Files {
            edits.extend(extra::before());
        }
        edits
    }
}

pub(crate) fn program_path(name: &str) -> String {
    format!("/opt/{name}/{name}d")
}

pub(crate) fn config_path(name: &str) -> String {
    format!("/opt/{name}/{name}.conf")
}

pub(crate) fn unit_name(name: &str) -> String {
    format!("{name}.service")
}

fn unit_path(name: &str) -> String {
    format!("/usr/lib/systemd/system/{name}.service")
}

/// The console needs the relay, and so stops with it.
fn unit_text(name: &str) -> String {
    let requires = if name == "console" {
        "Requires=relay.service\n"
    } else {
        ""
    };
    format!(
        "[Unit]\n{requires}[Service]\nExecStart={}\n",
        program_path(name)
    )
}

fn default_config(part: &Part, side: usize) -> String {
    // The worker's default is the same in both versions.
    let default = if part.name == "worker" { 0 } else { side };
    let number = part.port;
    format!("{{\"owner\":\"vendor\",\"port\":{number},\"schema\":1,\"default\":{default}}}\n")
}
