//! Writes the seeds that `scripts/fuzz-seeds` then reduces: real documents and packages, made
//! small. Arguments: an unpacked bundle, a directory of small RPMs with `repodata/`, and the output
//! directory.

use std::fs;
use std::path::{Path, PathBuf};

use builder::package::describe;
use fuzz::{MemoryFile, Sections, append, compress, read_bundle, root_bytes, sign_tar};
use installer::journal::step::{GroupStep, RevertStep, Step};
use installer::journal::{Phase, Record, line_of};
use manifests::bundle::{BundleManifest, BundledRpm, Encoding, Entry};
use manifests::bundle_path::BundlePath;
use manifests::digest::Sha256;
use manifests::json::canonical;
use manifests::package_files::PackageFiles;
use manifests::parts::{PARTS_TYPE, Part, PartsDocument};
use manifests::product::ProductManifest;
// Built with the flags of the targets, it needs what they call.
use libfuzzer_sys as _;

fn main() {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [unpacked, rpms, out] = &arguments[..] else {
        panic!("three directories are needed");
    };
    let seeds = Seeds { out };
    let bundle = Bundle::cut_down(unpacked);
    seeds.write("manifest", "real", &bundle.manifest_bytes());
    let tar = bundle.tar();
    seeds.write("bundle_tar", "real", &tar);
    let file = compress(&sign_tar(&tar));
    read_bundle(&file).unwrap();
    seeds.write("bundle_file", "real", &file);
    let sections = bundle.sections();
    read_bundle(&compress(&Sections::of(&sections).tar())).unwrap();
    seeds.write("bundle_signed", "real", &sections);
    seeds.write(
        "root",
        "real",
        &fs::read(unpacked.join("root.json")).unwrap(),
    );
    seeds.write("root", "test-key", &root_bytes());
    seeds.write("parts", "one", &parts(&[7]));
    seeds.write("parts", "three", &parts(&[512, 512, 12]));
    for name in ["repomd.xml", "primary.xml"] {
        let file = found(&rpms.join("repodata"), name);
        let target = name.split('.').next().unwrap();
        seeds.write(target, "real", &file);
    }
    let list = found(&rpms.join("repodata"), "primary.xml");
    seeds.write("primary", "zstd", &zstd::encode_all(&*list, 3).unwrap());
    for entry in fs::read_dir(rpms).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "rpm") {
            let (name, bytes) = (path.file_stem().unwrap(), fs::read(&path).unwrap());
            let name = name.to_string_lossy();
            seeds.write("rpm", &name, &bytes);
            let bare = without_digests(&bytes);
            for bytes in [&bytes, &bare] {
                describe(MemoryFile::new(bytes).path().as_path(), Sha256::of(bytes)).unwrap();
            }
            seeds.write("rpm", &format!("{name}-bare"), &bare);
        }
    }
    seeds.write("journal", "forward", &journal(&[]));
    seeds.write("journal", "reverted", &journal(RevertStep::ALL));
    settings(&seeds);
}

struct Seeds<'a> {
    out: &'a Path,
}

impl Seeds<'_> {
    fn write(&self, target: &str, name: &str, bytes: &[u8]) {
        let dir = self.out.join(target);
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join(name), bytes).unwrap();
    }
}

/// Reads a file of a repository, unpacked if it is packed, with or without a digest in its name.
fn found(dir: &Path, name: &str) -> Vec<u8> {
    let mut paths = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let fits = |path: &PathBuf| path.to_string_lossy().contains(name);
    let bytes = fs::read(paths.find(fits).unwrap()).unwrap();
    let mut text = Vec::new();
    let mut list = builder::repo::open_list(&bytes, None).unwrap();
    std::io::Read::read_to_end(&mut list, &mut text).unwrap();
    text
}

/// A real bundle with two of its packages, and a few bytes in the place of each.
struct Bundle {
    manifest: BundleManifest,
    contents: Vec<(BundlePath, Vec<u8>)>,
}

impl Bundle {
    fn cut_down(unpacked: &Path) -> Self {
        let read = |path: &str| fs::read(unpacked.join(path)).unwrap();
        let mut manifest = BundleManifest::parse(&read("manifest.json")).unwrap();
        manifest.rpms.truncate(2);
        let mut product = ProductManifest::from_json(&read("product.json")).unwrap();
        product.base_url = "https://vendor.invalid".to_owned();
        product.title = "Tyk".to_owned();
        for key in &mut product.package_keys {
            key.url = "https://vendor.invalid/key".to_owned();
        }
        product.title.clone_into(&mut manifest.title);
        let mut contents = vec![(
            "product.json".parse().unwrap(),
            canonical(&product).unwrap(),
        )];
        contents.push(("keys/vendor/a.asc".parse().unwrap(), b"key\n".to_vec()));
        let mut packages = Vec::new();
        for (rpm, mark) in manifest.rpms.iter_mut().zip([b"one", b"two"]) {
            let list = BundlePath::for_package_files(&rpm.sha256);
            let mut list: PackageFiles = serde_json::from_slice(&read(list.as_str())).unwrap();
            list.files.truncate(3);
            list.scriptlets.truncate(1);
            list.provides.truncate(2);
            move_to(rpm, &mut list, Sha256::of(mark));
            contents.push((
                BundlePath::for_package_files(&rpm.sha256),
                canonical(&list).unwrap(),
            ));
            packages.push((rpm.path.clone(), mark.to_vec()));
        }
        contents.extend(packages);
        let entry = |(path, bytes): &(BundlePath, Vec<u8>)| Entry {
            path: path.clone(),
            size: bytes.len() as u64,
            sha256: Sha256::of(bytes),
            encoding: Encoding::Plain,
        };
        manifest.entries = contents.iter().map(entry).collect();
        Self { manifest, contents }
    }

