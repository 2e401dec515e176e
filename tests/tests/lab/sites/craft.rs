//! A product of one service that a test makes: `craft`, with whatever files, links and relations its
//! packages are to have.

use std::path::{Path, PathBuf};

use lab::forge::Forge;
use lab::vendor::{OwnPackage, Product};
use manifests::bundle::Role;
use manifests::nevra::Arch;
use manifests::product::{BackupTree, Component};

use crate::upgrade::support::Site;

pub(super) const UNIT: &str = "craft.service";
pub(super) const PROGRAM: &str = "/opt/craft/bin/craft";

const UNIT_FILE: (&str, &str) = (
    "/usr/lib/systemd/system/craft.service",
    "[Service]\nExecStart=/opt/craft/bin/craft\n[Install]\nWantedBy=multi-user.target\n",
);
const DIRECTORIES: [&str; 2] = ["/opt/craft", "/opt/craft/bin"];
/// What the vendor's packages usually do.
const SCRIPTS: [(&str, &str); 2] = [
    ("postinstall", "systemctl daemon-reload"),
    (
        "preremove",
        "if [ $1 -eq 0 ]; then systemctl disable --now craft.service; fi",
    ),
];

/// One version of the service's package.
#[derive(Clone, Debug, Default)]
pub(super) struct Craft<'a> {
    pub(super) package: OwnPackage<'a>,
    /// Whether its service ends at once.
    pub(super) is_bad: bool,
}

impl Craft<'_> {
    /// Builds the RPM, with the service beside the test's own files.
    pub(super) fn build(&self, site: &Site, dir: &Path) -> PathBuf {
        let own = &self.package;
        let deed = if self.is_bad { "exit 3" } else { "sleep 1" };
        let text = format!(
            "#!/bin/sh\n# {} {}\nwhile :; do {deed}; done\n",
            own.name, own.version
        );
        let mut files = vec![UNIT_FILE, (PROGRAM, text.as_str())];
        files.extend(own.files);
        let directories = [&DIRECTORIES[..], own.directories].concat();
        let scripts = [&SCRIPTS[..], own.scripts].concat();
        let package = OwnPackage {
            files: &files,
            directories: &directories,
            scripts: &scripts,
            ..own.clone()
        };
        site.fixtures.build(&package, dir).unwrap()
    }
}

/// A bundle of these RPMs for a product of one component.
pub(super) fn forge(
    site: &Site,
    package: &str,
    beside: &[&str],
    rpms: Vec<(PathBuf, Role)>,
) -> Forge {
    let mut product = site
        .fixtures
        .product(Product::Acme, "http://127.0.0.1:9")
        .unwrap();
    let component = Component {
        name: "craft".to_owned(),
        title: "Craft".to_owned(),
        package: package.to_owned(),
        packages: beside.iter().map(|&name| name.to_owned()).collect(),
        unit: Some(UNIT.to_owned()),
        program: Some(PROGRAM.to_owned()),
        config: Vec::new(),
        config_flags: Vec::new(),
        config_unless: None,
        environment: Vec::new(),
        references: Vec::new(),
        tools: Vec::new(),
        backup: vec![BackupTree {
            path: "/opt/craft".to_owned(),
            exclude: vec![PROGRAM.to_owned()],
        }],
        stores: Vec::new(),
        health: None,
        ..product.component(&product.lead).unwrap().clone()
    };
    product.lead.clone_from(&component.name);
    product.components = vec![component];
    product.pins.clear();
    product.extras.clear();
    product.migrations.clear();
    Forge {
        product,
        vendor_keys: vec![site.fixtures.package_key(Product::Acme).unwrap().file],
        rpms,
        distro: "el8".to_owned(),
        arch: Arch::X86_64,
        version: "2".to_owned(),
        lint: Vec::new(),
    }
}

impl Site {
    /// Installs RPMs with rpm and starts the service.
    pub(super) fn has_craft(&self, rpms: &[&PathBuf], options: &[&str]) {
        let mut install = vec!["rpm".to_owned(), "-U".to_owned()];
        install.extend(options.iter().map(|&option| option.to_owned()));
        for rpm in rpms {
            let inside = format!("/root/{}", rpm.file_name().unwrap().to_string_lossy());
            self.host.copy_in(rpm, &inside, 0o644).unwrap();
            install.push(inside);
        }
        self.host.check(&install).unwrap();
        self.host
            .check(&["systemctl", "enable", "--now", UNIT])
            .unwrap();
    }

    /// Returns the installed packages of the product, and whether its service runs.
    pub(super) fn craft(&self) -> (String, bool) {
        let names = self.shell("rpm -qa 'craft*' | sort | tr '\\n' ' '");
        (
            names.trim().to_owned(),
            self.host.unit(UNIT).unwrap().is_active(),
        )
    }

    /// Removes everything of the product.
    pub(super) fn without_craft(&self) {
        self.shell(
            "systemctl disable --now craft.service; rpm -e --nodeps $(rpm -qa 'craft*'); \
             rm -rf /opt/craft /srv/craft; systemctl daemon-reload; true",
        );
    }
}
