//! The plan of a scene's run, and the product that it is about.

use std::collections::{BTreeMap, BTreeSet};

use installer::plan::extras::Extras;
use installer::plan::{
    DataChange, Group, InstallPlan, PLAN_TYPE, PlanKind, PlannedComponent, PlannedPackage,
    PlannedRpm, PlannedStore, StoreTerms,
};
use manifests::digest::Sha256;
use manifests::nevra::Arch;
use manifests::product::{
    BackupTree, Component, Engine, EngineRule, Expectation, Health, Hold, RedisSettings, Setting,
    Source, StoreRule, Versioning,
};
use manifests::signature::KeyId;

use crate::comes::Comes;
use crate::extra::{self, Beside};
use crate::fake::data;
use crate::fake::package::{Package, Packaged};
use crate::needs::{NEEDED, NEEDED_BESIDE};
use crate::scene::{Flaw, Part, Scene, config_path, program_path, unit_name};

impl Scene {
    /// Returns the plan of the run.
    pub(crate) fn plan(&self) -> InstallPlan {
        let [from, to] = [0, 1].map(|side| self.packages(side));
        let planned: Vec<PlannedComponent> = self
            .parts()
            .iter()
            .zip(&to)
            .enumerate()
            .map(|(at, (part, to))| PlannedComponent {
                component: component(part, self.uses_data(part)),
                from: from.get(at).map(|from| planned_rpm(part, from)),
                to: Some(planned_rpm(part, to)),
                config: if self.is_anew(part) {
                    Vec::new()
                } else {
                    self.forecasts(part)
                },
                files: Vec::new(),
                turned: Vec::new(),
            })
            .collect();
        let mut groups = self.groups(planned);
        groups[0].packages = self.needed().iter().map(brought).collect();
        if let (Some(group), Some(to)) = (groups.last_mut(), to.last()) {
            group.packages.extend(self.newcomers(from.last(), to));
        }
        if self.beside == Beside::Files {
            groups[0].extras.coming = extra::coming();
        }
        InstallPlan {
            document: PLAN_TYPE.to_owned(),
            kind: PlanKind::Upgrade,
            bundle: Sha256::of(b"bundle"),
            product: "fake".to_owned(),
            title: "Fake".to_owned(),
            version: "2.0".to_owned(),
            channel: "stable".to_owned(),
            sequence: 1,
            signers: signers(),
            downgrade_because: None,
            sequence_jump_because: None,
            extras_ignored_because: None,
            unhealthy_before: self.allowed(),
            health_budgets: BTreeMap::new(),
            distro: "el9".to_owned(),
            arch: Arch::X86_64,
            host: "Fake Linux 9".to_owned(),
            groups,
            current: Vec::new(),
            absent: Vec::new(),
            stores: self.stores(),
            bystanders: Vec::new(),
            idle: Vec::new(),
            idle_changes: BTreeMap::new(),
            dump_limit_secs: installer::plan::DUMP_LIMIT_SECS,
            dump_dir: None,
            chosen: Vec::new(),
            notes: Vec::new(),
        }
    }
}

impl Scene {
    fn groups(&self, planned: Vec<PlannedComponent>) -> Vec<Group> {
        if self.is_one_group {
            let components = planned;
            vec![Group {
                name: "all".to_owned(),
                components,
                packages: Vec::new(),
                extras: Extras::default(),
            }]
        } else {
            let group = |planned: PlannedComponent| Group {
                name: planned.component.name.clone(),
                components: vec![planned],
                packages: Vec::new(),
                extras: Extras::default(),
            };
            planned.into_iter().map(group).collect()
        }
    }

    /// Returns the packages of a component that comes anew, or under another name.
    fn newcomers(&self, from: Option<&Package>, to: &Package) -> Vec<PlannedPackage> {
        let whole = |package: &Package| PlannedPackage {
            name: package.name().to_owned(),
            own_directories: Vec::new(),
            bulk: format!("/opt/{}/", to.name()),
            ..brought(&(None, package.clone()))
        };
        let replaced = |from: &Package| {
            let planned = whole(from);
            PlannedPackage {
                from: planned.to,
                to: None,
                successor: Some(to.name().to_owned()),
                ..planned
            }
        };
        match (self.comes, from) {
            (Comes::Upgraded, _) => Vec::new(),
            (Comes::Renamed, Some(from)) => vec![whole(to), replaced(from)],
            _ => vec![whole(to)],
        }
    }

    fn allowed(&self) -> BTreeMap<String, String> {
        let flawed = self.parts()[self.flawed()].name.to_owned();
        let reason = "it complains since spring".to_owned();
        let allowed = (self.flaw == Flaw::IllBefore).then_some((flawed, reason));
        allowed.into_iter().collect()
    }

    fn uses_data(&self, part: &Part) -> bool {
        let mut users = self.data_users().iter();
        self.has_data && users.any(|user| user.name == part.name)
    }

