//! An image, as a profile names it and says how its container is started.

use std::fmt;
use std::num::NonZeroU16;
use std::str::FromStr;

/// An image, and how its container is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Which one.
    pub name: ImageName,
    /// Where it listens in its container; without one, where the contract says.
    pub port: Option<NonZeroU16>,
    /// What its entry point gets in place of the image's own arguments, as templates.
    pub arguments: Option<Vec<String>>,
}

/// An image's name and tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageName {
    /// All before the last colon: the registry, if it is named, and the repository.
    pub repository: String,
    /// What follows it.
    pub tag: String,
}

impl FromStr for ImageName {
    type Err = String;

    /// Reads what `docker run` would take: without a tag, it is `latest`; an id or a digest has its hash in the tag's place.
    fn from_str(text: &str) -> Result<Self, String> {
        let (repository, tag) = match text.rsplit_once(':') {
            // The colon of a registry's port.
            Some((_, rest)) if rest.contains('/') => (text, "latest"),
            Some(parts) => parts,
            None => (text, "latest"),
        };
        let blank = |part: &str| part.is_empty() || part.contains(char::is_whitespace);
        if blank(repository) || blank(tag) {
            return Err(format!(
                "an image is its name and tag, as in \"my-service:1.0\"; it is {text:?}"
            ));
        }
        Ok(Self {
            repository: repository.to_owned(),
            tag: tag.to_owned(),
        })
    }
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.repository, self.tag)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::name_and_tag("my-service:1.0", "my-service", "1.0")]
    #[case::no_tag("me/my-service", "me/my-service", "latest")]
    #[case::port_of_a_registry("host:5000/my-service", "host:5000/my-service", "latest")]
    #[case::all("host:5000/my-service:2", "host:5000/my-service", "2")]
    #[case::digest("my-service@sha256:ab", "my-service@sha256", "ab")]
    fn a_name_is_read_as_the_engine_does(
        #[case] text: &str,
        #[case] repository: &str,
        #[case] tag: &str,
    ) {
        let name: ImageName = text.parse().unwrap();
        assert_eq!(
            (name.repository.as_str(), name.tag.as_str()),
            (repository, tag)
        );
    }

    #[rstest]
    #[case::nothing("")]
    #[case::no_name(":1")]
    #[case::empty_tag("x:")]
    #[case::blanks("my service")]
    fn what_is_no_name_is_told(#[case] text: &str) {
        let expected =
            format!("an image is its name and tag, as in \"my-service:1.0\"; it is {text:?}");
        assert_eq!(text.parse::<ImageName>(), Err(expected));
    }
}
