//! The confirmations that a call gave, and who approved a change by them.

/// Where a person gave consent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConsentPlace {
    /// On a form of the client.
    Form,
    /// On a card that the client showed with its form.
    Card,
    /// On a page of this server, where the person entered keys.
    Page,
    /// At the terminal of the command line. The level `human` does not accept it: a program may type there.
    Terminal,
}

impl ConsentPlace {
    const ALL: [Self; 4] = [Self::Form, Self::Card, Self::Page, Self::Terminal];

    fn as_str(self) -> &'static str {
        match self {
            Self::Form => "form",
            Self::Card => "card",
            Self::Page => "page",
            Self::Terminal => "terminal",
        }
    }
}

/// The confirmations that a call gave to the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GateEvidence {
    /// `confirm: true` was given.
    pub flag: bool,
    /// A valid token of a preview was given.
    pub token: bool,
    /// The call came from a click on a page that a client showed. Nothing proves who clicked.
    pub click: bool,
    /// A person accepted, as the client reported.
    pub person: Option<ConsentPlace>,
}

impl GateEvidence {
    /// Returns the confirmations as the journal stores them: words separated by commas. `person` precedes its place.
    pub(crate) fn to_text(self) -> String {
        let given = [("flag", self.flag), ("token", self.token), ("click", self.click)];
        let given = given.iter().filter(|(_, given)| *given).map(|(word, _)| *word);
        let person = self.person.into_iter().flat_map(|place| ["person", place.as_str()]);
        given.chain(person).collect::<Vec<_>>().join(",")
    }
}

/// Returns who approved an operation by its stored confirmations. The strongest one counts:
///
/// - `person`, with the place if it is known: `person (form)`
/// - `click` on a page that the client showed
/// - `token` of a preview
/// - `flag`: `confirm: true`
/// - `nobody`
pub(crate) fn approved_by(evidence: &str) -> String {
    let words: Vec<&str> = evidence.split(',').collect();
    if words.contains(&"person") {
        let place = ConsentPlace::ALL.into_iter().find(|place| words.contains(&place.as_str()));
        return place.map_or_else(|| "person".to_owned(), |place| format!("person ({})", place.as_str()));
    }
    ["click", "token", "flag"].into_iter().find(|word| words.contains(word)).unwrap_or("nobody").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strongest_confirmation_counts() {
        let all = GateEvidence { flag: true, token: true, click: true, person: None };
        for place in ConsentPlace::ALL {
            let by = approved_by(&GateEvidence { person: Some(place), ..all }.to_text());
            assert_eq!(by, format!("person ({})", place.as_str()));
        }
        assert_eq!(approved_by(&all.to_text()), "click");
        assert_eq!(approved_by(&GateEvidence { click: false, ..all }.to_text()), "token");
        assert_eq!(approved_by(&GateEvidence { flag: true, ..GateEvidence::default() }.to_text()), "flag");
        assert_eq!(approved_by(&GateEvidence::default().to_text()), "nobody");
        // Rows of earlier layouts name no place.
        assert_eq!(approved_by("flag,token,person"), "person");
    }
}
