//! Platforms: an image may have a variant for each kind of machine.

use std::fmt;
use std::str::FromStr;

use anyhow::{Error, bail};
use common::printable;

/// An operating system and a processor, by the names that Go has for them.
#[derive(Clone, Debug, PartialEq)]
pub struct Platform {
    os: String,
    architecture: String,
    /// Such as v7 for arm; an empty one fits every other
    variant: String,
}

impl Platform {
    pub fn new(os: String, architecture: String, variant: Option<String>) -> Platform {
        Platform { os, architecture, variant: variant.unwrap_or_default() }
    }

    /// What this program was built for.
    pub fn of_this_machine() -> Platform {
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "x86" => "386",
            "aarch64" => "arm64",
            "powerpc64" if cfg!(target_endian = "little") => "ppc64le",
            "powerpc64" => "ppc64",
            "loongarch64" => "loong64",
            same => same,
        };
        Platform::new("linux".into(), architecture.into(), None)
    }

    /// Whether an image for `self` is one for `wanted`.
    pub fn fits(&self, wanted: &Platform) -> bool {
        let any = self.variant.is_empty() || wanted.variant.is_empty();
        self.os == wanted.os
            && self.architecture == wanted.architecture
            && (any || self.variant == wanted.variant)
    }
}

impl FromStr for Platform {
    type Err = Error;

    fn from_str(text: &str) -> Result<Platform, Error> {
        let parts: Vec<&str> = text.split('/').collect();
        let (os, architecture, variant) = match parts[..] {
            [os, architecture] => (os, architecture, None),
            [os, architecture, variant] => (os, architecture, Some(variant.to_owned())),
            _ => bail!("a platform is OS/ARCH or OS/ARCH/VARIANT, such as linux/arm64"),
        };
        Ok(Platform::new(os.into(), architecture.into(), variant))
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slash = if self.variant.is_empty() { "" } else { "/" };
        let text = format!("{}/{}{slash}{}", self.os, self.architecture, self.variant);
        printable(&text).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variant_counts_if_both_have_one() {
        let platform = |text: &str| text.parse::<Platform>().unwrap();
        assert!(platform("linux/arm/v7").fits(&platform("linux/arm")));
        assert!(!platform("linux/arm/v7").fits(&platform("linux/arm/v6")));
        assert!(!platform("linux/arm64").fits(&platform("linux/amd64")));
        assert!("arm64".parse::<Platform>().is_err());
        assert_eq!(platform("linux/arm/v7").to_string(), "linux/arm/v7");
    }
}
