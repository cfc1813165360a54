//! The limits that `init` offers for the first days.

use std::io::{self, BufRead, Write};

use crate::cli::given::{SetSetting, SetValue};
use crate::cli::init::dialogue::Dialogue;
use crate::config::Settings;
use crate::domain::Money;

/// Offers limits, and puts the chosen ones into the settings. A limit that is set already is not asked for.
pub(super) fn ask(
    dialogue: &mut Dialogue<impl BufRead, impl Write>,
    settings: &mut Settings,
    set: &mut Vec<SetSetting>,
) -> io::Result<()> {
    if settings.read_only || set.iter().any(|one| one.flag == "spend-per-day") {
        return Ok(());
    }
    let choices =
        ["read only: nothing is bought, changed or released", "a budget a day for what is bought", "no limit yet"];
    match dialogue.choice("A careful first week?", &choices)? {
        1 => {
            settings.read_only = true;
            set.push(setting("read-only", "TRUEDY_MCP_READ_ONLY", SetValue::On));
        }
        2 => loop {
            let line = dialogue.line("How much a day? [20 USD]")?;
            let text = if line.is_empty() { "20 USD".to_owned() } else { line.to_uppercase() };
            match Money::parse(&text) {
                Some(money) => {
                    settings.spend_per_day = Some(money);
                    set.push(setting("spend-per-day", "TRUEDY_MCP_SPEND_PER_DAY", SetValue::Text(text)));
                    break;
                }
                None => dialogue.say("Type an amount and a currency, for example 20 USD."),
            }
        },
        _ => {}
    }
    Ok(())
}

fn setting(flag: &str, variable: &str, value: SetValue) -> SetSetting {
    SetSetting { flag: flag.to_owned(), variable: variable.to_owned(), by_variable: false, value }
}
