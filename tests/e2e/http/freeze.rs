//! A freeze as servers see it: two on one database, several tenants on one server, and the admin endpoints.

use futures::future::join_all;
use serde_json::json;

use super::callers::{Files, look};
use super::replicas::Scene;
use super::tenancy::{ACME, BETA};
use crate::support::expected::SCOPES;
use crate::support::fake_truedy::{Gate, PURCHASE, Play, SEARCH, Upstream};
use crate::support::frozen_purchases::{WHY, buy};
use crate::support::http_client::eventually;
use crate::support::program::{Ran, program, run};

/// Runs a command of the operator with these variables, beside the tasks of the test.
async fn operate(arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
    let mut command = program();
    command.args(arguments).envs(variables.iter().copied());
    tokio::task::spawn_blocking(move || run(command, "")).await.unwrap()
}

#[tokio::test]
async fn of_ten_purchases_on_two_servers_none_begins_after_the_command_returned() {
    let Some(scene) = Scene::set() else { return };
    let (buying, pricing) = (Gate::new(), Gate::new());
    let (at, then) = (buying.clone(), pricing.clone());
    scene.upstream.on(PURCHASE, move |_, _| Play::Behind(at.clone(), Box::new(Play::Usual)));
    scene.upstream.on(SEARCH, move |seen, _| match seen.says("area_code") == "212" {
        true => Play::Behind(then.clone(), Box::new(Play::Usual)),
        false => Play::Usual,
    });
    let servers = scene.two(&["--ask", "off", "--purchases-per-day", "unlimited"]).await;
    let calls = (0..10).map(|at| {
        let last = if at < 4 { 160 + at } else { 180 + at - 4 };
        servers[at % 2].call(&scene.ana, "purchase_number", buy(last))
    });
    let freezing = async {
        eventually("four are sent", async || scene.upstream.count(PURCHASE) == 4).await;
        let journal = scene.database.variables();
        let variables: Vec<(&str, &str)> = journal.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let ran = operate(&["freeze", "--why", WHY], &variables).await;
        pricing.open();
        buying.open();
        ran
    };
    let (answers, ran) = tokio::join!(join_all(calls), freezing);
    assert_eq!(ran.code, Some(0), "{} {}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("Changes that were sent before: 4. Truedy still works on 4"), "{}", ran.stdout);
    assert!(ran.stdout.contains("Other processes that have this journal open: 2."), "{}", ran.stdout);
    let secret = url::Url::parse(&scene.database.variables()[0].1).unwrap();
    let database = secret.path().trim_start_matches('/');
    assert!(ran.stdout.contains("Journal: postgres, ") && ran.stdout.contains(database), "{}", ran.stdout);
    let password = secret.password().unwrap_or_default();
    assert!(password.is_empty() || !format!("{}{}", ran.stdout, ran.stderr).contains(&format!(":{password}@")));
    for (at, answer) in answers.iter().enumerate() {
        assert_eq!(answer["status"], if at < 4 { "purchased" } else { "frozen" }, "{answer}");
    }
    assert_eq!(scene.upstream.count(PURCHASE), 4);
    for served in &servers {
        assert_eq!(served.call(&scene.ben, "purchase_number", buy(190)).await["status"], "frozen");
        assert_eq!(served.call(&scene.ben, "list_numbers", json!({})).await["status"], "ok");
    }
}

#[tokio::test]
async fn however_the_freeze_falls_among_ten_purchases_on_two_servers_nothing_is_sent_afterwards() {
    for round in 0..3_u64 {
        let Some(scene) = Scene::set() else { return };
        let servers = scene.two(&["--ask", "off", "--purchases-per-day", "unlimited"]).await;
        let calls = (0..10).map(|at| servers[at % 2].call(&scene.ana, "purchase_number", buy(160 + at)));
        let freezing = async {
            tokio::time::sleep(std::time::Duration::from_millis(60 * round)).await;
            let journal = scene.database.variables();
            let variables: Vec<(&str, &str)> = journal.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let ran = operate(&["freeze", "--why", WHY], &variables).await;
            assert_eq!(ran.code, Some(0), "{} {}", ran.stdout, ran.stderr);
            scene.upstream.count(PURCHASE)
        };
        let (answers, bought) = tokio::join!(join_all(calls), freezing);
        let count = |wanted: &str| answers.iter().filter(|answer| answer["status"] == wanted).count();
        assert_eq!((count("purchased"), count("frozen")), (bought, 10 - bought), "round {round}: {answers:?}");
        assert_eq!(scene.upstream.count(PURCHASE), bought);
    }
}

#[tokio::test]
async fn the_freeze_of_one_tenant_stops_no_other_and_the_server_stays_ready() {
    let (first, second, mut files) = (Upstream::start(), Upstream::start(), Files::new());
    let (ana, ben) = (files.token("ana", "acme", &SCOPES), files.token("ben", "beta", &SCOPES));
    let tenants = format!(
        "[tenants.acme]\napi_key_env = \"ACME_KEY\"\nbase_url = \"{}\"\n[tenants.beta]\napi_key_env = \"BETA_KEY\"\nbase_url = \"{}\"\n",
        first.base_url(),
        second.base_url()
    );
    let keys = [("ACME_KEY", ACME), ("BETA_KEY", BETA)];
    let served = files.serve_tenants(&tenants, &["--ask", "off", "--admin-listen", "127.0.0.1:0"], &keys).await;
    assert_eq!(served.call(&ana, "purchase_number", buy(160)).await["status"], "purchased");
    assert!(look(&served, "/readyz").await.json().get("changes").is_none());
    let (state, config) = (files.state().display().to_string(), files.write("config.toml", &tenants));
    let own = ["--state-dir", &state, "--config", &config];
    // A tenant that there is not stops nothing, so it is refused.
    let unknown = operate(&[&["freeze", "--why", WHY, "--tenant", "acne"], &own[..]].concat(), &keys).await;
    assert_eq!(unknown.code, Some(2), "{}", unknown.stdout);
    assert!(
        unknown.stderr.contains("Did you mean acme?") && unknown.stderr.contains("acme, beta"),
        "{}",
        unknown.stderr
    );
    let ran = operate(&[&["freeze", "--why", WHY, "--tenant", "acme"], &own[..]].concat(), &keys).await;
    assert_eq!(ran.code, Some(0), "{} {}", ran.stdout, ran.stderr);
    assert_eq!(served.call(&ana, "purchase_number", buy(161)).await["status"], "frozen");
    assert_eq!(served.call(&ben, "purchase_number", buy(161)).await["status"], "purchased");
    let ready = look(&served, "/readyz").await;
    let told = ready.json();
    let changes = told["changes"].as_str().unwrap_or_default();
    assert_eq!((ready.status, &told["ready"]), (200, &json!(true)), "{told}");
    assert!(changes.contains("for tenant acme") && changes.contains(WHY), "{told}");
    // Nothing over HTTP ends it.
    for path in ["/unfreeze", "/freeze"] {
        assert_eq!(look(&served, path).await.status, 404);
    }
    assert_eq!(first.count(PURCHASE), 1);
}
