//! How wide texts for a terminal may be.

/// Returns the width of the terminal that a stream goes to, in characters. 100 where that is not known.
#[cfg(unix)]
pub(crate) fn width(stream: &impl std::os::fd::AsFd) -> usize {
    let known = rustix::termios::tcgetwinsize(stream).map_or(0, |size| usize::from(size.ws_col));
    if known < NARROWEST { WIDTH } else { known }
}

/// Returns the width of a terminal, which is not known here.
#[cfg(not(unix))]
pub(crate) fn width<T>(_: &T) -> usize {
    WIDTH
}

/// The width of a terminal that does not say it, in characters.
const WIDTH: usize = 100;
/// The narrowest terminal that texts are broken for.
#[cfg(unix)]
const NARROWEST: usize = 40;