    fn stores(&self) -> Vec<PlannedStore> {
        if !self.has_data {
            return Vec::new();
        }
        let users = self.data_users().iter().map(|part| part.name.to_owned());
        let rewritten = PlannedStore {
            name: "relay-data".to_owned(),
            title: "rows".to_owned(),
            engine: Engine::Redis,
            endpoint: format!("redis {}:{}", data::HOST, data::PORT),
            users: users.collect(),
            group: if self.is_one_group { "all" } else { "relay" }.to_owned(),
            may_be_empty: false,
            cache: false,
            exclude: Vec::new(),
            elsewhere: None,
            change: Some(DataChange::Migrated {
                title: "the relay rewrites its rows".to_owned(),
            }),
            terms: StoreTerms::default(),
        };
        let left_alone = PlannedStore {
            name: "relay-log".to_owned(),
            endpoint: format!("redis {}:{}", data::HOST, data::OTHER_PORT),
            change: None,
            ..rewritten.clone()
        };
        vec![rewritten, left_alone]
    }
}

fn store_rule(id: &str, port: &str) -> StoreRule {
    let fixed = |default: &str| Setting {
        default: default.to_owned(),
        ..Setting::default()
    };
    StoreRule {
        id: id.to_owned(),
        title: "rows".to_owned(),
        only_if: None,
        each: None,
        engine: EngineRule {
            setting: fixed("redis"),
            names: [("redis".to_owned(), Engine::Redis)].into(),
            ignore_case: false,
            no_store: Vec::new(),
            not_dumped: BTreeMap::new(),
            subtype: None,
        },
        may_be_empty: false,
        cache: false,
        exclude: Vec::new(),
        redis: Some(RedisSettings {
            host: fixed(data::HOST),
            port: fixed(port),
            ..RedisSettings::default()
        }),
        database: None,
    }
}

/// The signers of the bundle, as far as a run needs them.
fn signers() -> BTreeSet<KeyId> {
    "0123456789abcdef".parse().into_iter().collect()
}

fn brought((from, to): &(Option<Package>, Package)) -> PlannedPackage {
    let both = || from.iter().chain([to]).flat_map(|package| &package.files);
    let times = |path: &str| both().filter(|file| file.path == path).count();
    let mut files: Vec<String> = both()
        .map(|file| file.path.clone())
        .filter(|path| times(path) == 1)
        .collect();
    let config = both().filter(|file| file.is_config());
    files.extend(config.flat_map(|file| {
        [".rpmnew", ".rpmsave", ".rpmorig"].map(|suffix| format!("{}{suffix}", file.path))
    }));
    let own_directories = match from {
        Some(_) => Vec::new(),
        None => [NEEDED, NEEDED_BESIDE].map(str::to_owned).to_vec(),
    };
    PlannedPackage {
        name: to.name().to_owned(),
        reason: "needed".to_owned(),
        from: from.as_ref().map(|package| planned_package(package, None)),
        to: Some(planned_package(to, None)),
        config: Vec::new(),
        files,
        own_directories,
        bulk: NEEDED.to_owned(),
        successor: None,
        turned: Vec::new(),
    }
}

fn component(part: &Part, has_data: bool) -> Component {
    let name = part.name;
    let setting = |default: &str| Setting {
        default: default.to_owned(),
        ..Setting::default()
    };
    Component {
        name: name.to_owned(),
        title: name.to_owned(),
        package: name.to_owned(),
        repository: "fake".to_owned(),
        versioning: Versioning::Lead,
        unit: Some(unit_name(name)),
        hold: Hold::Full,
        packages: Vec::new(),
        program: Some(program_path(name)),
        config: vec![config_path(name)],
        config_flags: Vec::new(),
        config_unless: None,
        environment: vec![format!("/etc/sysconfig/{name}")],
        references: Vec::new(),
        tools: Vec::new(),
        stores: if has_data {
            vec![
                store_rule("data", data::PORT),
                store_rule("log", data::OTHER_PORT),
            ]
        } else {
            Vec::new()
        },
        backup: vec![BackupTree {
            path: format!("/opt/{name}"),
            exclude: vec![program_path(name)],
        }],
        health: Some(Health {
            address: setting("127.0.0.1"),
            host_name: Setting::default(),
            port: Setting {
                from: vec![Source::Pointer("/port".to_owned())],
                default: "1".to_owned(),
                ..Setting::default()
            },
            path: setting("health"),
            tls: setting("false"),
            expect: vec![Expectation {
                pointer: "/status".to_owned(),
                any_of: vec!["pass".to_owned()],
            }],
            version_pointer: Some("/version".to_owned()),
            consecutive: 2,
            interval_ms: 500,
            timeout_ms: 1000,
            budget_secs: 2,
        }),
    }
}

fn planned_rpm(part: &Part, package: &Package) -> PlannedRpm {
    planned_package(package, package.file(&program_path(part.name)))
}

fn planned_package(package: &Package, program: Option<&Packaged>) -> PlannedRpm {
    let bytes = package.to_rpm();
    PlannedRpm {
        nevra: package.nevra.clone(),
        build_time: package.build_time,
        sha256: Sha256::of(&bytes),
        size_bytes: bytes.len() as u64,
        installed_bytes: 1000,
        program_sha256: program.map(Packaged::digest),
        directories: package.directories(),
    }
}
