//! `files/<sha256>.json`: the files, dependencies and scriptlets of the header.

use manifests::digest::Sha256;
use manifests::nevra::Nevra;
use manifests::package_files::{
    About, Dependency, PACKAGE_FILES_TYPE, PackageFiles, PackagedFile, Scriptlet,
};
use rpm::{
    DependencyFlags, DigestAlgorithm, FileEntry, FileFlags, IndexTag, PackageMetadata, Trigger,
};

use super::PackageError;
use super::header::{Header, unreadable};

/// Describes a package from its (verified) header.
pub(super) fn describe(
    header: &Header,
    sha256: Sha256,
    nevra: Nevra,
) -> Result<PackageFiles, PackageError> {
    let metadata = &header.metadata;
    let compressor = metadata.get_payload_compressor().map_err(unreadable)?;
    Ok(PackageFiles {
        document: PACKAGE_FILES_TYPE.to_owned(),
        rpm: sha256,
        nevra,
        about: about(metadata),
        installed_bytes: metadata.get_installed_size().unwrap_or(0),
        compressor: compressor.to_string(),
        digest_algorithm: digest_algorithm(metadata).to_owned(),
        files: describe_files(metadata)?,
        requires: dependencies(metadata.get_requires())?,
        provides: dependencies(metadata.get_provides())?,
        conflicts: dependencies(metadata.get_conflicts())?,
        obsoletes: dependencies(metadata.get_obsoletes())?,
        scriptlets: scriptlets(metadata)?,
    })
}

/// No decision depends on these: a tag that is absent, or of an unknown type, is empty.
fn about(metadata: &PackageMetadata) -> About {
    let text = |tag: IndexTag| {
        let header = &metadata.header;
        let found = header
            .get_entry_data_as_string(tag)
            .or_else(|_| header.get_entry_data_as_i18n_string(tag));
        found.unwrap_or_default().to_owned()
    };
    About {
        summary: text(IndexTag::RPMTAG_SUMMARY),
        licence: text(IndexTag::RPMTAG_LICENSE),
        vendor: text(IndexTag::RPMTAG_VENDOR),
        url: text(IndexTag::RPMTAG_URL),
        source_rpm: text(IndexTag::RPMTAG_SOURCERPM),
    }
}

/// Describes the files alone, in header order.
pub(super) fn describe_files(
    metadata: &PackageMetadata,
) -> Result<Vec<PackagedFile>, PackageError> {
    let entries = metadata.get_file_entries().map_err(unreadable)?;
    Ok(entries.iter().map(packaged_file).collect())
}

/// A header without the tag means MD5, as in rpm before 4.6.
fn digest_algorithm(metadata: &PackageMetadata) -> &'static str {
    match metadata.get_file_digest_algorithm() {
        Ok(DigestAlgorithm::Sha2_224) => "sha224",
        Ok(DigestAlgorithm::Sha2_256) => "sha256",
        Ok(DigestAlgorithm::Sha2_384) => "sha384",
        Ok(DigestAlgorithm::Sha2_512) => "sha512",
        Ok(DigestAlgorithm::Sha3_256) => "sha3-256",
        Ok(DigestAlgorithm::Sha3_512) => "sha3-512",
        Ok(DigestAlgorithm::Md5) | Err(_) => "md5",
    }
}

fn packaged_file(entry: &FileEntry<'_>) -> PackagedFile {
    let flags = entry.flags();
    PackagedFile {
        path: format!("{}{}", entry.dirname(), entry.basename()),
        mode: u32::from(entry.mode().raw_mode()),
        user: entry.user().to_owned(),
        group: entry.group().to_owned(),
        size: entry.size() as u64,
        digest: entry
            .digest()
            .map_or(String::new(), |digest| digest.as_hex().to_owned()),
        link: entry.linkto().unwrap_or_default().to_owned(),
        capabilities: entry.caps().unwrap_or_default().to_owned(),
        config: flags.contains(FileFlags::CONFIG),
        noreplace: flags.contains(FileFlags::NOREPLACE),
        ghost: flags.contains(FileFlags::GHOST),
    }
}

