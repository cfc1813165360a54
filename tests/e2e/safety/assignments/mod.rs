//! A number in use is not given up, whatever its own row says of it.

mod both;
mod held;
mod names;
mod proof;
mod scene;
