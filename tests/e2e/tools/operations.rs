//! What the list of operations prints can be given back to it as a filter.

use serde_json::json;

use crate::support::era::Era;
use crate::support::fake_truedy::Upstream;
use crate::support::program::{home, program, run, server};
use crate::support::raw_client::Wire;

const NUMBER: &str = "+14155550163";

#[test]
fn what_the_list_of_operations_prints_can_be_given_back_to_it() {
    let (upstream, state) = (Upstream::start(), home());
    let mut command = server(&upstream.base_url());
    command.arg("--state-dir").arg(&state);
    let mut wire = Wire::open(command, Era::Modern);
    assert_eq!(wire.call("purchase_number", json!({ "phone_number": NUMBER })).status(), "confirmation_required");
    assert_eq!(wire.call("purchase_number", json!({ "phone_number": NUMBER, "confirm": true })).status(), "purchased");
    drop(wire);
    let shown = |arguments: &[&str]| {
        let mut command = program();
        command.arg("operations").args(arguments).arg("--state-dir").arg(&state);
        let ran = run(command, "");
        assert_eq!(ran.code, Some(0), "{arguments:?}: {}", ran.stderr);
        ran.stdout
    };
    let all = shown(&["--only", "all"]);
    for printed in ["previewed", "done", "+1 415 555 0163"] {
        assert!(all.contains(printed), "{all}");
    }
    let previews = shown(&["--state", "previewed"]);
    assert!(previews.contains("previewed") && !previews.contains("done"), "{previews}");
    let done = shown(&["--state", "done"]);
    assert!(done.contains("done") && !done.contains("previewed"), "{done}");
    for number in ["+1 415 555 0163", "+1 (415) 555-0163", "tel:+1-415-555-0163", NUMBER] {
        assert_eq!(shown(&["--only", "all", "--object", number]), all, "{number}");
    }
    assert_eq!(shown(&["--object", "+1 415 555 0164"]), "No operations.\n");
}
