//! A tenant's section only narrows what the operator allowed.
