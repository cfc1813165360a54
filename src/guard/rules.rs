//! The rules of the policy in one table: what each is called, what it says to agents, and what it checks.
//!
//! A new rule is a line here, with its check, a field of [`Policy`] and a setting. The flag, the variable and the key
//! of a tenant's section follow from the name; tests compare them with the settings.

use crate::domain::{Effect, Refusal};
use crate::guard::policy::{AskMode, Cap, Level, Policy, RequestedChange, denied};
use crate::guard::summary::few;

/// A call, as the rules see it before anything is sent.
struct RequestedCall<'a> {
    effect: Effect,
    change: &'a RequestedChange,
}

/// What a rule checks.
enum RuleCheck {
    /// Whether a tool is offered at all, by its name and whether it only reads.
    Offer(fn(&Policy, &str, bool) -> bool),
    /// A call, before anything is sent. The error is the refusal.
    Call(fn(&Policy, &RequestedCall<'_>) -> Result<(), Refusal>),
    /// A fact that is read first. The tool or the gate checks it.
    Later,
}

/// One rule of the policy.
pub struct PolicyRule {
    /// The name: `max_monthly_cost`. Refusals carry it in `rule`, and a tenant's section has it as a key.
    pub name: &'static str,
    /// What the rule says to agents and operators. `None` if it is not set.
    told: fn(&Policy) -> Option<String>,
    check: RuleCheck,
}

impl PolicyRule {
    /// Returns the flag: `--max-monthly-cost`.
    pub fn flag(&self) -> String {
        format!("--{}", self.name.replace('_', "-"))
    }

    /// Returns the variable: `TRUEDY_MCP_MAX_MONTHLY_COST`.
    pub fn variable(&self) -> String {
        format!("TRUEDY_MCP_{}", self.name.to_ascii_uppercase())
    }
}

/// All rules, in the order in which they are told.
pub static RULES: [PolicyRule; 16] = [
    PolicyRule {
        name: "gate",
        told: |policy| Some(level(policy.level, policy.ask).to_owned()),
        check: RuleCheck::Later,
    },
    PolicyRule { name: "purchases_per_day", told: |policy| Some(caps(policy)), check: RuleCheck::Call(cap) },
    // The sentence of the caps names all three, and the check serves whichever counts the call.
    PolicyRule { name: "releases_per_day", told: |_| None, check: RuleCheck::Later },
    PolicyRule { name: "imports_per_day", told: |_| None, check: RuleCheck::Later },
    PolicyRule {
        name: "spend_per_day",
        told: |policy| policy.caps.spend.as_ref().map(|most| format!("at most {most} for purchases in 24 hours")),
        check: RuleCheck::Later,
    },
    PolicyRule {
        name: "max_monthly_cost",
        told: |policy| policy.max_monthly.as_ref().map(|most| format!("at most {most} a month for a number")),
        check: RuleCheck::Later,
    },
    PolicyRule {
        name: "countries",
        told: |policy| {
            policy.countries.as_ref().map(|countries| match few(countries) {
                none if none.is_empty() => "numbers of no country may be bought".to_owned(),
                some => format!("numbers of {some} only"),
            })
        },
        // So far only the digits of the number are known. The tool checks again once the carrier has stated the type.
        check: RuleCheck::Call(|policy, call| match &call.change.buys {
            Some(number) => policy.admit_country(number),
            None => Ok(()),
        }),
    },
    PolicyRule {
        name: "number_types",
        told: |policy| {
            policy.number_types.as_ref().map(|types| match few(types) {
                none if none.is_empty() => "numbers of no type may be bought".to_owned(),
                some => format!("{some} numbers only"),
            })
        },
        check: RuleCheck::Call(|policy, call| match &call.change.buys {
            Some(number) => policy.admit_type(number, None),
            None => Ok(()),
        }),
    },
    PolicyRule {
        name: "read_only",
        told: |policy| policy.read_only.then(|| "read-only".to_owned()),
        check: RuleCheck::Offer(|policy, _, reads| !policy.read_only || reads),
    },
    PolicyRule {
        name: "tools",
        told: |policy| {
            policy.only.as_ref().map(|only| match few(only) {
                none if none.is_empty() => "all tools are switched off".to_owned(),
                some => format!("the tools {some} only, others are switched off"),
            })
        },
        check: RuleCheck::Offer(|policy, tool, _| policy.only.as_ref().is_none_or(|only| only.contains(tool))),
    },
    PolicyRule {
        name: "exclude_tools",
        told: |policy| (!policy.except.is_empty()).then(|| format!("switched off: {}", few(&policy.except))),
        check: RuleCheck::Offer(|policy, tool, _| !policy.except.contains(tool)),
    },
    PolicyRule {
        name: "protect",
        told: |policy| {
            (!policy.protected.is_empty()).then(|| format!("protected against release: {}", policy.protected.len()))
        },
        check: RuleCheck::Later,
    },
    PolicyRule {
        name: "release_in_use",
        told: |policy| policy.release_in_use.then(|| "numbers in use may be released".to_owned()),
        check: RuleCheck::Later,
    },
    PolicyRule {
        name: "sip_hosts",
        told: |policy| {
            policy.sip_hosts.as_ref().map(|hosts| match hosts.is_empty() {
                true => "no SIP imports: no host is allowed".to_owned(),
                false => "SIP imports from listed hosts only".to_owned(),
            })
        },
        check: RuleCheck::Call(|policy, call| match &call.change.sip_server {
            Some(server) => policy.admit_sip(server),
            None => Ok(()),
        }),
    },
    PolicyRule {
        name: "inline_secrets",
        told: |policy| {
            policy.no_inline_secrets.then(|| "carrier keys from profiles or the user's page only".to_owned())
        },
        check: RuleCheck::Later,
    },
    PolicyRule {
        name: "ask",
        told: |policy| (policy.ask == AskMode::Off).then(|| "the user is not asked by form".to_owned()),
        check: RuleCheck::Later,
    },
];

impl Policy {
    /// Checks whether a tool is offered at all.
    pub fn offers(&self, tool: &str, reads: bool) -> bool {
        self.rule_against(tool, reads).is_none()
    }

    /// Returns the rule that switches a tool off. `None` if it is offered.
    fn rule_against(&self, tool: &str, reads: bool) -> Option<&'static PolicyRule> {
        RULES.iter().find(|rule| matches!(rule.check, RuleCheck::Offer(offers) if !offers(self, tool, reads)))
    }

    /// Checks whether the policy allows a call, before anything is sent.
    pub fn admit(&self, tool: &str, effect: Effect, change: &RequestedChange) -> Result<(), Refusal> {
        if let Some(PolicyRule { name, .. }) = self.rule_against(tool, effect.reads()) {
            let summary = format!(
                "Nothing was done. {tool} is not allowed here: the operator of this server has switched it off (rule {name})."
            );
            return Err(denied(name, &summary));
        }
        let call = RequestedCall { effect, change };
        RULES.iter().try_for_each(|rule| match rule.check {
            RuleCheck::Call(check) => check(self, &call),
            RuleCheck::Offer(_) | RuleCheck::Later => Ok(()),
        })
    }

    /// Returns the rules in force, one text for each rule.
    ///
    /// The level and the caps are always included. Long lists are shortened.
    pub fn summary(&self) -> Vec<String> {
        RULES.iter().filter_map(|rule| (rule.told)(self)).collect()
    }
}

/// Refuses a change whose cap is 0: nothing needs to be counted.
fn cap(policy: &Policy, call: &RequestedCall<'_>) -> Result<(), Refusal> {
    match call.effect.kind().filter(|kind| policy.caps.of(kind) == Some(Cap::Most(0))) {
        Some(kind) => Err(policy.cap_reached(kind, 0)),
        None => Ok(()),
    }
}

fn caps(policy: &Policy) -> String {
    let most = |cap: Cap| cap.most().map_or_else(|| "unlimited".to_owned(), |most| most.to_string());
    let caps = &policy.caps;
    let (purchases, releases, imports) = (most(caps.purchases), most(caps.releases), most(caps.imports));
    format!("at most {purchases} purchases, {releases} releases and {imports} imports in 24 hours")
}

fn level(level: Level, ask: AskMode) -> &'static str {
    match level {
        Level::Flag if ask == AskMode::Off => {
            "gate flag: a purchase or release needs confirm: true, without which it is a preview"
        }
        Level::Flag => {
            "gate flag: a purchase needs the user's yes or, where the client cannot ask, confirm: true, without which it is a preview; a release needs confirm: true"
        }
        Level::Token => "gate token: a purchase or release needs confirm: true and the token of its preview",
        Level::Human => {
            "gate human: a purchase or release needs confirm: true, the token of its preview and a person who agrees"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flag_and_variable_follow_from_the_name() {
        let rule = RULES.iter().find(|rule| rule.name == "max_monthly_cost").expect("a rule");
        assert_eq!(rule.flag(), "--max-monthly-cost");
        assert_eq!(rule.variable(), "TRUEDY_MCP_MAX_MONTHLY_COST");
    }
}
