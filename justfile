# The commands of this repository. `just` lists them. Each also works without just: the recipe is the command.

# List the recipes.
default:
    @just --list

# Build the program.
build:
    cargo build --locked

# Run the quick tests: under a minute after the build.
quick:
    bash .ci/quick

# Run every Rust test. Extra arguments are filters: `just test campaign`.
test *filters:
    cargo test --locked -- {{ filters }}

# Format the code. A macro declares the files of the tools, so cargo does not see them.
fmt:
    cargo fmt
    rustfmt --edition 2024 src/tools/catalog/*.rs

# Check format, lints, documentation and licences.
lint:
    bash .ci/run lint

# Run the clients of other makers against the program.
clients:
    bash .ci/run clients

# Run the pages and cards in Chromium.
browsers:
    bash .ci/run browsers

# Check what is in deploy/, behind nginx and under load.
deploy:
    bash .ci/run deploy

# Try the npm packages and the bundle as their users do.
packages:
    bash .ci/run packages

# Run everything that must hold before a change is taken in. Extra arguments are parts: `just ci lint test`.
ci *parts:
    bash .ci/run {{ parts }}

# Run the long checks: more kills, more calls, more fuzzing.
nightly:
    bash .ci/nightly

# Measure the program. Extra arguments are parts: `just bench http`.
bench *parts:
    cargo bench -- {{ parts }}

# Build the documentation of the code.
docs:
    cargo doc --locked --no-deps --document-private-items

# Make the pictures of the pages anew: the command line by the program, cards and landing page in Chromium.
pictures:
    UPDATE_PICTURES=1 cargo test --locked --test e2e -- papers::pictures
    bash .ci/pictures
    git diff --stat docs/pictures

# Accept the new snapshots and the generated tables. Look at the difference before you commit.
snapshots:
    INSTA_UPDATE=always cargo test --locked --test e2e -- tools::catalog tools::prompts_and_resources
    UPDATE_DOCS=1 cargo test --locked --test e2e -- papers::generated
    git diff --stat
