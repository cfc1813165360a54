//! What a search that cannot succeed says.
