//! Restores a dump: the server's unit is stopped, its files are moved aside, the dump takes their
//! place, the unit is started, and the keys are counted. Each step is recorded first (`progress`),
//! so that an interrupted restore continues where it was.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::Duration;

use super::super::site::Site;
use super::access::{RedisAccess, RedisKind};
use super::aside;
use super::client::{Server, field, keys};
use super::error::Kind;
use super::find::{self, WHOLE};
use super::progress::{Course, ProgressFile};
use super::prove::{self, Proof};
use super::server_files::{self, Append, Home, by_hand};
use crate::failure::chain;
use crate::host::{HostError, UnitAction};
use crate::secure_fs::FsError;
use crate::stores::StoreError;
use crate::stores::engine::Restoring;

const PAUSE: Duration = Duration::from_millis(200);
/// Free space that must remain beside the dump.
const RESERVE: u64 = 16 * 1024 * 1024;

/// What a restore works with.
struct Work<'a> {
    server: Server<'a>,
    dump: &'a File,
    proof: Proof,
    run: u64,
    site: &'a Site<'a>,
}

/// Restores a server of this host.
pub(super) fn restore(
    access: &RedisAccess,
    restoring: &Restoring<'_>,
    site: &Site<'_>,
) -> Result<Vec<String>, StoreError> {
    let (RedisKind::Single, [address, ..]) = (&access.kind, access.addresses.as_slice()) else {
        return Err(StoreError::new(
            "a Redis of several servers",
            "it is not restored from one of its hosts",
            by_hand(),
        ));
    };
    let [part] = restoring.parts else {
        return Err(StoreError::new(
            "the dump of Redis",
            format!(
                "it has {} parts, and a server has one",
                restoring.parts.len()
            ),
            "choose the dump that was made of this server",
        ));
    };
    if part.name != WHOLE {
        return Err(StoreError::new(
            format!("the dump `{}` of Redis", part.name),
            "it is that of a member of a cluster",
            by_hand(),
        ));
    }
    let proof = prove::prove(&part.name, &part.file, site.left())?;
    if restoring.items.is_some_and(|items| items != proof.keys) {
        return Err(StoreError::new(
            format!("the dump `{}`", part.name),
            format!(
                "it holds {} keys and was proven to hold another number",
                proof.keys
            ),
            "choose another dump",
        ));
    }
    let work = Work {
        server: Server::new(access, address),
        dump: &part.file,
        proof,
        run: restoring.run,
        site,
    };
    let progress_file = ProgressFile::new(site.layout, restoring.run, address);
    work.run(&progress_file)
}

