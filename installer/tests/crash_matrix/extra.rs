//! Files beside a package that come with a run. They go into a directory of the operator's choice.
//! The directory lies outside of every tree of the component's backup and holds files of others
//! too.

use std::collections::BTreeMap;
use std::time::Duration;

use installer::inventory::OnDisk;
use installer::layout::Layout;
use installer::plan::extras::PlannedExtra;
use manifests::digest::Sha256;

use crate::fake::disk;

const DIRECTORY: &str = "/srv/plugins";
/// The first is new. The second replaces a file that an operator tried out.
const NEW: (&str, &[u8]) = ("auth_2.0.0.so", b"auth for 2.0.0");
const REPLACED: (&str, &[u8]) = ("quota_2.0.0.so", b"quota for 2.0.0");
const TRIED: &str = "an earlier build of quota";

/// What comes beside a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Beside {
    Nothing,
    Files,
}

/// Returns what is there before: path, content, mode.
pub(crate) fn before() -> BTreeMap<String, (String, u32)> {
    let files = [
        ("auth_1.4.2.so", "auth for 1.4.2", 0o640),
        (REPLACED.0, TRIED, 0o600),
        ("of somebody else", "other", 0o644),
    ];
    let edit = |(name, content, mode): (&str, &str, u32)| {
        (format!("{DIRECTORY}/{name}"), (content.to_owned(), mode))
    };
    files.into_iter().map(edit).collect()
}

/// Returns what is planned of them.
pub(crate) fn coming() -> Vec<PlannedExtra> {
    let tried = OnDisk::Sha256(Sha256::of(TRIED.as_bytes()));
    let like = [
        format!("{DIRECTORY}/auth_1.4.2.so"),
        format!("{DIRECTORY}/{}", REPLACED.0),
    ];
    let of = |((name, bytes), from, like): ((&str, &[u8]), OnDisk, String)| PlannedExtra {
        component: "relay".to_owned(),
        rule: "plugin".to_owned(),
        stem: name.split('_').next().unwrap_or_default().to_owned(),
        path: format!("{DIRECTORY}/{name}"),
        sha256: Sha256::of(bytes),
        size_bytes: bytes.len() as u64,
        mode: 0o640,
        uid: rustix::process::geteuid().as_raw(),
        gid: rustix::process::getegid().as_raw(),
        modified: 1_640_000_000,
        like: Some(like),
        from,
    };
    let [new, replaced] = like;
    [(NEW, OnDisk::Absent, new), (REPLACED, tried, replaced)]
        .map(of)
        .to_vec()
}

/// Puts them where the staging puts them.
pub(crate) fn store(layout: &Layout) {
    for (_, bytes) in [NEW, REPLACED] {
        let path = layout.stored_extra(&Sha256::of(bytes));
        disk::write(&path, bytes, 0o600, Duration::from_secs(1_690_000_000));
    }
}
