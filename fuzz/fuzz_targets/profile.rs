//! Whatever a profile says: it is read, or what is wrong with it is told with its place.
#![no_main]

use std::path::Path;

use fuzz::assert_helps;
use harness::profile::{Capability, Profile};
use harness::system::Runtime;
use libfuzzer_sys::{Corpus, fuzz_target};

fuzz_target!(|text: &str| -> Corpus {
    // A key file would be opened: no input may choose which.
    if text.contains("key_file") || text.contains('\\') {
        return Corpus::Reject;
    }
    match Profile::parse("p.toml", text, Path::new("/nowhere")) {
        Ok(profile) => {
            assert!(
                profile.websocket.is_some() || profile.gateway.is_some(),
                "nothing to verify"
            );
            assert!(profile.path.starts_with('/'), "{:?}", profile.path);
            assert_eq!(
                profile.channel.matches("{user_id}").count(),
                1,
                "{:?}",
                profile.channel
            );
            assert_eq!(profile.refuses(Runtime::Containers), None);
            assert_eq!(
                profile.refuses(profile.runtime()),
                None,
                "it refuses its own default"
            );
            let missing = profile.lack(Capability::Gateway).is_some();
            assert_eq!(missing, profile.gateway.is_none());
        }
        Err(error) => assert_helps(&error, "p.toml", text),
    }
    Corpus::Keep
});