    fn manifest_bytes(&self) -> Vec<u8> {
        canonical(&self.manifest).unwrap()
    }

    fn tar(&self) -> Vec<u8> {
        let mut tar = Vec::new();
        let mtime = self.manifest.timestamp;
        append(&mut tar, "manifest.json", &self.manifest_bytes(), mtime);
        for (path, bytes) in &self.contents {
            append(&mut tar, path.as_str(), bytes, mtime);
        }
        tar.resize(tar.len() + 1024, 0);
        tar
    }

    fn sections(&self) -> Vec<u8> {
        let mut text = [b"=== manifest.json\n", &self.manifest_bytes()[..]].concat();
        for (path, bytes) in &self.contents {
            text.extend(format!("\n=== {path}\n").into_bytes());
            text.extend(bytes);
        }
        text
    }
}

fn move_to(rpm: &mut BundledRpm, list: &mut PackageFiles, sha256: Sha256) {
    rpm.sha256 = sha256;
    rpm.path = BundlePath::for_package(&sha256, rpm.path.file_name()).unwrap();
    list.rpm = sha256;
}

fn parts(sizes: &[u64]) -> Vec<u8> {
    let part = |(number, &size)| Part {
        number,
        size,
        sha256: Sha256::of(b""),
    };
    let document = PartsDocument {
        document: PARTS_TYPE.to_owned(),
        bundle: "bundle.tar.zst".to_owned(),
        product: "tyk".to_owned(),
        size: sizes.iter().sum(),
        sha256: Sha256::of(b""),
        manifest_sha256: Sha256::of(b""),
        parts: (1..).zip(sizes).map(part).collect(),
    };
    canonical(&document).unwrap()
}

/// The same package without anything that a changed byte would contradict: no header digest, and
/// the payload's digest under a tag that readers ignore.
fn without_digests(rpm: &[u8]) -> Vec<u8> {
    const LEAD_BYTES: usize = 96;
    let header = {
        let number = |at: usize| u32::from_be_bytes(rpm[at..at + 4].try_into().unwrap()) as usize;
        let length = 16 * number(LEAD_BYTES + 8) + number(LEAD_BYTES + 12) + 16;
        LEAD_BYTES + length.next_multiple_of(8)
    };
    let mut bare = rpm[..LEAD_BYTES].to_vec();
    bare.extend([0x8e, 0xad, 0xe8, 1]);
    bare.extend([0; 12]);
    let mut rest = rpm[header..].to_vec();
    let tag = 5092_u32.to_be_bytes();
    if let Some(at) = rest.windows(4).position(|window| window == tag) {
        rest[at..at + 4].copy_from_slice(&5999_u32.to_be_bytes());
    }
    bare.extend(rest);
    bare
}

/// The journal of a run over one group, reverted by these steps after its transaction.
fn journal(revert: &[RevertStep]) -> Vec<u8> {
    let of_group = |step| Step::Group(step, "gateway".to_owned());
    let mut steps = vec![
        Step::Backup,
        Step::InstallHolds,
        of_group(GroupStep::Hold),
        of_group(GroupStep::Refresh),
        of_group(GroupStep::Transaction),
    ];
    if revert.is_empty() {
        let rest = [
            GroupStep::Check,
            GroupStep::Configure,
            GroupStep::Release,
            GroupStep::Health,
        ];
        steps.extend(rest.map(of_group));
        steps.extend([Step::Commit, Step::RemoveHolds]);
    }
    steps.extend(revert.iter().map(|step| Step::Revert(*step)));
    let (mut text, mut previous, mut seq) = (String::new(), String::new(), 0);
    for step in steps {
        let fails = !revert.is_empty() && step == of_group(GroupStep::Transaction);
        for phase in [
            Phase::Intent,
            if fails { Phase::Failed } else { Phase::Done },
        ] {
            seq += 1;
            let mut record = Record {
                seq,
                run: 1,
                plan: Sha256::of(b"plan"),
                step: step.clone(),
                phase,
                at: 1_700_000_000,
                note: String::new(),
                sum: String::new(),
            };
            record.sum = record.checksum(&previous);
            text += &line_of(&record);
            previous = record.sum;
        }
    }
    text.into_bytes()
}

/// Configuration file, environment file and answer.
fn settings(seeds: &Seeds<'_>) {
    let gateway = r#"{"listen_port": 9000, "listen_address": "0.0.0.0", "control_api_port": 0,
 "health_check_endpoint_name": "up", "http_server_options": {"use_ssl": true}}"#;
    let environment = "# ports\nTYK_GW_LISTENPORT=\"7000\"\nTYK_DB_LISTENADDRESS='::1'\n";
    let answers = [
        r#"{"status":"pass","version":"v5.3.2","details":{"redis":{"status":"pass"}}}"#,
        r#"{"status":"ok"}"#,
        "",
    ];
    for (at, answer) in answers.iter().enumerate() {
        for (name, environment) in [("file", ""), ("environment", environment)] {
            let text = [gateway, environment, answer].join("\0");
            seeds.write("settings", &format!("{name}-{at}"), text.as_bytes());
        }
    }
}
