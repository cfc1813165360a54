//! `truedy-mcp tour`: starts the server, walks through the scenes, and says what to do next.

use clap::Args;

use crate::cli::bootstrap;
use crate::cli::given::{SetSetting, unused};
use crate::cli::output::{Exit, complain, print_styled};
use crate::cli::table::FAINT;
use crate::cli::tour::guide::TourGuide;
use crate::cli::tour::scenes::{get_a_number, keep_it, lose_an_answer, what_it_cost};
use crate::config::ConfigError;
use crate::mcp::TourClient;

/// The settings that the tour sets itself.
pub(crate) const SETTINGS: [&str; 2] = ["sandbox", "ephemeral"];
/// A variable of debug builds, for tests: a fault of the sandbox, so that something is not as the tour expects it.
pub(crate) const FAULT: &str = "TRUEDY_MCP_TOUR_FAULT";

#[derive(Debug, Args)]
pub struct TourArgs {
    /// Show every call and its answer in JSON.
    #[arg(long, short)]
    verbose: bool,
}

pub(crate) fn run(set: &[SetSetting], arguments: &TourArgs) -> Result<Exit, ConfigError> {
    warn_of_variables(set);
    let walked = bootstrap::runtime()?.block_on(walk(arguments.verbose));
    match walked {
        Ok(()) => Ok(Exit::Fine),
        Err(why) => {
            complain(&format!("the tour stopped: {why}"));
            Ok(Exit::Failed)
        }
    }
}

/// Returns the message for flags that the tour would not use.
pub(crate) fn on_unused(flags: &str) -> String {
    format!(
        "The tour has a sandbox of its own with the defaults, and {flags} would do nothing: leave it out, or try it with truedy-mcp call TOOL --sandbox."
    )
}

/// Warns of variables that do not hold on the tour.
fn warn_of_variables(set: &[SetSetting]) {
    let variables: Vec<String> = unused(set, &SETTINGS).filter(|one| one.by_variable).map(SetSetting::place).collect();
    if !variables.is_empty() {
        complain(&format!(
            "the tour has a sandbox of its own with the defaults; these variables do not hold there: {}",
            variables.join(", ")
        ));
    }
}

async fn walk(verbose: bool) -> Result<(), String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let fault = std::env::var(FAULT).ok().filter(|_| cfg!(debug_assertions));
    let mut words = vec!["stdio", "--sandbox", "--ephemeral"];
    words.extend(fault.as_ref().into_iter().flat_map(|fault| ["--fault", fault.as_str()]));
    let client = TourClient::start(program, &words).await?;
    let tools = client.tools().await?;
    let mut guide = TourGuide::new(client, verbose);
    guide.begin(&tools);
    let (number, before) = get_a_number(&mut guide).await?;
    keep_it(&mut guide, &number, before).await?;
    lose_an_answer(&mut guide).await?;
    what_it_cost(&mut guide).await?;
    guide.leave().await;
    print_styled(&format!(
        "\n{FAINT}Next{FAINT:#}    truedy-mcp config install claude-code --sandbox\n        {FAINT}truedy-mcp tour --verbose   every call and answer in JSON{FAINT:#}\n"
    ));
    Ok(())
}
