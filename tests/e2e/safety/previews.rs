//! A purchase needs a person's word or the flag; without either it is a preview.
