//! Whether everybody can use a page: what axe-core finds, and where the focus goes.

use chromiumoxide::cdp::browser_protocol::emulation::{
    MediaFeature, SetDeviceMetricsOverrideParams, SetEmulatedMediaParams,
};
use chromiumoxide::cdp::browser_protocol::input::{DispatchKeyEventParams, DispatchKeyEventType};
use harness::data::checkout;
use serde::Deserialize;

use crate::{Tab, Trouble};

/// Where `.ci/browser` puts axe-core.
const AXE: &str = "target/axe/axe.min.js";
/// What it is asked: the success criteria of WCAG 2.2 on the levels A and AA, and what its makers advise besides.
const ASKED: &str = "['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']";
/// More stops than any page of the project has.
const STOPS: usize = 2000;

/// Checks pages with axe-core.
#[derive(Clone)]
pub struct Axe(String);

/// How a page is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// How wide the window is, in CSS pixels.
    pub width: i64,
    /// Whether the system prefers dark colours.
    pub dark: bool,
}

/// Where the focus is.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Stop {
    /// The element, as a short selector and its text.
    pub what: String,
    /// Whether it comes after the one before in the document.
    pub follows: bool,
    /// Whether somebody who sees the page sees it, and that it has the focus.
    pub visible: bool,
}

impl Axe {
    /// The script that `.ci/browser` has unpacked; an error says how to get it.
    pub fn read() -> Result<Self, String> {
        let checkout = checkout().ok_or("axe-core is in a checkout of the project alone")?;
        let script = std::fs::read_to_string(checkout.join(AXE));
        script
            .map(Self)
            .map_err(|error| format!("{AXE}: {error}: `.ci/browser` gets it"))
    }

    /// What keeps somebody from using the page in `tab` as it is now: the rule, and where it is broken.
    pub async fn problems(&self, tab: &Tab) -> Result<Vec<String>, Trouble> {
        let Self(script) = self;
        // A page has it until it is left.
        if !tab.evaluate("'axe' in globalThis").await? {
            tab.evaluate::<()>(&format!("(() => {{ {script} }})(), null"))
                .await?;
        }
        tab.evaluate(&format!(
            "axe.run({{ runOnly: {ASKED} }}).then(({{ violations }}) => violations.flatMap(({{ id, help, nodes }}) => \
               nodes.map((node) => `${{id}}: ${{help}}: ${{node.target.join(' ')}}: \
               ${{(node.any[0] ?? node.all[0] ?? node.none[0])?.message ?? ''}}`)))"
        ))
        .await
    }
}

impl Tab {
    /// Looks at the page as `look` says from here on.
    pub async fn look(&self, look: Look) -> Result<(), Trouble> {
        let size = SetDeviceMetricsOverrideParams::new(look.width, 900, 1.0, look.width < 600);
        self.page().execute(size).await?;
        let scheme = if look.dark { "dark" } else { "light" };
        let media = SetEmulatedMediaParams::builder()
            .feature(MediaFeature::new("prefers-color-scheme", scheme))
            // An animation's colours are on their way.
            .feature(MediaFeature::new("prefers-reduced-motion", "reduce"));
        self.page().execute(media.build()).await?;
        Ok(())
    }

    /// Presses `key`, called as in `KeyboardEvent.key`.
    pub async fn press(&self, key: &str) -> Result<(), Trouble> {
        for kind in [
            DispatchKeyEventType::RawKeyDown,
            DispatchKeyEventType::KeyUp,
        ] {
            let mut event = DispatchKeyEventParams::new(kind);
            event.key = Some(key.to_owned());
            event.code = Some(key.to_owned());
            event.windows_virtual_key_code = match key {
                "Tab" => Some(9),
                "Enter" => Some(13),
                _ => None,
            };
            self.page().execute(event).await?;
        }
        Ok(())
    }

    /// Where the focus goes from the beginning of the page with each press of the tab key, until it leaves the page.
    pub async fn focus_order(&self) -> Result<Vec<Stop>, Trouble> {
        self.evaluate::<()>(
            // Where the focus was last, or an address led to, is forgotten with this.
            "document.body.tabIndex = -1, document.body.focus(), document.body.removeAttribute('tabindex'), \
             scrollTo(0, 0), globalThis.stopBefore = null",
        )
        .await?;
        let mut stops = Vec::new();
        while stops.len() < STOPS {
            self.press("Tab").await?;
            match self.evaluate(include_str!("focus.js")).await? {
                Some(stop) => stops.push(stop),
                None => return Ok(stops),
            }
        }
        Err(Trouble::Late(format!(
            "the focus does not leave the page after {STOPS} presses of the tab key"
        )))
    }
}
