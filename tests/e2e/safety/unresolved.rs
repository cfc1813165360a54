//! While it is not known what became of a purchase, no other is made.
