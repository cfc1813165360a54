//! HTML pages for people.

pub(crate) mod credential_form;
pub(crate) mod html;
pub(crate) mod landing;