fn dependencies(
    found: Result<Vec<rpm::Dependency>, rpm::Error>,
) -> Result<Vec<Dependency>, PackageError> {
    let describe = |dependency: rpm::Dependency| {
        let comparison = dependency.flags.comparator_str();
        Dependency {
            name: dependency.name,
            comparison: comparison.to_owned(),
            version: if comparison.is_empty() {
                String::new()
            } else {
                dependency.version
            },
        }
    };
    Ok(found
        .map_err(unreadable)?
        .into_iter()
        .map(describe)
        .collect())
}

fn scriptlets(metadata: &PackageMetadata) -> Result<Vec<Scriptlet>, PackageError> {
    let named = [
        ("%pretrans", metadata.get_pre_trans_script()),
        ("%pre", metadata.get_pre_install_script()),
        ("%post", metadata.get_post_install_script()),
        ("%preun", metadata.get_pre_uninstall_script()),
        ("%postun", metadata.get_post_uninstall_script()),
        ("%posttrans", metadata.get_post_trans_script()),
        ("%preuntrans", metadata.get_pre_untrans_script()),
        ("%postuntrans", metadata.get_post_untrans_script()),
        ("%verifyscript", metadata.get_verify_script()),
    ];
    let mut found = Vec::new();
    for (phase, scriptlet) in named {
        match scriptlet {
            Ok(scriptlet) => found.push(Scriptlet {
                phase: phase.to_owned(),
                interpreter: interpreter(scriptlet.program.as_deref()),
                body: scriptlet.script,
            }),
            Err(rpm::Error::TagNotFound(_)) => {}
            Err(error) => return Err(unreadable(error)),
        }
    }
    check_triggers(metadata)?;
    for (kind, triggers) in [
        ("", metadata.get_triggers()),
        ("file", metadata.get_file_triggers()),
        ("transfile", metadata.get_trans_file_triggers()),
    ] {
        found.extend(
            triggers
                .map_err(unreadable)?
                .iter()
                .map(|t| trigger(kind, t)),
        );
    }
    Ok(found)
}

/// Every trigger's script must have its interpreter: the crate `rpm` panics where one is missing.
fn check_triggers(metadata: &PackageMetadata) -> Result<(), PackageError> {
    let count = |tag: IndexTag| {
        let found = metadata.header.get_entry_data_as_string_array(tag);
        found.map_or(0, |items| items.len())
    };
    for (scripts, interpreters) in [
        (
            IndexTag::RPMTAG_TRIGGERSCRIPTS,
            IndexTag::RPMTAG_TRIGGERSCRIPTPROG,
        ),
        (
            IndexTag::RPMTAG_FILETRIGGERSCRIPTS,
            IndexTag::RPMTAG_FILETRIGGERSCRIPTPROG,
        ),
        (
            IndexTag::RPMTAG_TRANSFILETRIGGERSCRIPTS,
            IndexTag::RPMTAG_TRANSFILETRIGGERSCRIPTPROG,
        ),
    ] {
        if count(scripts) != count(interpreters) {
            return Err(unreadable(
                "a trigger of it lacks its script or interpreter",
            ));
        }
    }
    Ok(())
}

/// Without an interpreter rpm uses the shell.
fn interpreter(program: Option<&[String]>) -> String {
    match program {
        Some(program) if !program.is_empty() => program.join(" "),
        _ => "/bin/sh".to_owned(),
    }
}

fn trigger(kind: &str, trigger: &Trigger) -> Scriptlet {
    let flags = trigger
        .conditions
        .iter()
        .fold(DependencyFlags::ANY, |all, condition| all | condition.flags);
    let phase = [
        (DependencyFlags::TRIGGERPREIN, "prein"),
        (DependencyFlags::TRIGGERIN, "in"),
        (DependencyFlags::TRIGGERUN, "un"),
        (DependencyFlags::TRIGGERPOSTUN, "postun"),
    ]
    .into_iter()
    .find_map(|(flag, word)| flags.contains(flag).then_some(word))
    .unwrap_or_default();
    let names: Vec<&str> = trigger.conditions.iter().map(|c| c.name.as_str()).collect();
    Scriptlet {
        phase: format!("%{kind}trigger{phase} -- {}", names.join(", ")),
        interpreter: interpreter(Some(&trigger.program)),
        body: trigger.script.clone(),
    }
}
