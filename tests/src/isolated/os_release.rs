//! The disguise: the host claims to be an Enterprise Linux.

/// The major version that `/etc/os-release` claims. Nothing but that file changes with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ElMajor {
    El7,
    #[default]
    El8,
    El9,
}

impl ElMajor {
    /// The version for a number on a command line.
    #[must_use]
    pub fn from_number(major: u8) -> Option<Self> {
        match major {
            7 => Some(Self::El7),
            8 => Some(Self::El8),
            9 => Some(Self::El9),
            _ => None,
        }
    }

    pub(super) fn os_release(self) -> String {
        let (name, version, major) = match self {
            Self::El7 => ("CentOS Linux", "7 (Core)", 7),
            Self::El8 => ("CentOS Linux", "8", 8),
            Self::El9 => ("CentOS Stream", "9", 9),
        };
        format!(
            "NAME=\"{name}\"\n\
             VERSION=\"{version}\"\n\
             ID=\"centos\"\n\
             ID_LIKE=\"rhel fedora\"\n\
             VERSION_ID=\"{major}\"\n\
             PLATFORM_ID=\"platform:el{major}\"\n\
             PRETTY_NAME=\"{name} {version} (isolated host of a test lab)\"\n\
             CPE_NAME=\"cpe:/o:centos:centos:{major}\"\n"
        )
    }
}