impl Work<'_> {
    fn run(&self, progress_file: &ProgressFile) -> Result<Vec<String>, StoreError> {
        let mut course = match progress_file.read()? {
            Some(course) if self.goes_on(&course)? => course,
            _ => self.begin()?,
        };
        let touched =
            |course: &Course, what: &str, error: FsError| self.failed(course, what, &chain(&error));
        let written = |course: &Course| {
            let written = progress_file.write(course);
            written.map_err(|error| touched(course, "writing down how far it is", error))
        };
        written(&course)?;
        if !course.is_placed {
            self.stop(&course)?;
            if course.old.is_none() {
                let found = aside::old(&course.home);
                course.old = Some(found.map_err(|error| touched(&course, "its files", error))?);
                written(&course)?;
            }
            aside::move_aside(&course)
                .map_err(|error| touched(&course, "moving its files aside", error))?;
            aside::put(&course, self.dump, self.site.host.now())
                .map_err(|error| touched(&course, "putting the dump in their place", error))?;
            course.is_placed = true;
            written(&course)?;
        }
        let found = self.start(&course)?;
        let notes = self.compare(&course, &found)?;
        progress_file
            .remove()
            .map_err(|error| self.failed(&course, "removing its record", &chain(&error)))?;
        Ok(notes)
    }

    /// Whether an unfinished restore can continue. It cannot if the server was started since then
    /// with half of its files: that server has a new history.
    fn goes_on(&self, course: &Course) -> Result<bool, StoreError> {
        if course.dump != self.checksum()? {
            return Ok(false);
        }
        let unit = self.asked(&course.home, self.site.host.unit(&course.home.unit))?;
        let is_first = course.home.place.process.is_alive(self.site.host);
        Ok(course.is_placed || !unit.is_up() || (is_first && course.old.is_none()))
    }

    fn checksum(&self) -> Result<Vec<u8>, StoreError> {
        let mut end = vec![0; 8];
        let read = self.dump.metadata().and_then(|found| {
            let start = found.len().saturating_sub(8);
            self.dump.read_exact_at(&mut end, start)
        });
        read.map_err(|error| StoreError::new("the dump", error.to_string(), "look at the disk"))?;
        Ok(end)
    }

    /// Collects all facts while the server runs, and refuses a restore that cannot end well.
    fn begin(&self) -> Result<Course, StoreError> {
        let info = find::whole_info(&self.server, self.site)?;
        let home = server_files::learn(&self.server, &info, self.site)?;
        let no = |why: String, next: String| {
            let what = format!("Redis at {} ({})", self.server.address, home.unit);
            Err(StoreError::new(what, why, next))
        };
        let state = self.asked(&home, self.site.host.unit(&home.unit))?;
        for dependent in &state.dependents {
            if self.asked(&home, self.site.host.unit(dependent))?.is_up() {
                return no(
                    format!("{dependent} would stop with it, and not start again"),
                    format!("stop {dependent}, run again, and start it afterwards"),
                );
            }
        }
        let dir = Path::new(&home.place.dir);
        let space = self.asked(&home, self.site.host.space(dir))?;
        let bytes = self.dump.metadata().map_or(u64::MAX, |found| found.len());
        let needed = bytes
            .saturating_mul(aside::copies(&home))
            .saturating_add(RESERVE);
        if space.free_bytes < needed {
            return no(
                format!(
                    "{} has {} bytes free, and {needed} are needed",
                    home.place.dir, space.free_bytes
                ),
                "make room there, and run again".to_owned(),
            );
        }
        let aside = match aside::free_name(&home, self.run) {
            Ok(name) => name,
            Err(error) => {
                let next = format!("look at {}, and run again", home.place.dir);
                return no(chain(&error), next);
            }
        };
        Ok(Course {
            home,
            aside,
            dump: self.checksum()?,
            old: None,
            is_placed: false,
        })
    }

    /// Stops the unit and waits for its process, because a stopping server writes its files once
    /// more.
    fn stop(&self, course: &Course) -> Result<(), StoreError> {
        let home = &course.home;
        self.asked(
            home,
            self.site.host.change_unit(UnitAction::Stop, &home.unit),
        )?;
        while home.place.process.is_alive(self.site.host) {
            if self.site.is_over() {
                return Err(self.failed(course, "stopping it", "it did not end in time"));
            }
            self.site.host.sleep(PAUSE);
        }
        if self.asked(home, self.site.host.unit(&home.unit))?.is_up() {
            return Err(self.failed(course, "stopping it", "something started it again"));
        }
        Ok(())
    }

    /// Starts the unit, and waits until the server has read its files.
    fn start(&self, course: &Course) -> Result<Found, StoreError> {
        let home = &course.home;
        let unit = &home.unit;
        if !self.asked(home, self.site.host.unit(unit))?.is_up() {
            self.asked(
                home,
                self.site.host.change_unit(UnitAction::ResetFailed, unit),
            )?;
            self.asked(home, self.site.host.change_unit(UnitAction::Start, unit))?;
        }
        loop {
            let why = match self.server.ask("INFO", self.site) {
                Ok(info) if field(&info, "loading") == Some("0") => {
                    let append = server_files::append(&self.server, &info, self.site)?;
                    let keys = keys(&info);
                    return Ok(Found { keys, append });
                }
                Ok(_) => "it is reading its data yet".to_owned(),
                Err(refusal) => match refusal.kind {
                    Kind::Unreachable | Kind::Loading | Kind::Silent | Kind::Tls => {
                        refusal.error.why
                    }
                    _ => return Err(refusal.into()),
                },
            };
            if self.asked(home, self.site.host.unit(unit))?.active == "failed" {
                return Err(self.failed(course, "starting it with the dump", "its unit failed"));
            }
            if self.site.is_over() {
                return Err(self.failed(course, "starting it with the dump", &why));
            }
            self.site.host.sleep(PAUSE);
        }
    }

    /// Compares what the server holds with what the dump was proven to hold.
    fn compare(&self, course: &Course, found: &Found) -> Result<Vec<String>, StoreError> {
        let Proof { keys, expiring } = self.proof;
        if found.append != course.home.append {
            let why = "it started with other append-only settings than it ran with: what was set while it \
                       ran is not in its configuration file";
            return Err(self.failed(course, "starting it with the dump", why));
        }
        if found.keys < keys.saturating_sub(expiring) {
            let why = format!(
                "it holds {} keys of {keys}, and only {expiring} of them expire",
                found.keys
            );
            return Err(self.failed(course, "counting its keys", &why));
        }
        let address = &self.server.address;
        let mut notes = Vec::new();
        if course.old.as_ref().is_some_and(|old| !old.is_empty()) {
            let dir = Path::new(&course.home.place.dir).join(&course.aside);
            notes.push(format!(
                "what Redis at {address} held before is kept in {}; remove it when you no longer need it",
                dir.display()
            ));
        }
        if found.keys < keys {
            let gone = keys - found.keys;
            notes.push(format!(
                "{gone} of {keys} keys of Redis at {address} had expired"
            ));
        }
        if found.keys > keys {
            let more = found.keys - keys;
            notes.push(format!(
                "Redis at {address} holds {more} more keys than the dump: another client already writes to it"
            ));
        }
        Ok(notes)
    }

    fn asked<T>(&self, home: &Home, answer: Result<T, HostError>) -> Result<T, StoreError> {
        answer.map_err(|error| {
            StoreError::new(
                format!("{} of Redis at {}", home.unit, self.server.address),
                chain(&error),
                format!("look at `systemctl status {}`, and run again", home.unit),
            )
        })
    }

    /// Makes an error of a step after the start of a restore. It names where each file is.
    fn failed(&self, course: &Course, what: &str, why: &str) -> StoreError {
        let (unit, dir) = (&course.home.unit, &course.home.place.dir);
        let kept = match &course.old {
            Some(old) if !old.is_empty() => {
                let names: Vec<&str> = old.iter().map(|old| old.name.as_str()).collect();
                let (names, aside) = (names.join(" and "), &course.aside);
                format!(
                    "; to go back: stop {unit}, remove {names} from {dir}, move those in {dir}/{aside} \
                     back there, start {unit}"
                )
            }
            _ => String::new(),
        };
        StoreError::new(
            format!("restoring Redis at {}: {what}", self.server.address),
            why,
            format!("look at `journalctl -u {unit}`, and run again to go on{kept}"),
        )
    }
}

/// What a server holds after its start.
struct Found {
    keys: u64,
    append: Append,
}
