//! The limits that `init` offers for the first days, and stores in the configuration file.

use std::io::{self, BufRead, Write};

use crate::cli::given::{SetSetting, SetValue};
use crate::cli::init::dialogue::Dialogue;
use crate::config::{ConfigError, Settings, StoredLimits};
use crate::domain::Money;
use crate::redact::shown_path;

/// Offers limits, stores the chosen ones, and puts them into the settings. A limit that is set already is not asked for.
pub(super) fn ask(
    dialogue: &mut Dialogue<impl BufRead, impl Write>,
    settings: &mut Settings,
    set: &mut Vec<SetSetting>,
) -> io::Result<()> {
    if settings.read_only || set.iter().any(|one| one.flag == "spend-per-day") {
        // A variable holds for every command already.
        let by_flag = |flag: &str| set.iter().any(|one| one.flag == flag && !one.by_variable);
        let limits = StoredLimits {
            read_only: settings.read_only && by_flag("read-only"),
            spend_per_day: settings.spend_per_day.clone().filter(|_| by_flag("spend-per-day")),
        };
        if limits != StoredLimits::default() {
            store(dialogue, settings, &limits);
        }
        return Ok(());
    }
    let before = stored(settings);
    if before != StoredLimits::default() {
        dialogue.say(&format!("The limit until now: {}.", told(&before)));
    }
    let choices =
        ["read only: nothing is bought, changed or released", "a budget a day for what is bought", "no limit yet"];
    let mut limits = StoredLimits::default();
    match dialogue.choice("A careful first week?", &choices)? {
        1 => {
            limits.read_only = true;
            set.push(setting("read-only", "TRUEDY_MCP_READ_ONLY", SetValue::On));
        }
        2 => loop {
            let line = dialogue.line("How much a day? [20 USD]")?;
            let text = if line.is_empty() { "20 USD".to_owned() } else { line.to_uppercase() };
            match Money::parse(&text) {
                Some(money) => {
                    limits.spend_per_day = Some(money);
                    set.push(setting("spend-per-day", "TRUEDY_MCP_SPEND_PER_DAY", SetValue::Text(text)));
                    break;
                }
                None => dialogue.say("Type an amount and a currency, for example 20 USD."),
            }
        },
        _ => {}
    }
    if limits != before {
        store(dialogue, settings, &limits);
    }
    (settings.read_only, settings.spend_per_day) = (limits.read_only, limits.spend_per_day);
    Ok(())
}

/// Returns the limits that stand in the configuration file. None if it cannot be read: `doctor` says so at the end.
fn stored(settings: &Settings) -> StoredLimits {
    let kept = settings.with_file_policy().ok();
    kept.map(|kept| StoredLimits { read_only: kept.read_only, spend_per_day: kept.spend_per_day }).unwrap_or_default()
}

/// Stores limits, so that every command and every entry of a client keeps to them. Says what is not limited otherwise.
fn store(dialogue: &mut Dialogue<impl BufRead, impl Write>, settings: &mut Settings, limits: &StoredLimits) {
    match settings.with_default_config().store_limits(limits) {
        Ok(file) => {
            dialogue.say(&match limits == &StoredLimits::default() {
                true => format!("No limit is stored in {} any more.", shown_path(&file)),
                false => format!(
                    "Stored in {}: {}. Every command of truedy-mcp and every server that it starts keeps to it.",
                    shown_path(&file),
                    told(limits)
                ),
            });
            settings.is_default_config = settings.config.is_none() || settings.is_default_config;
            settings.config = Some(file);
        }
        Err(ConfigError(why)) => {
            dialogue.say(&why);
            dialogue.say(&format!(
                "The limit was not stored. Commands such as truedy-mcp call are not limited, and only entries that are written now carry the limit. Later: truedy-mcp config install CLIENT{}",
                flags(limits)
            ));
        }
    }
}

fn told(limits: &StoredLimits) -> String {
    match &limits.spend_per_day {
        Some(most) if limits.read_only => format!("read only, and {most} a day"),
        Some(most) => format!("{most} a day for what is bought"),
        None => "read only".to_owned(),
    }
}

/// Returns the limits as flags, each after a space.
fn flags(limits: &StoredLimits) -> String {
    let read_only = if limits.read_only { " --read-only" } else { "" };
    let spend = limits.spend_per_day.as_ref().map(|most| format!(" --spend-per-day \"{most}\"")).unwrap_or_default();
    format!("{read_only}{spend}")
}

fn setting(flag: &str, variable: &str, value: SetValue) -> SetSetting {
    SetSetting { flag: flag.to_owned(), variable: variable.to_owned(), by_variable: false, value }
}
