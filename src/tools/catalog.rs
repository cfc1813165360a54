//! Every tool, in the order in which clients see them. Each has one line here and one file in `catalog/`.

#![expect(clippy::self_named_module_files, reason = "a `mod.rs` holds no code, and this is code")]

use std::sync::LazyLock;

use crate::domain::{ChangeKind, ChangeKinds};
use crate::tools::contract::tool::{Change, Read};
use crate::tools::contract::visitor::Visitor;

/// Declares the module of each tool, and passes each tool to a visitor.
macro_rules! tools {
    ($($(#[$when:meta])* $effect:ident $module:ident::$tool:ident;)+) => {
        $($(#[$when])* pub(crate) mod $module;)+

        /// Passes every tool to a visitor.
        pub fn visit(visitor: &mut impl Visitor) {
            $($(#[$when])* visitor.$effect::<$module::$tool>();)+
        }
    };
}

tools! {
    read list_numbers::ListNumbers;
    read search_numbers::SearchNumbers;
    change purchase_number::PurchaseNumber;
    change import_number::ImportNumber;
    change assign_number::AssignNumber;
    change unassign_number::UnassignNumber;
    change release_number::ReleaseNumber;
    read get_agent_numbers::GetAgentNumbers;
    read get_webhook_url::GetWebhookUrl;
    read diagnose_number::DiagnoseNumber;
    read list_credentials::ListCredentials;
    read list_agents::ListAgents;
    read list_operations::ListOperations;
    #[cfg(feature = "sample-tools")] read sample_count::SampleCount;
    #[cfg(feature = "sample-tools")] change sample_reserve::SampleReserve;
}

/// Returns the kinds of change of all tools.
pub fn change_kinds() -> ChangeKinds {
    static KINDS: LazyLock<Vec<&'static ChangeKind>> = LazyLock::new(|| {
        let mut found = FoundKinds(Vec::new());
        visit(&mut found);
        found.0
    });
    ChangeKinds::new(&KINDS)
}

struct FoundKinds(Vec<&'static ChangeKind>);

impl Visitor for FoundKinds {
    fn read<T: Read>(&mut self) {}

    fn change<T: Change>(&mut self) {
        self.0.push(T::KIND);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Effect;

    struct Agreement(usize);

    impl Visitor for Agreement {
        fn read<T: Read>(&mut self) {
            assert!(T::EFFECT.reads(), "{}", T::NAME);
        }

        fn change<T: Change>(&mut self) {
            assert_eq!((T::NAME, T::EFFECT), (T::KIND.name, Effect::Changes(T::KIND)));
            self.0 += 1;
        }
    }

    #[test]
    fn name_effect_and_kind_of_each_tool_agree() {
        let mut seen = Agreement(0);
        visit(&mut seen);
        assert!(seen.0 > 4, "every change was seen");
    }
}
